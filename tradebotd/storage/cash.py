"""Expected cash at a venue by our records: sums of several tables, none of which grows."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.ids import VenueName
from tradebotd.storage.postgres.database import Connection

# What futures cost counts as if it had been paid: so it does not matter which average realized P&L was computed from.
# A transfer counts when its venue tells it: one that was inferred from the cash would explain whatever is wrong with that.
# External trades are no P&L of ours, but have changed the cash.
SELECT_EXPECTED: Final[LiteralString] = """
    SELECT a.asset,
           coalesce((SELECT sum(s.earned + s.paid_elsewhere - s.fees_taken) FROM asset_sums AS s
                      WHERE s.venue = $1 AND s.asset = a.asset), 0)
           - coalesce((SELECT sum(CASE p.side WHEN 'long' THEN p.cost ELSE -p.cost END)
                         FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
                        WHERE p.closed_at IS NULL AND p.venue = $1 AND m.quote_asset = a.asset), 0)
           - coalesce((SELECT sum(d.cost)
                         FROM futures_dust AS d JOIN market_symbols AS m ON m.symbol = d.symbol
                        WHERE d.venue = $1 AND m.quote_asset = a.asset), 0)
           + coalesce((SELECT sum(p.quantity)
                         FROM positions AS p JOIN market_symbols AS m ON m.symbol = p.symbol
                        WHERE p.closed_at IS NULL AND p.position_type = 'spot' AND p.venue = $1
                          AND m.base_asset = a.asset), 0)
           + coalesce((SELECT sum(d.quantity)
                         FROM dust AS d JOIN market_symbols AS m ON m.symbol = d.symbol
                        WHERE d.venue = $1 AND m.base_asset = a.asset), 0)
           + coalesce((SELECT sum(f.amount) FROM funding_payments AS f
                        WHERE f.venue = $1 AND f.asset = a.asset AND f.position_id IS NULL), 0)
           + coalesce((SELECT sum(t.told) FROM transfer_sums AS t WHERE t.venue = $1 AND t.asset = a.asset), 0)
           + coalesce((SELECT sum(CASE WHEN m.quote_asset = a.asset
                                       THEN CASE e.side WHEN 'buy' THEN -1 ELSE 1 END * e.quantity * e.price ELSE 0 END
                                  - CASE e.fee_asset WHEN a.asset THEN e.fee ELSE 0 END)
                         FROM external_fills AS e LEFT JOIN market_symbols AS m ON m.symbol = e.symbol
                        WHERE e.venue = $1
                          AND NOT EXISTS (SELECT 1 FROM fills AS f
                                           WHERE f.venue = e.venue AND f.symbol = e.symbol
                                             AND f.trade_id = CASE WHEN e.excess_of IS NULL THEN e.trade_id
                                                                   ELSE e.trade_id || '.excess' END)), 0) AS expected
      FROM unnest($2::text[]) AS a (asset)
"""


async def select_expected(
    connection: Connection, venue: VenueName, assets: Sequence[str]
) -> dict[str, Decimal]:
    """Return by how much each asset should exceed the holding before us.

    Realized P&L, less the cost of open positions, plus the fees that other assets paid, less those
    that it paid for others.
    """
    rows = await connection.fetch(SELECT_EXPECTED, venue, list(assets))
    return {row["asset"]: row["expected"] for row in rows}
