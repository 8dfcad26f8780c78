"""`asset_sums`: what our trades made of each asset at a venue, as running sums kept by triggers.

A sum is kept in parts, so that fills of many bots do not wait for each other.
"""

from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.ids import VenueName
from tradebotd.storage.database import Connection

# What our trades have made of each asset as money: what they earned in it, less what open positions cost, less fees.
SELECT_FLOWS: Final[LiteralString] = """
    SELECT s.asset, s.made - coalesce(open.cost, 0) AS flow
      FROM (SELECT asset, sum(earned + paid_elsewhere - fees_taken) AS made
              FROM asset_sums WHERE venue = $1 GROUP BY asset) AS s
      LEFT JOIN (SELECT m.quote_asset, sum(p.cost) AS cost
                   FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
                  WHERE p.venue = $1 AND p.position_type = 'spot' AND p.closed_at IS NULL
                  GROUP BY m.quote_asset) AS open ON open.quote_asset = s.asset
"""


async def select_flows(connection: Connection, venue: VenueName) -> dict[str, Decimal]:
    """By asset, what all trades together have added to it as money and as fees; what is held of it
    as the base of a position is no part of this.
    """
    rows = await connection.fetch(SELECT_FLOWS, venue)
    return {row["asset"]: row["flow"] for row in rows}
