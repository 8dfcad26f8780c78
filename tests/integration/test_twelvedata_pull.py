"""Candles of Twelve Data through `realtime_pull` into the tables."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.fakes.market_data import MINUTE, market_symbol, standing_clock
from tests.fakes.twelvedata import TwelveDataStage, staged
from tests.simulators.shared.faults import answered
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import RunStatus
from tradebotd.jobs.realtime_pull import RealtimePull
from tradebotd.market.calendars import AlwaysOpen
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest import Ingest
from tradebotd.market.writer import CandleWriter
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
FIRST, SECOND = FeedName("td"), FeedName("spare")
COUNTS = (
    "SELECT s.symbol, o.timeframe, o.feed, count(*) FROM ohlc o"
    " JOIN market_symbols s ON s.id = o.symbol_id GROUP BY 1, 2, 3"
)


@pytest.fixture
def clock() -> MarketClock:
    return standing_clock(NOW)


def named(symbol: str, there: str) -> MarketSymbol:
    made = market_symbol(symbol, feeds=(FIRST, SECOND), timeframes=("1m", "5m"))
    return replace(made, names={FIRST: there, SECOND: there})


async def job(database: Database, stage: TwelveDataStage, *symbols: MarketSymbol) -> RealtimePull:
    clock = stage.clock
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, list(symbols))
    ingest = Ingest(
        database=database,
        symbols=symbols,
        symbol_ids=ids,
        feeds={name: stage.feed(name) for name in (FIRST, SECOND)},
        calendars={"24/7": AlwaysOpen()},
        writer=CandleWriter(database, ids, clock),
        reader=CandleReader(database, ids),
        clock=clock,
    )
    return RealtimePull(database=database, ingest=ingest, clock=clock)


def context(clock: MarketClock) -> RunContext:
    return RunContext(scheduled_at=clock.now(), now=clock.now())


async def counts(database: Database) -> dict[tuple[str, str, str], int]:
    async with database.connection() as connection:
        return {tuple(row)[:3]: row[3] for row in await connection.fetch(COUNTS)}


async def test_a_day_comes_first_and_then_a_minute_at_a_time(
    database: Database, clock: MarketClock
) -> None:
    """M3.1, M3.5, M3.6: stored once, rolled up, and a bad symbol fails alone."""
    async with staged(clock) as stage:
        pull = await job(database, stage, named("BTCUSD", "BTC/USD"), named("NONE", "NONE"))
        first = await pull.run(context(clock))
        assert first.status() is RunStatus.PARTIAL
        assert "the symbol is not known there" in str(first.items["NONE"])
        stored = await counts(database)
        assert stored["BTCUSD", "1m", "td"] == 24 * 60
        assert stored["BTCUSD", "5m", "td"] == 24 * 12 - 1

        clock.jump_to(NOW + MINUTE)
        second = await pull.run(context(clock))
        assert (second.inserted, second.skipped) == (1, 0)


async def test_the_next_feed_is_asked_where_one_is_away(
    database: Database, clock: MarketClock
) -> None:
    """M3.1."""
    async with staged(clock) as stage:
        pull = await job(database, stage, named("BTCUSD", "BTC/USD"))
        stage.server.faults.set(answered(503, "", times=2))
        assert (await pull.run(context(clock))).status() is RunStatus.OK
        assert {feed for _, _, feed in await counts(database)} == {"spare"}
        assert (await pull.outcome()).ok
