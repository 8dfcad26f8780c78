"""One seed: a bot decides, its entry waits, a command comes, and the venue's log is read."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from tests.database import PostgresServer
from tests.fakes.trading import ScriptedStrategy
from tests.halts.plan import Plan, plan_of
from tests.halts.points import Points, watch_adapter, watched_network
from tests.simulators.shared.faults import Executed, Fault, Kind
from tests.venue_core.campaign import Verdict
from tests.venue_core.daemon import BOT
from tests.venue_core.loop import SharedTimeLoop
from tests.venue_core.machine import Run, in_shared_time, running
from tradebotd.domain.signal import SignalKind

DECIDES_SECONDS: Final = 150.0
AFTERWARDS_SECONDS: Final = 70.0  # the bot says the same again
BOUGHT: Final = 12  # candles on which it would
SLOW: Final = 2.5
INSTRUMENTS: Final = {
    "binance_spot": "/api/v3/exchangeInfo",
    "binance_usdm": "/fapi/v1/exchangeInfo",
    "alpaca": "/v2/assets",
}
ENTRIES: Final = "SELECT client_order_id, status, reason FROM orders WHERE role = 'entry'"


@dataclass(frozen=True)
class Arrival:
    """*number*: in the order of all that happened. *text*: the request with its body."""

    number: int
    at: float
    text: str


class Scenario:
    def __init__(self, plan: Plan, run: Run) -> None:
        self.plan, self.run = plan, run
        self.verdict = Verdict(str(plan))
        self.points = Points(plan.waits, self._reached)
        self._numbers = itertools.count()
        self._arrivals: list[Arrival] = []
        self._stopped: int | None = None  # the number of the command's return
        self._tasks: list[asyncio.Future[None]] = []
        self._decided = asyncio.Event()

    async def play(self) -> Verdict:
        run, daemon = self.run, self.run.daemon
        self._listen()
        await daemon.start()
        watch_adapter(self.points, daemon)
        self._tell(daemon.strategy)
        daemon.says(*[SignalKind.BUY] * BOUGHT)
        try:
            async with asyncio.timeout(DECIDES_SECONDS):
                await self._decided.wait()
        except TimeoutError:
            self.verdict.violations.append("the bot has decided nothing")
            return self.verdict
        await asyncio.sleep(AFTERWARDS_SECONDS)
        await asyncio.gather(*self._tasks)
        await self._judge()
        self.verdict.violations += await run.books.differences(run.place)
        return self.verdict

    def _listen(self) -> None:
        """Write down each request for an order as it has arrived, before it is executed."""
        scene = self.run.place.server.scene
        named = scene.operation_of

        async def operation_of(request: web.Request) -> str:
            if request.method == "POST" and "order" in request.path.lower():
                text = f"{request.raw_path} {(await request.read()).decode()}"
                arrival = Arrival(next(self._numbers), self.run.loop.time(), text)
                self._arrivals.append(arrival)
            return await named(request)

        scene.operation_of = operation_of

    def _tell(self, strategy: ScriptedStrategy) -> None:
        """Begin with its first word."""
        decide = strategy.decide

        def told(candles: Any) -> Any:
            signal = decide(candles)
            if not self._decided.is_set() and signal.kind is SignalKind.BUY:
                self._decided.set()
                self._begin()
            return signal

        strategy.decide = told  # type: ignore[method-assign]

    def _begin(self) -> None:
        plan = self.plan
        if plan.refreshes:
            slow = Fault(
                kind=Kind.DELAY, path=INSTRUMENTS[plan.venue], delay=SLOW, executed=Executed.NOW
            )
            self.run.place.server.faults.set(slow)
            self._spawn(self._refresh)
        self.points.begin()
        if plan.at is None:
            self._spawn(self._command, plan.after)

    def _reached(self, point: str) -> None:
        if point == self.plan.at:
            self._spawn(self._command, 0.0)

    def _spawn(self, work: Callable[..., Awaitable[None]], *values: Any) -> None:
        self._tasks.append(asyncio.ensure_future(work(*values)))

    async def _refresh(self) -> None:
        await self.run.daemon.app.runner.run_manually("refresh_instruments", {})

    async def _command(self, after: float) -> None:
        await asyncio.sleep(after)
        daemon = self.run.daemon
        if self.plan.command == "halt":
            await daemon.app.gate.halt("a test")
        elif self.plan.command == "pause":
            await daemon.trading.commands.pause_bot(BOT)
        else:
            file = daemon.config.path("config.toml")
            file.write_text(file.read_text().replace("[[bots]]", "[[bots]]\nactive = false"))
            await daemon.app.reload()
        self._stopped = next(self._numbers)

    async def _judge(self) -> None:
        rows = await self.run.books.rows(ENTRIES)
        before = after = 0
        for arrival in self._arrivals:
            if not any(row["client_order_id"] in arrival.text for row in rows):
                continue
            if self._stopped is not None and arrival.number > self._stopped:
                after += 1
                self.verdict.violations.append(
                    f"an entry arrived at {arrival.at:.3f}, after {self.plan.command} had returned"
                )
            else:
                before += 1
        if self._stopped is None:  # its point was never reached: nothing was there to be stopped
            self.verdict.outcome = f"{self.plan.at} not reached"
            return
        if before > 1:
            self.verdict.violations.append(f"{before} entries arrived")
        resting = [each for each in self.run.place.orders() if each.is_open and each.side == "buy"]
        if resting and self.plan.command != "disable":
            self.verdict.violations.append("an entry rests behind the command")
        kept_back = "kept back at the wire" if rows else "no order was made"
        arrived = "arrived afterwards" if after else "arrived before"
        self.verdict.outcome = arrived if before or after else kept_back


def play(name: str, server: PostgresServer) -> Verdict:
    plan = plan_of(name)

    async def whole(loop: SharedTimeLoop) -> Verdict:
        entry = 'entry = "limit"\nentry_offset = "1%"\n' if plan.limit else ""
        bot = f'{entry}exits = {{ stop_loss = "2%" }}\ninitial_capital = "100000"'
        async with running(loop, server, plan.venue, bot=bot) as run:
            scenario = Scenario(plan, run)
            with watched_network(scenario.points):
                return await scenario.play()

    return in_shared_time(whole)
