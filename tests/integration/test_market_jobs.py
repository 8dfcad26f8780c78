"""From a feed to candles, higher timeframes and levels, through the jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tests.fakes.market_data import (
    MINUTE,
    START,
    FakeFeed,
    market_symbol,
    minutes,
    standing_clock,
)
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import RunStatus
from tradebotd.domain.levels import pivot_levels
from tradebotd.domain.timeframe import EPOCH, Timeframe
from tradebotd.jobs.calculate_pivots import CalculatePivots
from tradebotd.jobs.daily_close import DailyClose
from tradebotd.jobs.fill_gaps import FillGaps
from tradebotd.jobs.ping import Ping
from tradebotd.jobs.realtime_pull import RealtimePull, summarize
from tradebotd.jobs.retention import Retention
from tradebotd.jobs.seed_history import SeedHistory
from tradebotd.market.calendars import AlwaysOpen, Calendar, ExchangeCalendar, Session
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.levels import DailyLevels
from tradebotd.market.pull_result import PullResult
from tradebotd.market.writer import CandleWriter
from tradebotd.scheduling.job import Job, RunContext
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols


@dataclass
class Market:
    """A feed, its clock, and everything that stores what it says."""

    database: Database
    clock: MarketClock
    feed: FakeFeed
    ingest: Ingest
    reader: CandleReader
    writer: CandleWriter
    symbol: MarketSymbol

    @property
    def context(self) -> RunContext:
        return RunContext(scheduled_at=self.clock.now(), now=self.clock.now())

    def realtime_pull(self) -> RealtimePull:
        return RealtimePull(database=self.database, ingest=self.ingest, clock=self.clock)

    async def pull_until(self, end: datetime, step: timedelta = MINUTE) -> None:
        job = self.realtime_pull()
        while self.clock.now() < end:
            self.clock.jump_to(min(end, self.clock.now() + step))
            assert (await job.run(self.context)).status() is RunStatus.OK

    async def rows(self, timeframe: str = "1m") -> list[tuple[Any, ...]]:
        async with self.database.connection() as connection:
            found = await connection.fetch(
                "SELECT ts, open, high, low, close, volume FROM ohlc WHERE timeframe = $1"
                " ORDER BY ts",
                timeframe,
            )
        return [tuple(row) for row in found]


async def open_market(
    database: Database,
    candles: Sequence[Candle],
    others: Sequence[FakeFeed] = (),
    calendar: Calendar | None = None,
) -> Market:
    symbol = market_symbol(feeds=("fake", *(feed.name for feed in others)))
    clock = others[0].clock if others else standing_clock(START)
    feed = FakeFeed(clock, candles)
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, [symbol])
    writer, reader = CandleWriter(database, ids, clock), CandleReader(database, ids)
    ingest = Ingest(
        database=database,
        symbols=[symbol],
        symbol_ids=ids,
        feeds={each.name: each for each in (feed, *others)},
        calendars={"24/7": calendar or AlwaysOpen()},
        writer=writer,
        reader=reader,
        clock=clock,
        since=START,
    )
    return Market(database, clock, feed, ingest, reader, writer, symbol)


def aggregated(candles: Sequence[Candle], minutes_each: int, end: datetime) -> list[Any]:
    grid = timedelta(minutes=minutes_each)
    periods: dict[datetime, list[Candle]] = {}
    for candle in candles:
        periods.setdefault(candle.ts - (candle.ts - EPOCH) % grid, []).append(candle)
    return [
        (
            ts,
            rows[0].open,
            max(row.high for row in rows),
            min(row.low for row in rows),
            rows[-1].close,
            sum(row.volume for row in rows),
        )
        for ts, rows in periods.items()
        if ts >= candles[0].ts and ts + grid <= end
    ]


async def test_candles_are_pulled_and_rolled_up_across_a_restart(database: Database) -> None:
    """M3.6: 5m, 15m and 1h equal an independent aggregation, whenever the daemon was restarted."""
    candles = [c for c in minutes(400, START + 3 * MINUTE) if c.ts.minute % 13 != 5]
    first = await open_market(database, candles)
    await first.pull_until(START + 97 * MINUTE)
    market = await open_market(database, candles)
    market.clock.jump_to(START + 97 * MINUTE)
    end = candles[-1].ts + MINUTE
    await market.pull_until(end)

    assert [row[0] for row in await market.rows()] == [candle.ts for candle in candles]
    for timeframe, length in (("5m", 5), ("15m", 15), ("1h", 60)):
        assert await market.rows(timeframe) == aggregated(candles, length, end)
    assert (await market.realtime_pull().outcome()).ok


async def test_the_reader_gives_the_last_closed_candles(database: Database) -> None:
    """M3.6: exactly the lookback, from memory as from the database."""
    candles = minutes(300)
    market = await open_market(database, candles)
    await market.pull_until(START + 120 * MINUTE)
    warm = await market.reader.closed(market.symbol, Timeframe.M5, 50, market.clock.now())
    assert len(warm) == 24
    await market.pull_until(START + 290 * MINUTE)

    from_memory = await market.reader.closed(market.symbol, Timeframe.M5, 50, market.clock.now())
    market.reader.forget(market.symbol.symbol)
    read_again = await market.reader.closed(market.symbol, Timeframe.M5, 50, market.clock.now())

    assert list(from_memory) == list(read_again)
    assert len(read_again) == 50
    assert read_again[-1].ts == START + 285 * MINUTE


async def test_bad_candles_are_quarantined_once_and_the_run_is_partial(
    database: Database,
) -> None:
    """M3.4: never stored as good; M2.2: some failed is partial."""
    candles = minutes(10)
    candles[4] = Candle(candles[4].ts, 1.0, 0.5, 2.0, 1.0, 0.0)
    market = await open_market(database, candles)
    market.clock.jump_to(START + 10 * MINUTE)

    first = await market.realtime_pull().run(market.context)
    market.ingest.reset()
    again = await market.realtime_pull().run(market.context)

    assert first.status() is RunStatus.PARTIAL
    assert first.failed_items == []  # asked again, the feed would say the same
    assert again.status() is RunStatus.OK
    assert len(await market.rows()) == 9
    async with database.connection() as connection:
        (row,) = await connection.fetch("SELECT * FROM ohlc_quarantine")
    assert row["reason"] == "high is below low"


async def test_a_lone_bad_candle_makes_the_run_partial(database: Database) -> None:
    """M2.2: the symbol answered, one of its rows was bad."""
    market = await open_market(database, [Candle(START, 1.0, 0.5, 2.0, 1.0, 0.0)])
    market.clock.jump_to(START + MINUTE)

    assert (await market.realtime_pull().run(market.context)).status() is RunStatus.PARTIAL


def test_a_feed_that_fails_beside_one_with_nothing_new_is_partial() -> None:
    """M2.2, M2.6: the symbols are the items; one of two failed."""
    some = summarize(PullResult(errors={"BTC": "HTTP 503"}, answered=1))
    every = summarize(PullResult(errors={"BTC": "HTTP 503", "ETH": "HTTP 503"}))

    assert (some.status(), some.failed_items) == (RunStatus.PARTIAL, ["BTC"])
    assert every.status() is RunStatus.FAILED


async def test_the_next_feed_is_asked_when_one_fails(database: Database) -> None:
    """M3.1: the row records which feed it came from."""
    clock = standing_clock(START)
    spare = FakeFeed(clock, minutes(5), name="spare")
    market = await open_market(database, minutes(5), [spare])
    market.feed.broken = True
    clock.jump_to(START + 5 * MINUTE)

    assert (await market.realtime_pull().run(market.context)).status() is RunStatus.OK
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT DISTINCT feed FROM ohlc") == "spare"

    spare.broken = True
    clock.jump_to(START + 6 * MINUTE)
    assert (await market.realtime_pull().run(market.context)).status() is RunStatus.FAILED


async def test_a_hole_is_filled_and_what_it_touches_is_made_again(database: Database) -> None:
    """M3.6: no fetchable minute is missing from a roll-up."""
    candles = minutes(130)
    market = await open_market(database, [*candles[:20], *candles[27:] ])  # fmt: skip
    await market.pull_until(START + 130 * MINUTE, 10 * MINUTE)
    assert await market.rows("15m") != aggregated(candles, 15, START + 130 * MINUTE)
    market.feed.candles = list(candles)
    job = FillGaps(database=database, ingest=market.ingest)
    assert not (await job.outcome()).ok

    summary = await job.run(market.context)

    assert (summary.status(), summary.inserted) == (RunStatus.OK, 7)
    for timeframe, length in (("1m", 1), ("5m", 5), ("15m", 15), ("1h", 60)):
        assert await market.rows(timeframe) == aggregated(candles, length, market.clock.now())
    assert (await job.outcome()).ok


async def test_a_hole_the_feed_cannot_fill_is_asked_for_once(database: Database) -> None:
    candles = minutes(60)
    market = await open_market(database, [*candles[:20], *candles[27:]])
    await market.pull_until(START + 60 * MINUTE, 10 * MINUTE)
    job = FillGaps(database=database, ingest=market.ingest)
    await job.run(market.context)
    asked = len(market.feed.asked)

    assert (await job.run(market.context)).attempted == 0
    assert len(market.feed.asked) == asked
    assert (await job.outcome()).ok


async def test_levels_follow_each_completed_session_once(database: Database) -> None:
    """M10: the row of the next session, with the formula's pivots; a partial first day has none."""
    candles = minutes(3 * 1_440 - 60, START + 60 * MINUTE)
    market = await open_market(database, candles)
    await market.pull_until(START + timedelta(days=3, minutes=1), timedelta(hours=6))
    levels = DailyLevels(database, market.ingest)
    close = DailyClose(levels=levels, ingest=market.ingest, clock=market.clock)
    pivots = CalculatePivots(levels=levels, ingest=market.ingest)

    assert (await close.run(market.context)).inserted == 2
    assert (await pivots.run(market.context)).updated == 2
    assert (await close.run(market.context)).inserted == 0
    assert (await pivots.run(market.context)).updated == 0

    async with database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM levels_daily ORDER BY trade_date")
    assert [row["y_date"] for row in rows] == [date(2022, 3, 2), date(2022, 3, 3)]
    for row in rows:
        day = [candle for candle in candles if candle.ts.date() == row["y_date"]]
        high, low = max(c.high for c in day), min(c.low for c in day)
        expected = pivot_levels(high, low, day[-1].close)
        assert row["trade_date"] == row["y_date"] + timedelta(days=1)
        assert (row["pp"], row["r1"], row["s2"]) == (expected.pp, expected.r1, expected.s2)
    assert (await close.outcome()).ok
    assert (await pivots.outcome()).ok


