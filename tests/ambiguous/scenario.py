"""One case from start to end: a bot trades, its order goes wrong, an hour may pass, the books are read."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest

from tests.ambiguous.cases import Case, Kind, case_of
from tests.ambiguous.judgement import bare, doubled, unsettled, untold
from tests.ambiguous.trouble import strike
from tests.database import PostgresServer
from tests.venue_core.between import Orders, interpose
from tests.venue_core.campaign import Verdict
from tests.venue_core.loop import SharedTimeLoop
from tests.venue_core.machine import Run, in_shared_time, running
from tradebotd.domain.side import Side
from tradebotd.domain.signal import SignalKind

SETTLED_SECONDS: Final = 60.0
ENTERS_SECONDS: Final = 150.0  # candles are enough by then
CLOSED_SECONDS: Final = 150.0
MARGIN: Final = timedelta(minutes=4)
LONGEST_SECONDS: Final = 2 * 3600.0  # what can rest is sought for an hour
CAPITAL: Final = (
    'initial_capital = "100000"\nlimits = { max_daily_trades = 20, max_daily_loss = "50%" }'
)
BOTS: Final = {
    Kind.MARKET_ENTRY: 'exits = { stop_loss = "2%" }',
    Kind.LIMIT_ENTRY: (
        'entry = "limit"\nentry_offset = "1%"\nentry_lifetime = "2h"\nexits = { stop_loss = "2%" }'
    ),
    Kind.MARKET_EXIT: 'exits = { stop_loss = "2%" }',
    Kind.STOP: 'exits = { stop_loss = "2%", take_profit = "4%" }',
    Kind.LONE_STOP: 'exits = { stop_loss = "2%" }',
}
STOPS: Final = frozenset({Kind.STOP, Kind.LONE_STOP})


class Scenario:
    """*margin*: for which an order that can rest is sought, in place of the venue's own hour."""

    def __init__(
        self, case: Case, run: Run, margin: timedelta | None, patched: pytest.MonkeyPatch
    ) -> None:
        self.case, self.run, self._patched = case, run, patched
        self.verdict = Verdict(str(case))
        if margin is not None:
            adapter = run.daemon.adapter
            adapter.traits = replace(adapter.traits, resting_margin=margin)
        self.struck: set[str] = set()
        self._struck_at = 0.0
        self._armed = False
        self._doubles: set[str] = set()
        self._hit = asyncio.Event()

    async def play(self) -> Verdict:
        run, kind = self.run, self.case.kind
        interpose(run.daemon, self._handed_over)
        await run.daemon.start()
        watching = asyncio.ensure_future(self._watch())
        self._armed = kind is not Kind.MARKET_EXIT
        run.daemon.says(SignalKind.BUY)
        if kind is Kind.MARKET_EXIT:
            if not await run.until(self._is_long, ENTERS_SECONDS):
                return self._failed("the bot has not entered")
            self._armed = True
            await self._move("0.97")
        if not await self._is_hit():
            return self._failed("the order was never sent")
        await self._a_minute()
        await self._end()
        watching.cancel()
        self.verdict.violations += sorted(self._doubles)
        return self.verdict

    async def _watch(self) -> None:
        while True:
            self._doubles |= set(doubled(self.case, self.run))
            await asyncio.sleep(1)

    def _failed(self, why: str) -> Verdict:
        self.verdict.violations.append(why)
        return self.verdict

    async def _handed_over(self, orders: Orders) -> None:
        if not self._armed or not self._is_meant(orders):
            return
        self._armed = False
        self.struck = {str(name) for name, _ in orders}
        self._struck_at = self.run.loop.time()
        await strike(self.case, self.run.place.server, self._patched)
        self._hit.set()

    def _is_meant(self, orders: Orders) -> bool:
        is_stop = any(request.stop_price is not None for _, request in orders)
        if self.case.kind in STOPS:
            return is_stop
        side = Side.SELL if self.case.kind is Kind.MARKET_EXIT else Side.BUY
        return not is_stop and all(request.side is side for _, request in orders)

    async def _is_hit(self) -> bool:
        try:
            async with asyncio.timeout(ENTERS_SECONDS):
                await self._hit.wait()
        except TimeoutError:
            return False
        return True

    async def _is_long(self) -> bool:
        return self.run.place.held() > 0

    async def _is_settled(self) -> bool:
        return not await unsettled(self.struck, self.run)

    async def _move(self, factor: str) -> None:
        place = self.run.place
        tick = Decimal("0.01") if place.kind == "alpaca" else Decimal("0.1")
        place.move((place.price * Decimal(factor)).quantize(tick))

    async def _a_minute(self) -> None:
        """The order is settled by then, or unknown with an alert."""
        while self.run.loop.time() < self._struck_at + SETTLED_SECONDS:
            if self.verdict.after is None and await self._is_settled():
                self.verdict.after = round(self.run.loop.time() - self._struck_at, 1)
            await asyncio.sleep(1)
        rows = await self.run.books.orders()
        told = [row["status"] for row in rows if row["client_order_id"] in self.struck]
        self.verdict.outcome = " ".join(told)
        self.verdict.violations += await untold(self.struck, self.run)
        self.verdict.violations += await bare(self.case, self.run)

    async def _end(self) -> None:
        """The price falls through all stops; what is unknown is sought to its end; the books are true."""
        await self._move("0.985")  # limit entries fill
        await asyncio.sleep(10)
        await self._move("0.95")
        if not await self.run.until(self._is_flat, CLOSED_SECONDS):
            self.verdict.violations.append(f"{self.run.place.held()} is still held beyond the stop")
        if not await self.run.until(self._is_over, LONGEST_SECONDS, 20):
            rows = await unsettled(self.struck, self.run)
            self.verdict.violations.append(f"never settled: {[row['status'] for row in rows]}")
        if self.verdict.after is None:
            self.verdict.after = round(self.run.loop.time() - self._struck_at, 1)
        await asyncio.sleep(65)  # one more reconciliation
        self.verdict.violations += await self.run.books.differences(self.run.place)
        self.verdict.violations += await self._open_positions()

    async def _is_flat(self) -> bool:
        """Beside what no order can sell any more."""
        return abs(self.run.place.held()) * self.run.place.price < 5

    async def _is_over(self) -> bool:
        return await self._is_settled() and await self._is_flat()

    async def _open_positions(self) -> Sequence[str]:
        rows = await self.run.books.rows("SELECT id FROM positions WHERE closed_at IS NULL")
        return [f"position {row['id']} is open in our books" for row in rows]


def play(name: str, server: PostgresServer, margin: timedelta | None = MARGIN) -> Verdict:
    """Play the case of that name. *margin*: of orders that can rest; None: the venue's own."""
    case = case_of(name)
    if not case.is_possible:
        return Verdict(name, outcome="excluded: no byte arrives")

    async def whole(loop: SharedTimeLoop) -> Verdict:
        bot = f"{BOTS[case.kind]}\n{CAPITAL}"
        rests = case.kind is not Kind.MARKET_EXIT
        with pytest.MonkeyPatch.context() as patched:
            async with running(loop, server, case.venue, bot=bot, resting_stops=rests) as run:
                return await Scenario(case, run, margin, patched).play()

    return in_shared_time(whole)
