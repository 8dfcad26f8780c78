"""`symbol_cache`: the last good list of tradable symbols of each venue and kind."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.public_market import ListedSymbol
from tradebotd.storage.postgres.database import Connection

_PUT: Final[LiteralString] = """
INSERT INTO symbol_cache (venue, kind, symbols, refreshed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (venue, kind) DO UPDATE
   SET symbols = excluded.symbols, refreshed_at = excluded.refreshed_at
 WHERE symbol_cache.refreshed_at <= excluded.refreshed_at
"""
_GET: Final[LiteralString] = """
SELECT symbols, refreshed_at FROM symbol_cache WHERE venue = $1 AND kind = $2
"""


class StoredSymbols(NamedTuple):
    symbols: tuple[ListedSymbol, ...]
    refreshed_at: datetime


async def put(
    connection: Connection,
    venue: str,
    kind: str,
    symbols: Sequence[ListedSymbol],
    refreshed_at: datetime,
) -> None:
    """Store the list in place of an older one; a newer one stays."""
    await connection.execute(_PUT, venue, kind, list(symbols), refreshed_at)


async def get(connection: Connection, venue: str, kind: str) -> StoredSymbols | None:
    """Return the last good list; None where there was never one."""
    row = await connection.fetchrow(_GET, venue, kind)
    if row is None:
        return None
    listed = (
        ListedSymbol(each["symbol"], each["base_asset"], each["quote_asset"])
        for each in row["symbols"]
    )
    return StoredSymbols(tuple(listed), row["refreshed_at"])
