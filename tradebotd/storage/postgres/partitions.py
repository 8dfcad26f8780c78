"""Monthly partitions: data older than its keep time is dropped by whole months."""

from datetime import datetime
from typing import Final, LiteralString

from tradebotd.storage.postgres.database import Connection

MONTHLY: Final = ("ohlc_1m", "job_runs", "decision_runs", "market_trades")

_EXPIRED: Final[LiteralString] = """
SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = to_regclass($1) AND c.relname ~ '_[0-9]{4}_[0-9]{2}$'
   AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= $2::timestamptz AT TIME ZONE 'UTC'
"""

_DROP: Final[LiteralString] = "SELECT drop_months($1, $2)"


async def drop_expired(connection: Connection, parent: str, keep_from: datetime) -> list[str]:
    """Drop the partitions of *parent* that end at or before *keep_from*; return their names."""
    dropped: list[str] = await connection.fetchval(_DROP, parent, keep_from)
    return dropped


async def count_expired(connection: Connection, parent: str, keep_from: datetime) -> int:
    count: int = await connection.fetchval(_EXPIRED, parent, keep_from)
    return count
