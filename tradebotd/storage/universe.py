"""`universe`: the watchlists that were screened, each with the seed of its sample."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from tradebotd.storage.postgres.database import Connection

_INSERT: Final[LiteralString] = """
INSERT INTO universe (screened_at, symbol, rank, reasons, sample_seed)
SELECT $1, symbol, rank, reasons, $2
  FROM unnest($3::text[], $4::integer[], $5::jsonb[]) AS u (symbol, rank, reasons)
ON CONFLICT DO NOTHING
"""
_LATEST: Final[LiteralString] = """
SELECT screened_at, symbol, rank, reasons, sample_seed FROM universe
 WHERE screened_at = (SELECT max(screened_at) FROM universe) ORDER BY rank
"""


class WatchlistRow(NamedTuple):
    screened_at: datetime
    symbol: str
    rank: int
    reasons: Mapping[str, Any]
    sample_seed: int


async def insert(
    connection: Connection,
    screened_at: datetime,
    sample_seed: int,
    ranked: Sequence[tuple[str, Mapping[str, Any]]],
) -> int:
    """Insert a watchlist, best first, in one statement; return how many rows are new."""
    status: str = await connection.execute(
        _INSERT,
        screened_at,
        sample_seed,
        [symbol for symbol, _ in ranked],
        list(range(1, len(ranked) + 1)),
        [dict(reasons) for _, reasons in ranked],
    )
    return int(status.rpartition(" ")[2])


async def latest(connection: Connection) -> list[WatchlistRow]:
    """Return the latest watchlist, best first; empty before the first one."""
    return [WatchlistRow(*row) for row in await connection.fetch(_LATEST)]
