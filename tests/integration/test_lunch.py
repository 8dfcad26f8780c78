"""A market's lunch: the order flow stands still, goes on in the second half, and says so."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.trading import MINUTE, NOON, TradingHarness, open_harness, spec
from tests.integration.test_market_jobs import open_market
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import FeedName
from tradebotd.domain.job import RunStatus
from tradebotd.domain.position import CloseReason
from tradebotd.domain.signal import SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.jobs.fill_gaps import FillGaps
from tradebotd.market.calendars import ExchangeCalendar
from tradebotd.market.levels import DailyLevels
from tradebotd.market.sessions import Break, Session
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.prices.fresh_prices import EARLY

STOP = ExitPlan(stop_loss=Decimal("0.05"))
HALF_PAST = NOON + 30 * MINUTE
LUNCH_ENDS = NOON + timedelta(hours=1)
CLOSED = "waiting (market closed)"


def lunch_from(start: datetime) -> ExchangeCalendar:
    """A session of NOON's day from 08:00 to 16:00, closed from *start* until 13:00."""
    opens = datetime(2022, 3, 1, 8, tzinfo=UTC)
    session = Session(opens.date(), opens, opens + timedelta(hours=8), (Break(start, LUNCH_ENDS),))
    return ExchangeCalendar("XTST", [session])


async def at_lunch(database: Database) -> TradingHarness:
    """A position from before a lunch that began at half past twelve, and is under way."""
    harness = await open_harness(database, spec(exits=STOP), calendar=lunch_from(HALF_PAST))
    await harness.enter()
    await harness.stream("100")
    harness.clock.set(HALF_PAST + MINUTE)
    return harness


async def test_nothing_is_signalled_or_sent(database: Database) -> None:
    """M4.2: the minute before the break is decided by nobody while it lasts."""
    harness = await open_harness(database, spec(), calendar=lunch_from(HALF_PAST))
    strategy = harness.says(SignalKind.BUY)
    harness.clock.set(HALF_PAST)
    await harness.candles(*[100.0] * 5)

    assert (await harness.run()).status == CLOSED
    assert strategy.asked == []
    assert harness.venue.submitted == []

    harness.clock.set(LUNCH_ENDS)
    assert (await harness.run()).status == "waiting (no fresh candle)"
    await harness.minute(90)
    assert (await harness.run()).acted
    assert len(harness.venue.submitted) == 1


async def test_an_exit_that_is_met_waits_and_says_so(database: Database) -> None:
    """M5.2: by the sweep and by ticks; after the break the first price ends it."""
    harness = await at_lunch(database)
    await harness.stream("90")
    result = await harness.protection.sweep(harness.clock.now())

    assert list(result.waiting.values()) == ["market closed"]
    assert not result.failed
    assert await harness.protection.missed_exits(harness.clock.now()) == []
    assert len(harness.venue.submitted) == 1  # the entry
    assert harness.venue.quote_calls == []

    harness.clock.set(LUNCH_ENDS)
    await harness.stream("89")
    position = await harness.position()
    assert (position["close_reason"], position["exit_price"]) == ("stop_loss", 89)


async def test_an_operators_close_is_refused_in_a_break(database: Database) -> None:
    harness = await at_lunch(database)
    (position,) = harness.protection.held.values()
    with pytest.raises(OrderDeniedError, match="cannot be sold now"):
        await harness.protection.close_now(position, CloseReason.MANUAL)
    assert len(harness.venue.submitted) == 1


async def test_the_price_from_before_the_break_ends_nothing_after_it(database: Database) -> None:
    """M3.10: what was traded before it is not to be had."""
    harness = await at_lunch(database)
    harness.clock.set(LUNCH_ENDS)
    (position,) = harness.protection.held.values()
    assert harness.protection._fresh.unusable_because(position.symbol, harness.clock.now()) == EARLY
    await harness.stream("99")
    assert harness.protection._fresh.unusable_because(position.symbol, harness.clock.now()) is None


