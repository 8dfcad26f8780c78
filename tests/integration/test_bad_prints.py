"""One print far from the others: not acted on until another observation says the same."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, NOON, SYMBOL, open_harness, spec
from tests.integration.test_gaps import FUTURES, LONG, SHORT, SPOT, Floor, bot, opened
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import FeedName
from tradebotd.domain.side import PositionSide
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.price_cache import PriceCache
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.market_exits import SweepResult
from tradebotd.trading.prices.fresh_prices import DOUBTED, FRESH

D = Decimal
USUAL = D("0.1")
EYES = ("tick", "sweep")
SIDES = [(LONG, "1"), (SHORT, "150")]  # short of its liquidation
SECOND = timedelta(seconds=1)


async def swept(floor: Floor, after: timedelta = 5 * SECOND) -> SweepResult:
    """As `stop_loss_check`, again and again: it asks the venue for what nobody believes."""
    await floor.harness.protection.sweep(floor.harness.clock.now())
    floor.harness.clock.advance(after)
    return await floor.harness.protection.sweep(floor.harness.clock.now())


async def is_open(floor: Floor) -> bool:
    return (await floor.harness.position())["closed_at"] is None


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("side", "bad"), SIDES)
async def test_a_lone_print_ends_nothing_however_often_the_same_source_is_asked(
    database: Database, eye: str, side: PositionSide, bad: str
) -> None:
    """M3.10, M4.7: the paper venue's quote is the very print that is doubted, also much later."""
    floor = await opened(database, eye, bot(FUTURES, allow_short=True), bad_tick=USUAL)
    await floor.enter(side)

    await floor.point(bad)
    result = await swept(floor)
    assert (list(result.waiting.values()), result.failed) == ([DOUBTED], {})
    assert await floor.harness.protection.missed_exits(floor.harness.clock.now()) == []
    await swept(floor, FRESH + MINUTE)
    assert await is_open(floor)

    await floor.point("100")
    assert (await swept(floor)).waiting == {}
    assert await is_open(floor)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("side", "bad"), [(LONG, "1000"), (SHORT, "1")])
async def test_a_lone_print_moves_no_trailing_stop(
    database: Database, eye: str, side: PositionSide, bad: str
) -> None:
    """M4.7: to our gain it is believed no sooner."""
    plan = ExitPlan(trailing_stop=D("0.05"))
    floor = await opened(database, eye, bot(FUTURES, plan, allow_short=True), bad_tick=USUAL)
    await floor.enter(side)

    await floor.point(bad)
    await swept(floor)
    await floor.point("100")
    await swept(floor)

    assert await is_open(floor)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize(("side", "far"), [(LONG, "80"), (SHORT, "120")])
@pytest.mark.parametrize("silence", [SECOND, timedelta(days=3)])
async def test_a_later_print_that_agrees_is_believed_after_any_silence(
    database: Database, eye: str, side: PositionSide, far: str, silence: timedelta
) -> None:
    """M3.10: a crash is a crash, and the same price again is another observation of it."""
    floor = await opened(database, eye, bot(FUTURES, allow_short=True), bad_tick=USUAL)
    await floor.enter(side)
    await floor.point(far, gap=True)
    await swept(floor)

    await floor.point(far, after=silence, gap=True)

    assert await floor.ended() == ("stop_loss", D(far))


BAD_CANDLES = {  # of a long; a short's is its mirror at 100
    "its low": (100, 101, 60, 100),
    "its open": (60, 101, 60, 100),
    "its close": (100, 101, 60, 60),
    "all of it": (60, 60, 60, 60),
}


def candle(minute: int, side: PositionSide, *prices: float) -> Candle:
    open_, high, low, close = (each if side is LONG else 200 - each for each in prices)
    return Candle(NOON + minute * MINUTE, open_, max(high, low), min(high, low), close, 1)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize("bad", BAD_CANDLES.values(), ids=BAD_CANDLES)
async def test_a_candle_that_shows_a_print_twice_has_seen_it_once(
    database: Database, eye: str, side: PositionSide, bad: tuple[float, ...]
) -> None:
    """M3.10: its low and its close are one print, until another candle says the same."""
    floor = await opened(database, eye, bot(FUTURES, allow_short=True), bad_tick=USUAL)
    await floor.enter(side)

    await floor.candle(candle(1, side, *bad))
    await swept(floor)
    await floor.candle(candle(3, side, 100, 101, 99, 100))
    assert await is_open(floor)

    await floor.candle(candle(4, side, 60, 60, 60, 60))
    await floor.candle(candle(5, side, 60, 61, 60, 61))
    position = await floor.harness.position()
    assert position["exit_price"] == (60 if side is LONG else 140)
    assert position["closed_at"] == NOON + 5 * MINUTE


