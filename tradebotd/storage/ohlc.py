"""Candles by (symbol_id, timeframe, ts); a closed candle is never overwritten here."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

import anyio.lowlevel
import asyncpg

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import SymbolId
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage.postgres.database import Connection

# symbol_id, timeframe, ts, open, high, low, close, volume, feed
CandleRow = tuple[int, str, datetime, float, float, float, float, float, str]
COLUMNS: Final = ("symbol_id", "timeframe", "ts", "open", "high", "low", "close", "volume", "feed")
MOST_STORED: Final = 2  # times as many as are compared with them


class Difference(NamedTuple):
    """Candle stored with other values: open, high, low, close and volume of both."""

    symbol_id: SymbolId
    timeframe: str
    ts: datetime
    feed: str
    stored: tuple[float, ...]
    arrived: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Candles that are not stored, and those that are, with other values."""

    missing: Sequence[CandleRow]
    different: Sequence[Difference]


_ALL_STORED: Final = Comparison((), ())

_INSERT: Final[LiteralString] = """
INSERT INTO ohlc (symbol_id, timeframe, ts, open, high, low, close, volume, feed)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::float8[], $5::float8[],
                     $6::float8[], $7::float8[], $8::float8[], $9::text[])
ON CONFLICT DO NOTHING
"""

_DIFFERENT: Final[LiteralString] = """
SELECT a.symbol_id, a.timeframe, a.ts, a.feed,
       ARRAY[o.open, o.high, o.low, o.close, o.volume] AS stored,
       ARRAY[a.open, a.high, a.low, a.close, a.volume] AS arrived
  FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::float8[], $5::float8[],
              $6::float8[], $7::float8[], $8::float8[], $9::text[])
       AS a (symbol_id, timeframe, ts, open, high, low, close, volume, feed)
  JOIN ohlc o USING (symbol_id, timeframe, ts)
 WHERE (o.open, o.high, o.low, o.close, o.volume) IS DISTINCT FROM (a.open, a.high, a.low, a.close, a.volume)
"""

_SPAN: Final[LiteralString] = """
SELECT ts, open, high, low, close, volume FROM ohlc
 WHERE symbol_id = $1 AND timeframe = $2 AND ts BETWEEN $3 AND $4 ORDER BY ts LIMIT $5
"""

_LAST: Final[LiteralString] = """
SELECT ts, open, high, low, close, volume FROM ohlc
 WHERE symbol_id = $1 AND timeframe = $2 AND ts <= $3 ORDER BY ts DESC LIMIT $4
"""

_RANGE: Final[LiteralString] = """
SELECT ts, open, high, low, close, volume FROM ohlc
 WHERE symbol_id = $1 AND timeframe = $2 AND ts >= $3 AND ts < $4 ORDER BY ts LIMIT $5
"""

_BOUNDS: Final[LiteralString] = """
SELECT (SELECT ts FROM ohlc WHERE symbol_id = $1 AND timeframe = $2 ORDER BY ts LIMIT 1) AS first,
       (SELECT ts FROM ohlc WHERE symbol_id = $1 AND timeframe = $2 ORDER BY ts DESC LIMIT 1) AS newest
"""

_GAPS: Final[LiteralString] = """
SELECT ts + $5::interval AS start, following AS "end"
  FROM (SELECT ts, lead(ts) OVER (ORDER BY ts) AS following FROM ohlc
         WHERE symbol_id = $1 AND timeframe = $2 AND ts >= $3 AND ts <= $4) AS pairs
 WHERE following > ts + $5::interval
 ORDER BY ts
"""

_EXTREMES: Final[LiteralString] = """
SELECT max(high) AS high, min(low) AS low, (array_agg(close ORDER BY ts DESC))[1] AS close
  FROM ohlc WHERE symbol_id = $1 AND timeframe = $2 AND ts >= $3 AND ts < $4
"""

_ENSURE_MONTH: Final[LiteralString] = "SELECT ensure_month('ohlc_1m', $1)"


async def ensure_month(connection: Connection, instant: datetime) -> None:
    await connection.execute(_ENSURE_MONTH, instant)


async def insert(connection: Connection, rows: Sequence[CandleRow]) -> int:
    """Insert in one statement; return how many rows were new."""
    status: str = await connection.execute(_INSERT, *_columns(rows))
    return int(status.rpartition(" ")[2])


