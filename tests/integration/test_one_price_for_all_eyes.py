"""One path of prices, played once for each eye that may see an exit: it ends at one price."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from tests.fakes.trading import MINUTE, NOON, SYMBOL, TradingHarness, open_harness
from tests.integration.test_gaps import CASH, FREE, FUTURES, LONG, SHORT, SPOT, bot, hours
from tradebotd.daemon.wiring.tick_router import TickRouter
from tradebotd.domain.candle import Candle, Tick, ticks_of
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.manager import ExitManager
from tradebotd.venues.paper.fill_model import PaperTerms

D = Decimal
TWO, SIX = (1, 12, 14), (1, 15, 18)  # sessions of NOON's day, by their hours
# `restart`: another daemon on the same books meets the path's last part with its ticks;
# `all`: every eye is open, as it is in the daemon.
EYES = ("tick", "sweep", "resting", "restart", "all")


STOP = ExitPlan(stop_loss=D("0.02"))


@dataclass(frozen=True, kw_only=True)
class Path:
    """*candles*: (minute, open, high, low, close) of a long's path; a short's is its mirror at 100.

    *price*: the long's exit. *sessions*: of a market that closes. *leverage*: of a futures bot.
    """

    candles: Sequence[tuple[float, ...]]
    price: str
    plan: ExitPlan = STOP
    reason: str = "stop_loss"
    sessions: Sequence[tuple[int, int, int]] = ()
    leverage: int = 1


FLAT = (1, 99, 100, 99, 99.5)
PATHS = {
    "gap over the stop": Path(candles=[FLAT, (2, 92, 93, 91, 92)], price="92"),
    "cross within a candle": Path(candles=[FLAT, (2, 99, 99.5, 90, 91)], price="98"),
    "the open meets the stop": Path(candles=[FLAT, (2, 98, 99, 97, 99)], price="98"),
    "missing candles": Path(candles=[FLAT, (122, 92, 93, 91, 92)], price="92"),
    "missing candles, then through it": Path(candles=[FLAT, (122, 98.5, 99, 90, 91)], price="98"),
    "a target jumped over": Path(
        candles=[FLAT, (2, 107, 108, 106, 107)],
        price="107",
        plan=ExitPlan(stop_loss=D("0.02"), take_profit=D("0.04")),
        reason="take_profit",
    ),
    "over a closed session": Path(
        candles=[FLAT, (180, 92, 93, 91, 92)], price="92", sessions=(TWO, SIX)
    ),
    "traded outside the session": Path(
        candles=[FLAT, (150, 90, 91, 89, 90), (179, 90, 91, 89, 90), (181, 94, 95, 93, 94)],
        price="94",
        sessions=(TWO, SIX),
    ),
    "back before the session opens": Path(
        candles=[FLAT, (179, 90, 91, 89, 90), (180, 99, 100, 98.5, 99), (181, 99, 99, 95, 95)],
        price="98",
        sessions=(TWO, SIX),
    ),
    "a holding time that ended while it was closed": Path(
        candles=[FLAT, (179, 97, 97, 97, 97), (182, 99, 99.5, 99, 99)],
        price="99",
        plan=ExitPlan(stop_loss=D("0.05"), max_holding=timedelta(hours=2)),
        reason="max_holding",
        sessions=(TWO, SIX),
    ),
    "stop and liquidation over a gap": Path(
        candles=[FLAT, (2, 80, 81, 79, 80)], price="95", leverage=20
    ),
}
KINDS = [(SPOT, LONG), (FUTURES, LONG), (FUTURES, SHORT)]


def mirrored(price: float, side: PositionSide) -> float:
    return price if side is LONG else 200 - price


class Blind:
    """The eye of the ticks, closed: a price is known, and nobody acts on it."""

    def __init__(self, harness: TradingHarness) -> None:
        self._prices = harness.prices

    def on_tick(self, point: Tick) -> None:
        self._prices.record(point)


class Play:
    def __init__(self, database: Database, path: Path, kind: PositionType, eye: str) -> None:
        self.database = database
        self.path = path
        self.kind = kind
        self.eye = eye

    async def open(self, **more: Any) -> None:
        resting = self.eye in {"resting", "all"}
        given: dict[str, Any] = {**FREE, "resting_stops": resting}
        terms = PaperTerms(starting_cash=CASH, **given)
        leverage = self.path.leverage if self.kind is FUTURES else 1
        one = bot(self.kind, self.path.plan, leverage=leverage, allow_short=self.kind is FUTURES)
        calendar = hours(*self.path.sessions) if self.path.sessions else None
        self.harness = await open_harness(
            self.database, one, paper=terms, sequential=True, calendar=calendar, **more
        )
        eye = (
            self.harness.protection
            if self.eye in {"tick", "restart", "all"}
            else Blind(self.harness)
        )
        self.points = TickRouter(
            cast("ExitManager", eye),
            [self.harness.paper],
            self.harness.protection.hours,
            self.harness.prices,
        )

    async def enter(self, side: PositionSide) -> None:
        await self.harness.reconciler.run()
        await self.harness.enter(side=side)
        await self._sweep("resting", "sweep", "all")

    async def restart(self) -> None:
        """As the next daemon finds it: what is known of prices is that of the candles."""
        now, last = self.harness.clock.now(), self.harness.prices.last_prices(SYMBOL)
        await self.open(restarted=True)
        self.harness.clock.set(now)
        assert last is not None
        self.harness.prices.record(Tick(last.at, SYMBOL, last.current))
        await self.harness.protection.load(now)

    async def candle(self, candle: Candle) -> None:
        """Swept before each of its points, at the very instant of it, and behind it.

        The holding time has the sweep's eye alone.
        """
        for point in ticks_of(SYMBOL, candle, Timeframe.M1):
            for early in (timedelta(seconds=1), timedelta()):
                if point.at - early >= self.harness.clock.now():
                    self.harness.clock.set(point.at - early)
                    await self._sweep("sweep", "all")
            acting = self.points.on_tick(point)
            if acting is not None:
                await acting
            await self._sweep("sweep", "all")

    async def _sweep(self, *eyes: str) -> None:
        if self.eye in eyes or self.path.plan.max_holding is not None:
            await self.harness.protection.sweep(self.harness.clock.now())


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("kind", "side"), KINDS)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
async def test_an_exit_ends_at_the_price_of_its_path_whoever_saw_it(
    database: Database, path: Path, kind: PositionType, side: PositionSide, eye: str
) -> None:
    """M4.7, M6.1, 3.8: a simulation whose result depends on who looked first shows nothing."""
    if path.leverage > 1 and kind is SPOT:
        return  # nothing is liquidated
    play = Play(database, path, kind, eye)
    await play.open()
    await play.enter(side)
    for number, (minute, *prices) in enumerate(path.candles, start=1):
        if eye == "restart" and number == len(path.candles):
            await play.restart()
        first, high, low, last = (mirrored(each, side) for each in prices)
        low, high = sorted((low, high))
        await play.candle(Candle(NOON + minute * MINUTE, first, high, low, last, 1))

    await play.harness.reconciler.run()  # what the venue has ended by force
    position = await play.harness.position()
    assert position["exit_price"] == Decimal(str(mirrored(float(path.price), side)))
    assert position["close_reason"] in {path.reason, "external"}  # by force
    assert await play.harness.broken_books() == []