async def test_no_split_is_suspected_over_lunch(database: Database) -> None:
    """M5.9: shares are split between sessions; half the price within one is the market."""
    harness = await at_lunch(database)
    harness.clock.set(LUNCH_ENDS)
    await harness.stream("50")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_prints_in_the_break_move_no_trailing_stop_at_a_restart(database: Database) -> None:
    """M5.7: the best price since the entry is of the hours of trading."""
    plan = ExitPlan(trailing_stop=Decimal("0.05"))
    harness = await open_harness(database, spec(exits=plan), calendar=lunch_from(HALF_PAST))
    await harness.enter()
    for at, price in ((NOON + MINUTE, 101.0), (HALF_PAST + MINUTE, 150.0), (LUNCH_ENDS, 110.0)):
        row = Candle(at, price, price, price, price, 1.0)
        await harness.writer.write("BTCUSDT", Timeframe.M1, [row], FeedName("hand"))
    again = await open_harness(
        database, spec(exits=plan), calendar=lunch_from(HALF_PAST), bad_tick=Decimal(100)
    )
    await again.protection.load(LUNCH_ENDS + 2 * MINUTE)

    (held,) = again.protection.held.values()
    assert held.best_price == 110


# Candles


def morning_and_afternoon() -> tuple[ExchangeCalendar, list[Candle]]:
    """Minutes of 00:00 to 00:30 and of 01:00 to 01:30, a print in between, and two holes."""
    start = datetime(2022, 3, 1, tzinfo=UTC)
    session = Session(
        start.date(),
        start,
        start + 90 * MINUTE,
        (Break(start + 30 * MINUTE, start + 60 * MINUTE),),
    )
    opens = start + timedelta(days=1)
    following = Session(opens.date(), opens, opens + 90 * MINUTE)
    there = [*range(28), 45, *range(62, 90)]
    candles = [
        Candle(start + n * MINUTE, p, p, p, p, 1.0)
        for n in there
        for p in [999.0 if n == 45 else 100.0 + n]
    ]
    return ExchangeCalendar("XTST", [session, following]), candles


async def test_a_break_is_neither_asked_for_nor_called_late(database: Database) -> None:
    """M3.5, M3.9: holes touch the break from both sides; in it the newest candle may be old."""
    calendar, candles = morning_and_afternoon()
    market = await open_market(database, candles, calendar=calendar)
    start = candles[0].ts
    await market.pull_until(start + 40 * MINUTE)
    pull = market.realtime_pull()
    assert (await pull.outcome()).ok
    market.clock.jump_to(start + 61 * MINUTE)
    assert (await pull.outcome()).ok
    market.clock.jump_to(start + 63 * MINUTE)
    assert not (await pull.outcome()).ok
    await market.pull_until(start + 90 * MINUTE)

    market.feed.asked.clear()
    gaps = FillGaps(database=database, ingest=market.ingest)
    assert (await gaps.run(market.context)).status() is RunStatus.OK
    assert market.feed.asked == [
        (start + 28 * MINUTE, start + 30 * MINUTE),
        (start + 60 * MINUTE, start + 62 * MINUTE),
    ]


async def test_daily_candle_and_levels_are_of_the_hours_of_trading(database: Database) -> None:
    """M3.7: a print in the break is no high."""
    calendar, candles = morning_and_afternoon()
    market = await open_market(database, candles, calendar=calendar)
    await market.pull_until(candles[0].ts + 91 * MINUTE)
    levels = DailyLevels(database, market.ingest)
    done = await levels.close_sessions(market.symbol, market.clock.now())

    assert done.written == 1
    (day,) = await market.rows("1d")
    assert (day[2], day[3], day[4]) == (189, 100, 189)
    async with database.connection() as connection:
        row = await connection.fetchrow("SELECT y_high, y_low, y_close FROM levels_daily")
    assert tuple(row) == (189, 100, 189)


# Where prices go


async def test_the_first_price_after_a_break_comes_after_a_gap(database: Database) -> None:
    """3.8: over a break an exit fills at the first price there is; in it nothing rests to be met."""
    from tradebotd.daemon.wiring.tick_router import TickRouter  # noqa: PLC0415 - the one of the daemon here

    harness = await at_lunch(database)
    points = TickRouter(harness.protection, [], harness.protection.hours, harness.prices)
    symbol = next(iter(harness.symbols))
    harness.clock.set(LUNCH_ENDS)
    acting = points.on_tick(Tick(LUNCH_ENDS, symbol, Decimal(99)))
    assert acting is None
    last = harness.prices.last_prices(symbol)
    assert last is not None
    assert last.after_gap
    points.on_tick(Tick(LUNCH_ENDS + MINUTE, symbol, Decimal(98)))
    last = harness.prices.last_prices(symbol)
    assert last is not None
    assert not last.after_gap
