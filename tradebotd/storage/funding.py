"""`funding_payments`: what futures positions paid and received, each once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.storage.database import Connection

SELECT_LAST: Final[LiteralString] = """
    SELECT max(paid_at) FROM funding_payments WHERE venue = $1
"""
SELECT_FIRST_HELD: Final[LiteralString] = """
    SELECT coalesce(min(opened_at) FILTER (WHERE closed_at IS NULL), max(opened_at)) FROM positions
     WHERE venue = $1 AND position_type = 'futures'
"""
# The lock comes first, so that a fill and a payment of one position follow each other.
LOCK_POSITION: Final[LiteralString] = """
    SELECT id FROM positions
     WHERE venue = $1 AND symbol = $2 AND position_type = 'futures' AND opened_at <= $3
       AND (closed_at IS NULL OR closed_at >= $3)
     ORDER BY opened_at DESC
     LIMIT 1
       FOR UPDATE
"""
INSERT: Final[LiteralString] = """
    INSERT INTO funding_payments (venue, payment_id, symbol, position_id, amount, asset, paid_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT ON CONSTRAINT funding_once DO NOTHING
    RETURNING payment_id
"""
ADD: Final[LiteralString] = """
    UPDATE positions
       SET funding = funding + $2, realized_pnl = realized_pnl + $2, version = version + 1
     WHERE id = $1
    RETURNING bot
"""


async def select_since(connection: Connection, venue: VenueName) -> datetime | None:
    """The last payment booked, else the first futures position open now, else the last one."""
    last: datetime | None = await connection.fetchval(SELECT_LAST, venue)
    return last or await connection.fetchval(SELECT_FIRST_HELD, venue)


@dataclass(frozen=True, slots=True)
class Booked:
    """*bot*: whose position it was paid for; None: nobody's of ours."""

    bot: BotName | None


async def book(connection: Connection, payment: FundingPayment, *, counts: bool) -> Booked | None:
    """Into the position that was open then, if it *counts*. None: it was booked already."""
    position_id: PositionId | None = None
    if counts:
        position_id = await connection.fetchval(
            LOCK_POSITION, payment.venue, payment.symbol, payment.paid_at
        )
    booked = await connection.fetchval(
        INSERT,
        payment.venue,
        payment.payment_id,
        payment.symbol,
        position_id,
        payment.amount,
        payment.asset,
        payment.paid_at,
    )
    if booked is None:
        return None
    if position_id is None:
        return Booked(None)
    bot: str = await connection.fetchval(ADD, position_id, payment.amount)
    return Booked(BotName(bot))
