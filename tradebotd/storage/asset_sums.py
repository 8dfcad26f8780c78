"""`asset_sums`: changes of each asset at a venue by our trades, as sums kept by triggers.

A sum is kept in parts, so that fills of many bots do not wait for each other.
"""

from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.ids import VenueName
from tradebotd.storage.postgres.database import Connection

# What came and went of each asset besides what positions hold of it: earned and spent as money, taken as fees, and paid
# in or out. Of transfers only what the venue has told: what was inferred may be a loss.
SELECT_FLOWS: Final[LiteralString] = """
    SELECT asset, sum(flow) AS flow
      FROM (SELECT asset, earned + paid_elsewhere - fees_taken AS flow FROM asset_sums WHERE venue = $1
            UNION ALL
            SELECT m.quote_asset, -p.cost
              FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
             WHERE p.venue = $1 AND p.position_type = 'spot' AND p.closed_at IS NULL
            UNION ALL
            SELECT asset, told FROM transfer_sums WHERE venue = $1) AS flows
     GROUP BY asset
"""


async def select_flows(connection: Connection, venue: VenueName) -> dict[str, Decimal]:
    """Return, by asset, the changes by trades (as money and as fees) and by transfers.

    Holdings of the asset as the base of a position are not included.
    """
    rows = await connection.fetch(SELECT_FLOWS, venue)
    return {row["asset"]: row["flow"] for row in rows}