@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize("bad", BAD_CANDLES.values(), ids=BAD_CANDLES)
async def test_a_restart_believes_no_print_that_was_doubted(
    database: Database, side: PositionSide, bad: tuple[float, ...]
) -> None:
    """M4.7: a trailing stop follows the candles since the entry, but for a lone print among them."""
    plan = ExitPlan(trailing_stop=D("0.05"))
    one = bot(FUTURES, plan, allow_short=True)
    floor = await opened(database, "tick", one, bad_tick=USUAL)
    await floor.enter(side)
    mirror = SHORT if side is LONG else LONG  # a print to our gain
    rows = [
        candle(1, side, 100, 102, 100, 101),
        candle(2, mirror, *bad),
        candle(3, side, 101, 102, 101, 101),
    ]
    await floor.harness.writer.write(SYMBOL, Timeframe.M1, rows, FeedName("hand"))

    after = await opened(database, "tick", one, bad_tick=USUAL, restarted=True)
    after.harness.clock.set(NOON + 4 * MINUTE)
    await after.harness.protection.load(after.harness.clock.now())
    await after.point("100", after=SECOND)

    (held,) = after.harness.protection.held.values()
    assert held.best_price == (102 if side is LONG else 98)


@pytest.mark.parametrize("side", [LONG, SHORT])
async def test_a_restart_believes_what_later_candles_confirm(
    database: Database, side: PositionSide
) -> None:
    """M4.7: a jump is a jump."""
    one = bot(FUTURES, ExitPlan(trailing_stop=D("0.05")), allow_short=True)
    floor = await opened(database, "tick", one, bad_tick=USUAL)
    await floor.enter(side)
    rows = [candle(1, side, 100, 100, 100, 100), candle(2, side, 130, 130, 130, 130)]
    rows.append(candle(3, side, 131, 131, 129, 129))
    await floor.harness.writer.write(SYMBOL, Timeframe.M1, rows, FeedName("hand"))

    after = await opened(database, "tick", one, bad_tick=USUAL, restarted=True)
    await after.harness.protection.load(NOON + 4 * MINUTE)

    (held,) = after.harness.protection.held.values()
    assert held.best_price == (131 if side is LONG else 69)


async def test_the_same_print_delivered_twice_is_one_observation(database: Database) -> None:
    """M3.10: a stream that begins anew repeats the last trade."""
    floor = await opened(database, "tick", bot(SPOT), bad_tick=USUAL)
    await floor.enter()
    bad = Tick(NOON + MINUTE, SYMBOL, D(50))
    floor.harness.clock.set(bad.at)

    for _ in range(3):
        await floor.meet(bad)
    assert await is_open(floor)

    await floor.point("51", after=SECOND)
    assert await floor.ended() == ("stop_loss", D(51))


async def test_what_the_stream_believes_later_the_sweep_believes(database: Database) -> None:
    """M3.10: a later print counts though nobody had to ask about it, and however old it gets."""
    floor = await opened(database, "tick", bot(SPOT), bad_tick=USUAL)
    await floor.enter()
    await floor.point("80")
    floor.harness.clock.advance(SECOND)
    floor.harness.tick("80")

    floor.harness.clock.advance(FRESH + MINUTE)
    await floor.harness.protection.sweep(floor.harness.clock.now())

    assert await floor.ended() == ("stop_loss", D(80))


async def test_a_venue_of_its_own_is_another_source(database: Database) -> None:
    """M3.10: what it says counts, and the print it contradicts stays doubted afterwards."""
    harness = await open_harness(
        database, spec(exits=ExitPlan(stop_loss=D("0.05"))), bad_tick=USUAL
    )
    await harness.enter()
    venues_own = PriceCache()
    venues_own.record(Tick(harness.clock.now(), SYMBOL, D(100)))
    harness.venue.prices = venues_own
    await harness.stream("50")

    for _ in range(3):
        await harness.protection.sweep(harness.clock.now())
        harness.clock.advance(5 * SECOND)
    assert (await harness.position())["closed_at"] is None

    venues_own.record(Tick(harness.clock.now(), SYMBOL, D(50)))
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_holding_time_that_ends_at_a_bad_print_is_not_sold_at_it(
    database: Database,
) -> None:
    """M3.10, 3.8: the paper venue knows no other price; the next one that is believed counts."""
    plan = ExitPlan(stop_loss=D("0.5"), max_holding=timedelta(hours=1))
    floor = await opened(database, "sweep", bot(SPOT, plan), bad_tick=USUAL)
    await floor.enter()
    await floor.point("60", after=timedelta(hours=1))
    assert await is_open(floor)

    await floor.point("100", after=SECOND)

    assert await floor.ended() == ("max_holding", D(100))