async def test_mondays_levels_come_from_fridays_session_alone(database: Database) -> None:
    """M10, M3.9, M3.6: minutes outside of sessions are stored, and count for nothing daily."""
    friday, hour = datetime(2022, 3, 11, 14, 30, tzinfo=START.tzinfo), timedelta(hours=1)
    monday = friday + timedelta(days=3) - hour  # the clocks of New York change on that Sunday
    sessions = [
        Session(opens.date(), opens, opens + 6.5 * hour)
        for opens in (friday - timedelta(days=1), friday, monday, monday + timedelta(days=1))
    ]
    candles = [
        Candle(c.ts, c.open, c.high + 500, c.low / 2, c.close, c.volume)
        if not friday <= c.ts < friday + 6.5 * hour
        else c
        for c in minutes(12 * 60, friday - 2 * hour)
    ]
    market = await open_market(database, candles, calendar=ExchangeCalendar("XNYS", sessions))
    await market.pull_until(friday + timedelta(days=1), timedelta(hours=6))
    levels = DailyLevels(database, market.ingest)
    await DailyClose(levels=levels, ingest=market.ingest, clock=market.clock).run(market.context)
    await CalculatePivots(levels=levels, ingest=market.ingest).run(market.context)

    session = [c for c in candles if friday <= c.ts < friday + 6.5 * hour]
    high, low = max(c.high for c in session), min(c.low for c in session)
    async with database.connection() as connection:
        (row,) = await connection.fetch("SELECT * FROM levels_daily")
    assert (row["y_date"], row["trade_date"]) == (friday.date(), monday.date())
    assert (row["y_high"], row["y_low"], row["y_close"]) == (high, low, session[-1].close)
    assert row["pp"] == pivot_levels(high, low, session[-1].close).pp
    assert len(await market.rows()) == len(candles)


