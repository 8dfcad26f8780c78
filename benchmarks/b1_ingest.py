"""B1: 200,000 one-minute candles into `ohlc`, new; then the same again.

The floor is one raw COPY of the same rows into a bare, unpartitioned table with the same key.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, Ticker, percentile, run_on_loop, stopwatch
from benchmarks.trading_case import FEED, market_symbols
from tradebotd.clocks.wall import WallClock
from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import SymbolId
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.writer import CandleWriter, candle_rows
from tradebotd.storage.ohlc import COLUMNS
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import sync_symbols

CANDLES: Final = 200_000
SYMBOL: Final = market_symbols(1)[0]
START: Final = datetime(2022, 1, 1, tzinfo=UTC)
BARE_TABLE: Final = """
    CREATE TABLE bare (
        symbol_id bigint, timeframe text, ts timestamptz, open float8, high float8, low float8,
        close float8, volume float8, feed text, PRIMARY KEY (symbol_id, timeframe, ts)
    )
"""


@dataclass(slots=True)
class Figures:
    """Rows a second, and stalls in milliseconds."""

    new: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    stalls: list[float] = field(default_factory=list)
    worst_stalls: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    candles = _candles()
    figures = Figures()

    async def rounds() -> None:
        for number in range(options.rounds):
            async with cluster.opened() as database:
                await _round(cluster, database, candles, figures, floor_first=number % 2 == 0)

    run_on_loop(rounds)
    floors = tuple(figures.floors)
    return [
        Row(
            budget="B1",
            work=f"{CANDLES:,} candles, new",
            unit="rows/s",
            rounds=tuple(figures.new),
            floors=floors,
            floor="raw COPY",
            limit=Limit(sense="at least", value=0.6, of="ratio"),
        ),
        Row(
            budget="B1",
            work="the same candles again",
            unit="rows/s",
            rounds=tuple(figures.again),
            floors=floors,
            floor="raw COPY",
            limit=Limit(sense="at least", value=0.5, of="ratio"),
        ),
        Row(
            budget="B1",
            work="stall of the loop meanwhile, p99",
            unit="ms",
            rounds=tuple(figures.stalls),
            limit=Limit(sense="at most", value=15),
        ),
        Row(
            budget="B1",
            work="the longest stall",
            unit="ms",
            rounds=tuple(figures.worst_stalls),
        ),
    ]


async def _round(
    cluster: Cluster,
    database: Database,
    candles: Sequence[Candle],
    figures: Figures,
    *,
    floor_first: bool,
) -> None:
    async with database.transaction() as connection:
        symbol_ids = await sync_symbols(connection, [SYMBOL])
    symbol_id = symbol_ids[SYMBOL.symbol]
    if floor_first:
        figures.floors.append(await _raw_copy(cluster, database, symbol_id, candles))
    writer = CandleWriter(database, symbol_ids, WallClock())
    ticker = Ticker()
    figures.new.append(await _written(cluster, writer, ticker, candles, new=True))
    figures.again.append(await _written(cluster, writer, ticker, candles, new=False))
    late = [seconds * 1000 for seconds in ticker.late_seconds]
    figures.stalls.append(percentile(late, 99))
    figures.worst_stalls.append(max(late))
    if not floor_first:
        figures.floors.append(await _raw_copy(cluster, database, symbol_id, candles))


async def _written(
    cluster: Cluster, writer: CandleWriter, ticker: Ticker, candles: Sequence[Candle], *, new: bool
) -> float:
    await cluster.run("CHECKPOINT")
    gc.collect()
    async with ticker.ticking():
        with stopwatch() as elapsed:
            counts = await writer.write(SYMBOL.symbol, Timeframe.M1, candles, FEED)
    expected = (len(candles), 0) if new else (0, len(candles))
    if (counts.inserted, counts.skipped) != expected:
        raise AssertionError(f"expected {expected} inserted and skipped, was {counts}")
    return len(candles) / elapsed.seconds


async def _raw_copy(
    cluster: Cluster, database: Database, symbol_id: SymbolId, candles: Sequence[Candle]
) -> float:
    """The rows are made before the clock starts: the floor is PostgreSQL's and asyncpg's work."""
    rows = candle_rows(symbol_id, Timeframe.M1, candles, FEED)
    async with database.connection() as connection:
        await connection.execute(BARE_TABLE)
    await cluster.run("CHECKPOINT")
    gc.collect()
    async with database.connection() as connection:
        with stopwatch() as elapsed:
            await connection.copy_records_to_table("bare", records=rows, columns=COLUMNS)
    async with database.connection() as connection:
        await connection.execute("DROP TABLE bare")
    return len(rows) / elapsed.seconds


def _candles() -> list[Candle]:
    chance = Random(1)  # noqa: S311 - candles, not secrets
    price, candles = 40_000.0, []
    for number in range(CANDLES):
        close = round(price * (1 + chance.gauss(0, 0.0005)), 1)
        high = round(max(price, close) * (1 + abs(chance.gauss(0, 0.0002))), 1)
        low = round(min(price, close) * (1 - abs(chance.gauss(0, 0.0002))), 1)
        volume = round(chance.expovariate(0.01), 3)
        ts = START + timedelta(minutes=number)
        candles.append(Candle(ts, price, high, low, close, volume))
        price = close
    return candles
