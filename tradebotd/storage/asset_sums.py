"""`asset_sums`: what our trades made of each asset at a venue, as running sums kept by triggers."""

from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.ids import VenueName
from tradebotd.storage.database import Connection

SELECT_FEES: Final[LiteralString] = """
    SELECT asset, fees_taken FROM asset_sums WHERE venue = $1 AND fees_taken <> 0
"""


async def select_fees_taken(connection: Connection, venue: VenueName) -> dict[str, Decimal]:
    """What of each asset went for fees, and no position has paid; negative: rebates were more."""
    rows = await connection.fetch(SELECT_FEES, venue)
    return {row["asset"]: row["fees_taken"] for row in rows}
