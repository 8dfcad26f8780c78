"""Writing candles: twice the same, two at once, other values."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import anyio
import pytest

from tests.fakes.market_data import START, market_symbol, minutes, standing_clock
from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import FeedName, SymbolId
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market import writer as writer_module
from tradebotd.market.writer import CandleWriter, WriteCounts, candle_rows
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Database, Lane
from tradebotd.storage.symbols import sync_symbols

FEED = FeedName("fake")
CHUNK, CUT_AT = 500, 5_000  # rows


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


@pytest.mark.parametrize("corrections", [False, True])
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_stored_already_each_candle_is_written_once_and_counted(
    database: Database,
    writer: CandleWriter,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    corrections: bool,  # noqa: FBT001 - a case
) -> None:
    """M3.5: by one COPY, by chunks, by comparison or row by row, as the sizes fall."""
    for name, rows in (("BULK_ROWS", 10), ("CHUNK_ROWS", 40), ("COPY_ROWS", 200)):
        monkeypatch.setattr(writer_module, name, rows)
    chance = random.Random(seed)
    known: dict[datetime, Candle] = {}
    for _ in range(12):
        begin = chance.randrange(900)
        batch = minutes(begin + chance.choice([5, 60, 350]))[begin :: chance.choice([1, 1, 1, 7])]
        batch = [
            replace(candle, volume=777.0) if chance.random() < 0.02 else candle for candle in batch
        ]
        present = [candle for candle in batch if candle.ts in known]
        other = [candle for candle in present if known[candle.ts] != candle]
        updated = len(other) if corrections else 0

        counts = await writer.write("BTCPERP", Timeframe.M1, batch, FEED, corrections=corrections)

        inserted = len(batch) - len(present)
        assert counts == WriteCounts(
            attempted=len(batch),
            inserted=inserted,
            updated=updated,
            skipped=len(present) - updated,
        )
        for candle in batch:
            if corrections or candle.ts not in known:
                known[candle.ts] = candle
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT ts, open, high, low, close, volume FROM ohlc")
    assert {row["ts"]: Candle(*row) for row in rows} == known


async def test_a_few_candles_of_a_long_time_are_not_compared_with_all_of_it(
    database: Database, writer: CandleWriter
) -> None:
    """M3.5, R9: what lies between them is not read."""
    candles = minutes(6_000)
    await writer.write("BTCPERP", Timeframe.M1, candles, FEED)
    some = [replace(candles[0], volume=777.0), *candles[10::10]]
    rows = candle_rows(SymbolId(1), Timeframe.M1, some, FEED)
    async with database.connection() as connection:
        assert await ohlc.compare(connection, rows) is None

    counts = await writer.write("BTCPERP", Timeframe.M1, some, FEED)

    assert (counts.inserted, counts.skipped) == (0, 600)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM ohlc_corrections") == 1


async def test_candles_of_many_months_in_any_order_have_their_partitions(
    database: Database, writer: CandleWriter
) -> None:
    """M3.5: a block is not of one month, nor in order."""
    candles = [
        replace(each, ts=START + number * timedelta(days=3))
        for number, each in enumerate(minutes(600))
    ]
    random.Random(1).shuffle(candles)

    counts = await writer.write("BTCPERP", Timeframe.M1, candles, FEED)

    assert counts.inserted == await stored(database) == 600


async def test_a_copy_that_is_cut_leaves_nothing_and_a_sound_connection(
    database: Database, writer: CandleWriter
) -> None:
    """M3.5, N9: the daemon is stopped while COPY takes its rows."""
    await writer.write("BTCPERP", Timeframe.M1, minutes(1), FEED)
    async with database.connection() as connection:
        (symbol_id,) = await connection.fetchrow("SELECT symbol_id FROM ohlc")
    rows = candle_rows(SymbolId(symbol_id), Timeframe.M1, minutes(CUT_AT * 2), FEED)[1:]
    taken = 0

    def chunks() -> Iterator[Sequence[ohlc.CandleRow]]:
        nonlocal taken
        for start in range(0, len(rows), CHUNK):
            if start >= CUT_AT:
                cut.cancel()
            taken += 1
            yield rows[start : start + CHUNK]

    with anyio.CancelScope() as cut:
        async with database.connection(Lane.BULK) as connection:
            await ohlc.copy_new(connection, chunks())

    assert cut.cancelled_caught
    assert 0 < taken * CHUNK <= CUT_AT + CHUNK
    assert (database.pool_in_use, database.available) == (0, True)
    for _ in range(2 * database.pool_size):  # whichever connection it was
        assert await stored(database) == 1
    async with database.connection(Lane.BULK) as connection:
        assert await ohlc.copy_new(connection, [rows])
    assert await stored(database) == CUT_AT * 2