async def test_a_wrong_pivot_is_found_by_the_outcome(database: Database) -> None:
    """M2.7: the outcome recomputes."""
    market = await open_market(database, minutes(1_441))
    await market.pull_until(START + timedelta(days=1, minutes=1), timedelta(hours=6))
    levels = DailyLevels(database, market.ingest)
    await DailyClose(levels=levels, ingest=market.ingest, clock=market.clock).run(market.context)
    job = CalculatePivots(levels=levels, ingest=market.ingest)
    await job.run(market.context)
    async with database.connection() as connection:
        await connection.execute("UPDATE levels_daily SET r1 = r1 + 1")

    assert not (await job.outcome()).ok


async def test_a_year_can_be_seeded_with_progress(database: Database) -> None:
    candles = minutes(3 * 1_440)
    market = await open_market(database, candles)
    market.clock.jump_to(START + timedelta(days=3))
    seen: list[dict[str, Any]] = []
    context = RunContext(
        scheduled_at=None,
        now=market.clock.now(),
        params={"symbol": "BTCPERP", "interval": "1h", "days": "3"},
        progress=seen.append,
    )
    job = SeedHistory(database=database, ingest=market.ingest, clock=market.clock)

    first, again = await job.run(context), await job.run(context)

    assert (first.inserted, again.inserted, again.skipped) == (4_320, 0, 4_320)
    assert seen[2]["done"] == 1
    assert await market.rows("1h") == aggregated(candles, 60, market.clock.now())
    assert await market.rows("1d") == aggregated(candles, 1_440, market.clock.now())