async def differences(connection: Connection, rows: Sequence[CandleRow]) -> list[Difference]:
    """Return those of *rows* that are stored with other values."""
    return [_difference(row) for row in await connection.fetch(_DIFFERENT, *_columns(rows))]


async def copy_new(connection: Connection, chunks: Iterable[Sequence[CandleRow]]) -> bool:
    """COPY straight into the table; False, with nothing written, if a row exists already.

    A chunk is taken while PostgreSQL writes those before it, and others have their turn then.
    """
    try:
        async with aclosing(_in_turns(chunks)) as rows:
            await connection.copy_records_to_table("ohlc", records=rows, columns=COLUMNS)
    except asyncpg.UniqueViolationError:
        return False
    return True


async def _in_turns(chunks: Iterable[Sequence[CandleRow]]) -> AsyncGenerator[CandleRow, None]:
    """Yield the rows; asyncpg itself would encode some 5,000 without letting anybody else run."""
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        for row in chunk:
            yield row


async def compare(connection: Connection, rows: Sequence[CandleRow]) -> Comparison | None:
    """Compare *rows* (one symbol and timeframe) with what is stored of their time.

    Returns None where that is so much more than *rows* that it is not read.
    """
    symbol_id, timeframe = rows[0][0], rows[0][1]
    instants = [row[2] for row in rows]
    start, last, most = min(instants), max(instants), len(rows) * MOST_STORED
    found = await connection.fetch(_SPAN, symbol_id, timeframe, start, last, most + 1)
    if len(found) > most:
        return None
    if found == [row[2:8] for row in rows]:  # in C, for a chunk that is there already
        return _ALL_STORED
    stored = {row["ts"]: row for row in found}
    missing: list[CandleRow] = []
    different: list[Difference] = []
    for row in rows:
        known = stored.get(row[2])
        if known is None:
            missing.append(row)
        elif known != row[2:8]:
            values = tuple(known)[1:]
            arrived = row[3:8]
            different.append(
                Difference(SymbolId(symbol_id), timeframe, row[2], row[8], values, arrived)
            )
    return Comparison(missing, different)


async def last(
    connection: Connection, symbol_id: SymbolId, timeframe: Timeframe, until: datetime, count: int
) -> list[Candle]:
    """Return the newest *count* candles with ts <= *until*, oldest first."""
    rows = await connection.fetch(_LAST, symbol_id, timeframe, until, count)
    return [Candle(*row) for row in reversed(rows)]


async def between(
    connection: Connection,
    symbol_id: SymbolId,
    timeframe: Timeframe,
    start: datetime,
    end: datetime,
    limit: int,
) -> list[Candle]:
    """Return candles with start <= ts < end, oldest first, at most *limit*."""
    rows = await connection.fetch(_RANGE, symbol_id, timeframe, start, end, limit)
    return [Candle(*row) for row in rows]


async def bounds(
    connection: Connection, symbol_id: SymbolId, timeframe: Timeframe
) -> tuple[datetime, datetime] | None:
    """Return the open times of the first and the newest candle; None if there is none."""
    row = await connection.fetchrow(_BOUNDS, symbol_id, timeframe)
    return None if row["first"] is None else (row["first"], row["newest"])


async def gaps(
    connection: Connection,
    symbol_id: SymbolId,
    timeframe: Timeframe,
    start: datetime,
    end: datetime,
) -> list[tuple[datetime, datetime]]:
    """Return ranges [start, end) without a candle between two stored ones of that range."""
    rows = await connection.fetch(_GAPS, symbol_id, timeframe, start, end, timeframe.duration)
    return [(row["start"], row["end"]) for row in rows]


async def extremes(
    connection: Connection,
    symbol_id: SymbolId,
    timeframe: Timeframe,
    start: datetime,
    end: datetime,
) -> tuple[float, float, float] | None:
    """Return high, low and last close of start <= ts < end; None if nothing is stored."""
    row = await connection.fetchrow(_EXTREMES, symbol_id, timeframe, start, end)
    return None if row["high"] is None else (row["high"], row["low"], row["close"])


def _columns(rows: Sequence[CandleRow]) -> list[Sequence[object]]:
    return list(zip(*rows, strict=True))


def _difference(row: asyncpg.Record) -> Difference:
    return Difference(
        SymbolId(row["symbol_id"]),
        row["timeframe"],
        row["ts"],
        row["feed"],
        tuple(row["stored"]),
        tuple(row["arrived"]),
    )
