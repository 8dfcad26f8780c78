"""Exits at the paper venue over a gap: at the first price there is, whichever eye saw it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.daemon.wiring.tick_router import TickRouter
from tradebotd.domain.bot import BotSpec, EntryKind, EntryRule
from tradebotd.domain.candle import Candle, Tick, ticks_of
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.domain.signal import SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import ExchangeCalendar, Session
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms

D = Decimal
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
SPOT, FUTURES = PositionType.SPOT, PositionType.FUTURES
# Three ways in which an exit comes about: each must end at the same price.
EYES = ("tick", "sweep", "resting")
CASES = [(SPOT, LONG), (FUTURES, LONG), (FUTURES, SHORT)]
FREE = {"maker": D(0), "taker": D(0), "slippage_bps": D(0), "spread_bps": D(0)}
CASH = {"USDT": D(10_000)}
STOP_AND_TARGET = ExitPlan(stop_loss=D("0.02"), take_profit=D("0.04"))


def bot(kind: PositionType, plan: ExitPlan = STOP_AND_TARGET, **changes: Any) -> BotSpec:
    return spec(exits=plan, position_type=kind, **changes)


class Floor:
    """A harness at a paper venue, and the one eye that is open."""

    def __init__(self, harness: TradingHarness, eye: str) -> None:
        self.harness = harness
        self.eye = eye
        hours = harness.protection.hours
        self.points = TickRouter(harness.protection, [harness.paper], hours, harness.prices)

    async def enter(self, side: PositionSide = LONG) -> None:
        await self.harness.enter(side=side)
        if self.eye == "resting":
            await self.harness.protection.sweep(self.harness.clock.now())

    async def point(self, price: str, *, after: timedelta = MINUTE, gap: bool = False) -> None:
        self.harness.clock.advance(after)
        await self.meet(Tick(self.harness.clock.now(), SYMBOL, D(price), after_gap=gap))

    async def meet(self, point: Tick) -> None:
        if self.eye == "tick":
            acting = self.points.on_tick(point)
            if acting is not None:
                await acting
            return
        self.harness.prices.record(point)
        meeting = self.harness.paper.on_tick(point)
        if meeting is not None:
            await meeting
        if self.eye == "sweep":
            await self.harness.protection.sweep(self.harness.clock.now())

    async def candle(self, candle: Candle, timeframe: Timeframe = Timeframe.M1) -> None:
        """As the replay plays it."""
        for point in ticks_of(SYMBOL, candle, timeframe):
            self.harness.clock.set(point.at)
            await self.meet(point)

    async def ended(self) -> tuple[str, Decimal]:
        position = await self.harness.position()
        assert position["closed_at"] == self.harness.clock.now(), "not in the same instant"
        assert await self.harness.broken_books() == []
        return position["close_reason"], position["exit_price"]


async def opened(
    database: Database, eye: str, *specs: BotSpec, terms: dict[str, Any] | None = None, **more: Any
) -> Floor:
    paper = PaperTerms(
        starting_cash=CASH, resting_stops=eye == "resting", **{**FREE, **(terms or {})}
    )
    return Floor(await open_harness(database, *specs, paper=paper, sequential=True, **more), eye)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("kind", "side"), CASES)
@pytest.mark.parametrize(
    ("percent", "gap", "reason", "filled"),
    [
        (-8, True, "stop_loss", -8),  # over the stop: the first price there is
        (-8, False, "stop_loss", -2),  # through it, inside a candle: at the stop
        (9, True, "take_profit", 9),  # over the target: at the first price, to our gain
        (9, False, "take_profit", 4),
    ],
)
async def test_an_exit_ends_at_the_same_price_whoever_saw_it(
    database: Database,
    eye: str,
    kind: PositionType,
    side: PositionSide,
    percent: int,
    gap: bool,  # noqa: FBT001
    reason: str,
    filled: int,
) -> None:
    """M4.7, M6.1, 3.8: over a gap at the first price there is, through a candle at the level."""
    floor = await opened(database, eye, bot(kind))
    await floor.enter(side)

    await floor.point(str(100 + side.sign * percent), after=timedelta(hours=2), gap=gap)

    assert await floor.ended() == (reason, D(100 + side.sign * filled))


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("kind", "side"), CASES)
async def test_the_costs_come_on_top_of_the_gap(
    database: Database, eye: str, kind: PositionType, side: PositionSide
) -> None:
    """M6.1, 3.8: half the spread and the slippage, against the trader."""
    terms = {"spread_bps": D(20), "slippage_bps": D(10)}
    floor = await opened(database, eye, bot(kind), terms=terms)
    await floor.enter(side)

    await floor.point("90" if side is LONG else "110", gap=True)

    assert (await floor.ended())[1] == (D("89.82") if side is LONG else D("110.22"))


@pytest.mark.parametrize("eye", ["tick", "resting"])  # before a sweep the venue has closed it
@pytest.mark.parametrize(
    ("side", "first", "worst"), [(LONG, "80", "95"), (LONG, "95.2", "95.2"), (SHORT, "120", "105")]
)
async def test_a_stop_over_a_gap_is_no_better_than_the_liquidation_and_costs_the_margin_at_most(
    database: Database, eye: str, side: PositionSide, first: str, worst: str
) -> None:
    """M6.4, 3.8: x20, liquidated at 95.5 or above; the stop at 98 was never anybody's price."""
    floor = await opened(database, eye, bot(FUTURES, leverage=20, allow_short=True))
    await floor.enter(side)

    await floor.point(first, after=timedelta(minutes=30), gap=True)

    assert await floor.ended() == ("stop_loss", D(worst))
    assert (await floor.harness.paper.account()).positions == {}


