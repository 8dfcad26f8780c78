"""`order_venue_ids`: further venue ids of our orders, e.g. of a triggered algo order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString

from tradebotd.domain.ids import ClientOrderId, OrderId, VenueName, VenueOrderId
from tradebotd.storage.postgres.database import Connection

INSERT: Final[LiteralString] = """
    INSERT INTO order_venue_ids (venue, symbol, venue_order_id, order_id, seen_at)
    SELECT $1, $2, each, $4, $5 FROM unnest($3::text[]) AS each
    ON CONFLICT DO NOTHING
"""
SELECT_OTHERS: Final[LiteralString] = """
    SELECT venue_order_id FROM order_venue_ids
     WHERE venue = $1 AND symbol = $2 AND venue_order_id = ANY ($3::text[]) AND order_id <> $4
     ORDER BY venue_order_id
"""
SELECT_OWNER: Final[LiteralString] = """
    SELECT o.client_order_id
      FROM order_venue_ids AS i JOIN orders AS o ON o.id = i.order_id
     WHERE i.venue_order_id = ANY ($1::text[]) AND i.venue = $2 AND i.symbol = $3
    UNION ALL
    SELECT client_order_id FROM orders WHERE venue_order_id = ANY ($1::text[]) AND venue = $2 AND symbol = $3
     LIMIT 1
"""


async def insert(
    connection: Connection,
    venue: VenueName,
    symbol: str,
    venue_order_ids: Sequence[VenueOrderId],
    order_id: OrderId,
    at: datetime,
) -> list[VenueOrderId]:
    """Store the ids; return those that belong to another order, a contradiction of the venue."""
    await connection.execute(INSERT, venue, symbol, list(venue_order_ids), order_id, at)
    rows = await connection.fetch(SELECT_OTHERS, venue, symbol, list(venue_order_ids), order_id)
    return [VenueOrderId(row["venue_order_id"]) for row in rows]


async def select_owner(
    connection: Connection, venue: VenueName, symbol: str, venue_order_ids: Sequence[VenueOrderId]
) -> ClientOrderId | None:
    """Return the order that the ids belong to; None if it is not ours."""
    found = await connection.fetchval(SELECT_OWNER, list(venue_order_ids), venue, symbol)
    return None if found is None else ClientOrderId(found)
