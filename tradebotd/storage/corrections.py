"""Closed candles that arrived again with other values: recorded, applied only on request."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString

from tradebotd.storage.ohlc import Difference
from tradebotd.storage.postgres.database import Connection

_RECORD: Final[LiteralString] = """
INSERT INTO ohlc_corrections (symbol_id, timeframe, ts, feed, stored, arrived, applied, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (symbol_id, timeframe, ts, feed, arrived)
DO UPDATE SET applied = true, stored = excluded.stored, seen_at = excluded.seen_at
        WHERE excluded.applied
"""

_APPLY: Final[LiteralString] = """
UPDATE ohlc SET open = ($4::float8[])[1], high = ($4::float8[])[2], low = ($4::float8[])[3], close = ($4::float8[])[4], volume = ($4::float8[])[5], feed = $5
 WHERE symbol_id = $1 AND timeframe = $2 AND ts = $3
"""


async def record(
    connection: Connection,
    found: Sequence[Difference],
    *,
    apply: bool,
    seen_at: datetime,
) -> None:
    """Record differences; call it in a transaction, so that correction and record are one."""
    await connection.executemany(
        _RECORD,
        [
            (
                d.symbol_id,
                d.timeframe,
                d.ts,
                d.feed,
                list(d.stored),
                list(d.arrived),
                apply,
                seen_at,
            )
            for d in found
        ],
    )
    if apply:
        await connection.executemany(
            _APPLY, [(d.symbol_id, d.timeframe, d.ts, list(d.arrived), d.feed) for d in found]
        )