@pytest.mark.parametrize("eye", EYES)
async def test_a_trailing_stop_over_a_gap_ends_at_the_first_price(
    database: Database, eye: str
) -> None:
    """M4.7, 3.8: also when the same candle moved it before; inside the candle at its level."""
    floor = await opened(database, eye, bot(SPOT, ExitPlan(trailing_stop=D("0.05"))))
    await floor.enter()
    await floor.point("110", gap=True)
    if eye == "resting":
        for _ in range(2):  # the stop moves, and with it what rests at the venue
            await floor.harness.protection.sweep(floor.harness.clock.now())

    await floor.point("99", gap=True)

    assert await floor.ended() == ("trailing_stop", D(99))


@pytest.mark.parametrize("eye", ["tick", "sweep"])
async def test_a_step_of_a_ladder_over_a_gap_is_sold_at_the_first_price(
    database: Database, eye: str
) -> None:
    """M4.7, 3.8."""
    ladder = (LadderStep(at=D("0.01"), share=D("0.5")),)
    floor = await opened(database, eye, bot(SPOT, ExitPlan(stop_loss=D("0.05"), ladder=ladder)))
    await floor.enter()

    await floor.point("104", gap=True)

    (step,) = [o for o in await floor.harness.orders() if o["role"] == "exit"]
    assert (step["average_price"], step["quantity"]) == (104, D("0.5"))


@pytest.mark.parametrize(("gap", "filled"), [(True, "96"), (False, "99")])
async def test_a_limit_entry_over_a_gap_fills_at_the_open_and_never_worse_than_its_limit(
    database: Database,
    gap: bool,  # noqa: FBT001
    filled: str,
) -> None:
    """M4.4a, 3.8: the better price is the trader's."""
    rule = EntryRule(kind=EntryKind.LIMIT, offset=D("0.01"), lifetime=timedelta(hours=5))
    floor = await opened(database, "tick", bot(SPOT, entry=rule))
    await floor.harness.candles(100.0, 100.0)
    floor.harness.says(SignalKind.BUY)
    await floor.harness.run()

    await floor.point("96", gap=gap)

    assert (await floor.harness.position())["entry_price"] == D(filled)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("missing", [0, 1, 120, 60 * 24])
async def test_from_one_candles_close_to_the_next_ones_open_is_a_gap(
    database: Database, eye: str, missing: int
) -> None:
    """3.8: next to each other or a day apart; within the candle the stop is met at its level."""
    floor = await opened(database, eye, bot(SPOT))
    await floor.enter()
    await floor.candle(Candle(NOON + MINUTE, 100, 101, 99, 99, 1))
    later = NOON + (2 + missing) * MINUTE

    await floor.harness.protection.sweep(floor.harness.clock.now())
    await floor.candle(Candle(later, 92, 92.5, 91.5, 92, 1))

    position = await floor.harness.position()
    assert (position["exit_price"], position["closed_at"]) == (92, later)


@pytest.mark.parametrize("eye", EYES)
async def test_a_candle_that_goes_through_the_stop_ends_it_there(
    database: Database, eye: str
) -> None:
    """3.8, M6.1: the open is on the safe side; its low is far beyond."""
    floor = await opened(database, eye, bot(SPOT))
    await floor.enter()

    await floor.candle(Candle(NOON + MINUTE, 99, 101, 91, 92, 1))

    position = await floor.harness.position()
    assert (position["exit_price"], position["close_reason"]) == (98, "stop_loss")


@pytest.mark.parametrize("eye", ["tick", "sweep"])
async def test_a_holding_time_that_ended_in_the_gap_ends_at_the_first_price(
    database: Database, eye: str
) -> None:
    """M4.7: between stop and target."""
    plan = ExitPlan(stop_loss=D("0.5"), max_holding=timedelta(hours=1))
    floor = await opened(database, eye, bot(SPOT, plan))
    await floor.enter()

    await floor.point("97", after=timedelta(hours=3), gap=True)
    await floor.harness.protection.sweep(floor.harness.clock.now())

    assert await floor.ended() == ("max_holding", D(97))


def hours(*spans: tuple[int, int, int]) -> ExchangeCalendar:
    """(day of March, hour of the open, hour of the close)."""
    sessions = [
        Session(
            date(2022, 3, day),
            datetime(2022, 3, day, open_, tzinfo=UTC),
            datetime(2022, 3, day, close, tzinfo=UTC),
        )
        for day, open_, close in spans
    ]
    return ExchangeCalendar("TEST", sessions)


async def test_the_first_price_of_a_session_comes_after_a_gap_whatever_was_traded_before_it(
    database: Database,
) -> None:
    """M2.10, 3.8: an hourly candle over the open; its path was outside the session until then."""
    floor = await opened(
        database, "tick", bot(SPOT), calendar=hours((1, 12, 14), (1, 15, 18), (2, 12, 18))
    )
    await floor.enter()
    # 13:59 is the last of the session; 14:00 to 15:00 nobody may sell; 15:00 is 20 minutes in.
    await floor.candle(Candle(NOON + timedelta(minutes=100), 99, 100, 98.5, 99, 1), Timeframe.H1)
    assert (await floor.harness.position())["closed_at"] is None

    floor.harness.clock.set(datetime(2022, 3, 1, 15, 0, tzinfo=UTC))
    await floor.point("93", after=timedelta(minutes=20))

    assert await floor.ended() == ("stop_loss", D(93))
