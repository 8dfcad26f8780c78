"""`dust`: remainders of spot positions at a venue, until a later exit sells them."""

from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import OrderId, PositionId, VenueName
from tradebotd.storage.postgres.database import Connection

# What another exit may still sell is not there twice. Once an exit of the position was refused, the next one asks for what
# the position holds and for nothing else: the dust may not be there any more.
SELECT_AVAILABLE: Final[LiteralString] = """
    SELECT d.quantity - coalesce((SELECT sum(o.sweeps) FROM orders AS o
                                   WHERE o.venue = $1 AND o.symbol = $2 AND o.sweeps > 0 AND NOT o.settled), 0)
      FROM dust AS d
     WHERE d.venue = $1 AND d.symbol = $2 AND d.quantity > 0
       AND NOT EXISTS (SELECT 1 FROM orders AS e
                        WHERE e.position_id = $3 AND e.role = 'exit' AND e.status = 'rejected')
"""
LOCK: Final[LiteralString] = """
    SELECT quantity FROM dust WHERE venue = $1 AND symbol = $2 FOR UPDATE
"""
LOCK_FOR_ORDER: Final[LiteralString] = """
    SELECT least(d.quantity, o.sweeps)
      FROM orders AS o JOIN dust AS d ON d.venue = o.venue AND d.symbol = o.symbol
     WHERE o.id = $1
       FOR UPDATE OF d
"""


async def select_available(
    connection: Connection, position_id: PositionId, venue: VenueName, symbol: str
) -> Decimal:
    """Return the dust that an exit of the position may sell besides the position itself."""
    found: Decimal | None = await connection.fetchval(SELECT_AVAILABLE, venue, symbol, position_id)
    return max(found or ZERO, ZERO)


async def lock_available(
    connection: Connection, position_id: PositionId, venue: VenueName, symbol: str
) -> Decimal:
    """Lock the dust until the transaction ends, and return as `select_available`."""
    await connection.fetchval(LOCK, venue, symbol)
    return await select_available(connection, position_id, venue, symbol)


async def lock_for_order(connection: Connection, order_id: OrderId) -> Decimal:
    """Lock the dust and return how much of the order's fills it may cover."""
    found: Decimal | None = await connection.fetchval(LOCK_FOR_ORDER, order_id)
    return found or ZERO
