"""Orders of one symbol that are open at a venue, ours and those of others, as its filters count.

Those at the market count while they are on their way: a venue counts open orders of any type.
"""

from collections.abc import Sequence
from typing import Final, LiteralString

from tradebotd.domain.filters import RestingCounts
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.storage.postgres.database import Connection

# One in doubt may rest. Exits of the positions $3 are left out: they make way, or are counted by the caller.
SELECT_RESTING: Final[LiteralString] = """
    SELECT count(*) AS orders, count(*) FILTER (WHERE type NOT IN ('limit', 'market')) AS stops
      FROM (SELECT type FROM orders
             WHERE venue = $1 AND symbol = $2 AND NOT settled
               AND (role = 'entry' OR position_id <> ALL ($3::bigint[]))
             UNION ALL
            SELECT type FROM external_orders
             WHERE venue = $1 AND symbol = $2 AND gone_at IS NULL) AS resting
"""


async def select(
    connection: Connection, venue: VenueName, symbol: str, without: Sequence[PositionId] = ()
) -> RestingCounts:
    """Return how many rest. *without*: positions whose exits are not counted."""
    row = await connection.fetchrow(SELECT_RESTING, venue, symbol, list(without))
    return RestingCounts(orders=row["orders"], stops=row["stops"])
