"""Rows of tables without partitions that are older than their keep time."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, LiteralString

from tradebotd.storage.postgres.database import Connection

AT_ONCE: Final = 5_000  # rows of one statement

# Ids grow with time, so the oldest rows are found without an index on their times.
_DROP_BOOKS: Final[LiteralString] = """
DELETE FROM orderbook_snapshots
 WHERE id IN (SELECT id FROM (SELECT id, received_at FROM orderbook_snapshots ORDER BY id LIMIT $2)
                             AS oldest WHERE received_at < $1)
"""
_DROP_UNIVERSE: Final[LiteralString] = """
DELETE FROM universe
 WHERE screened_at < $1
   AND screened_at IN (SELECT DISTINCT screened_at FROM universe ORDER BY screened_at LIMIT $2)
"""
_BOOKS_EXPIRED: Final[LiteralString] = """
SELECT count(*) FROM (SELECT received_at FROM orderbook_snapshots ORDER BY id LIMIT 1) AS oldest
 WHERE received_at < $1
"""
_UNIVERSE_EXPIRED: Final[LiteralString] = """
SELECT count(*) FROM (SELECT min(screened_at) AS at FROM universe) AS oldest WHERE at < $1
"""
_DROP: Final[Mapping[str, LiteralString]] = MappingProxyType(
    {"orderbook_snapshots": _DROP_BOOKS, "universe": _DROP_UNIVERSE}
)
_EXPIRED: Final[Mapping[str, LiteralString]] = MappingProxyType(
    {"orderbook_snapshots": _BOOKS_EXPIRED, "universe": _UNIVERSE_EXPIRED}
)
TABLES: Final = tuple(_DROP)


async def drop(connection: Connection, table: str, keep_from: datetime) -> int:
    """Delete the oldest rows, a bounded number of them; return how many. Raises KeyError."""
    status: str = await connection.execute(_DROP[table], keep_from, AT_ONCE)
    return int(status.rpartition(" ")[2])


async def any_expired(connection: Connection, table: str, keep_from: datetime) -> bool:
    """Return whether a row is older than *keep_from*. Raises KeyError."""
    count: int = await connection.fetchval(_EXPIRED[table], keep_from)
    return count > 0