@pytest.mark.parametrize(
    "params", [{}, {"symbol": "X"}, {"symbol": "BTCPERP", "days": "366"}, {"simbol": "BTCPERP"}]
)
async def test_a_senseless_seed_is_refused(database: Database, params: dict[str, str]) -> None:
    market = await open_market(database, [])
    job = SeedHistory(database=database, ingest=market.ingest, clock=market.clock)
    with pytest.raises(RefusedError):
        await job.run(RunContext(scheduled_at=None, now=START, params=params))


async def test_retention_drops_whole_expired_months_only(database: Database) -> None:
    market = await open_market(database, minutes(3) + minutes(3, START + timedelta(days=40)))
    await market.pull_until(START + timedelta(days=41), timedelta(days=5))
    job = Retention(
        database=database, ingest=market.ingest, writer=market.writer, clock=market.clock
    )
    market.clock.jump_to(datetime(2022, 6, 30, 12, tzinfo=START.tzinfo))
    assert (await job.outcome()).ok  # March ends 91 days before: a day is left to drop it

    summary = await job.run(market.context)

    assert summary.counts["dropped"] == 1
    assert [row[0].month for row in await market.rows()] == [4, 4, 4]
    assert (await job.outcome()).ok


async def test_every_job_of_market_data_runs_twice_in_one_process(database: Database) -> None:
    """M1.1: one loop, one pool; nothing of the first run is in the way of the second."""
    market = await open_market(database, minutes(1_500))
    market.clock.jump_to(START + 1_500 * MINUTE)
    ingest, clock = market.ingest, market.clock
    levels = DailyLevels(database, ingest)
    jobs: list[Job] = [
        market.realtime_pull(),
        DailyClose(levels=levels, ingest=ingest, clock=clock),
        CalculatePivots(levels=levels, ingest=ingest),
        FillGaps(database=database, ingest=ingest),
        SeedHistory(database=database, ingest=ingest, clock=clock),
        Retention(database=database, ingest=ingest, writer=market.writer, clock=clock),
        Ping(database),
    ]
    wish = {"symbol": market.symbol.symbol, "interval": "5m", "days": "1"}
    for _ in range(2):
        for job in jobs:
            params = wish if job.name == "seed_history" else {}
            context = RunContext(scheduled_at=None, now=clock.now(), params=params)
            assert (await job.run(context)).status() is RunStatus.OK, job.name
            assert (await job.outcome()).ok, job.name
            assert database.pool_in_use == 0
    assert len(await market.rows()) == 1_500
    assert len(await market.rows("5m")) == 300
