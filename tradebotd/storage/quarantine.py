"""Quarantine of invalid candle rows, as they came."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString

from tradebotd.domain.candle import RejectedCandle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage.postgres.database import Connection

_INSERT: Final[LiteralString] = """
INSERT INTO ohlc_quarantine (source, line, symbol, timeframe, ts, reason, raw, seen_at)
SELECT source, line, $1, $2, ts, reason, raw, $3
  FROM unnest($4::text[], $5::integer[], $6::timestamptz[], $7::text[], $8::text[])
       AS r (source, line, ts, reason, raw)
ON CONFLICT DO NOTHING
"""


async def insert(
    connection: Connection,
    symbol: str,
    timeframe: Timeframe,
    rejected: Sequence[RejectedCandle],
    seen_at: datetime,
) -> int:
    """Insert the rows; return how many are new: a row that is read again is the same row."""
    status: str = await connection.execute(
        _INSERT,
        symbol,
        timeframe,
        seen_at,
        [row.source for row in rejected],
        [row.line for row in rejected],
        [row.ts for row in rejected],
        [row.reason for row in rejected],
        [row.raw for row in rejected],
    )
    return int(status.rpartition(" ")[2])
