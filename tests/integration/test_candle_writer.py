"""Writing candles: twice the same, two at once, other values."""

from dataclasses import replace

import anyio
import pytest

from tests.fakes.market_data import START, market_symbol, minutes, standing_clock
from tradebotd.domain.ids import FeedName
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.writer import CandleWriter
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

FEED = FeedName("fake")


@pytest.fixture
async def writer(database: Database) -> CandleWriter:
    async with database.transaction() as connection:
        ids = await sync_symbols(connection, [market_symbol()])
    return CandleWriter(database, ids, standing_clock())


async def stored(database: Database) -> int:
    async with database.connection() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM ohlc")
    return count


@pytest.mark.parametrize("count", [1, 499, 500, 2_600])
async def test_the_same_batch_twice_leaves_the_same_rows(
    database: Database, writer: CandleWriter, count: int
) -> None:
    """M3.5: idempotent, by COPY and by one statement alike."""
    candles = minutes(count)
    first = await writer.write("BTCPERP", Timeframe.M1, candles, FEED)
    again = await writer.write("BTCPERP", Timeframe.M1, candles, FEED)

    assert (first.attempted, first.inserted, first.skipped) == (count, count, 0)
    assert (again.attempted, again.inserted, again.skipped) == (count, 0, count)
    assert await stored(database) == count
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM ohlc_corrections") == 0


async def test_a_chunk_that_meets_stored_rows_writes_only_the_new_ones(
    database: Database, writer: CandleWriter
) -> None:
    """M3.5: a failure touches its chunk alone."""
    candles = minutes(2_600)
    await writer.write("BTCPERP", Timeframe.M1, candles[1_200:1_300], FEED)
    counts = await writer.write("BTCPERP", Timeframe.M1, candles, FEED)

    assert (counts.attempted, counts.inserted, counts.skipped) == (2_600, 2_500, 100)
    assert await stored(database) == 2_600


@pytest.mark.parametrize("count", [300, 1_500])
async def test_two_racing_writers_leave_each_row_once(
    database: Database, writer: CandleWriter, count: int
) -> None:
    """M3.5: two writers racing leave the same rows."""
    candles = minutes(count)
    inserted: list[int] = []

    async def write() -> None:
        counts = await writer.write("BTCPERP", Timeframe.M1, candles, FEED)
        inserted.append(counts.inserted)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(write)

    assert sum(inserted) == count
    assert await stored(database) == count


@pytest.mark.parametrize("count", [10, 700])
async def test_other_values_are_recorded_and_not_written(
    database: Database, writer: CandleWriter, count: int
) -> None:
    """M3.5: a closed candle is not overwritten; the difference goes to ohlc_corrections."""
    candles = minutes(count)
    await writer.write("BTCPERP", Timeframe.M1, candles, FEED)
    changed = [replace(candles[0], volume=777.0), *candles[1:]]
    counts = await writer.write("BTCPERP", Timeframe.M1, changed, FEED)
    await writer.write("BTCPERP", Timeframe.M1, changed, FEED)

    assert (counts.updated, counts.skipped) == (0, count)
    async with database.connection() as connection:
        volume = await connection.fetchval("SELECT volume FROM ohlc WHERE ts = $1", START)
        (row,) = await connection.fetch("SELECT * FROM ohlc_corrections")
    assert volume == candles[0].volume
    assert (row["applied"], row["arrived"][4]) == (False, 777.0)


async def test_a_correction_is_applied_and_recorded(
    database: Database, writer: CandleWriter
) -> None:
    """M3.5: applied only where the feed says that it is one."""
    candles = minutes(3)
    await writer.write("BTCPERP", Timeframe.M1, candles, FEED)
    changed = [replace(candles[0], volume=777.0)]
    counts = await writer.write("BTCPERP", Timeframe.M1, changed, FEED, corrections=True)

    assert (counts.updated, counts.skipped) == (1, 0)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT volume FROM ohlc WHERE ts = $1", START) == 777.0
        assert await connection.fetchval("SELECT applied FROM ohlc_corrections")
