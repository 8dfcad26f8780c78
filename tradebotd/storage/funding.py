"""`funding_payments`: what futures positions paid and received, each once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, LiteralString

from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.storage.positions import LOCK_STATE_OF_HELD
from tradebotd.storage.postgres.database import Connection

# Venues also charge positions opened seconds after the settlement, under its time (Binance: some 15 s).
JUST_AFTER: Final = timedelta(seconds=30)
MOST_UNCLAIMED: Final = 100

SELECT_LAST: Final[LiteralString] = """
    SELECT max(paid_at) FROM funding_payments WHERE venue = $1
"""
SELECT_FIRST_HELD: Final[LiteralString] = """
    SELECT min(opened_at) FROM positions
     WHERE venue = $1 AND position_type = 'futures'
       AND (closed_at IS NULL OR closed_at > $2 OR (dust > 0 AND closed_at IS NOT NULL))
"""
SELECT_CLOSED: Final[LiteralString] = """
    SELECT venue, max(closed_at) AS closed_at FROM positions
     WHERE closed_at > $1 AND position_type = 'futures'
     GROUP BY venue
"""
# What was open at the instant goes before what was opened just after it.
_HELD: Final = """
    WITH held AS MATERIALIZED (
        SELECT id, bot FROM positions
         WHERE venue = $1 AND symbol = $2 AND position_type = 'futures' AND opened_at <= $3::timestamptz + $4::interval
           AND (closed_at IS NULL OR closed_at >= $3)
         ORDER BY opened_at <= $3 DESC, opened_at DESC
         LIMIT 1
           FOR UPDATE
"""
LOCK_POSITION: Final[LiteralString] = _HELD + LOCK_STATE_OF_HELD
# Dust is held at the venue behind the end of its position, until a fill has closed it there.
_LEFT: Final = """
    WITH traded AS MATERIALIZED (
        SELECT position_id FROM fills WHERE venue = $1 AND symbol = $2 AND executed_at >= $3
    ), held AS MATERIALIZED (
        SELECT id, bot FROM positions
         WHERE id = (SELECT id
                       FROM ((SELECT p.id, p.closed_at FROM positions AS p
                               WHERE p.venue = $1 AND p.symbol = $2 AND p.position_type = 'futures' AND p.dust > 0
                                 AND p.closed_at IS NOT NULL AND p.closed_at < $3
                               ORDER BY p.closed_at DESC LIMIT 1)
                             UNION ALL
                             (SELECT p.id, p.closed_at FROM traded AS t JOIN positions AS p ON p.id = t.position_id
                               WHERE p.position_type = 'futures' AND p.closed_at < $3)) AS held_on
                      ORDER BY closed_at DESC, id DESC LIMIT 1)
           FOR UPDATE
"""
LOCK_LEFT: Final[LiteralString] = _LEFT + LOCK_STATE_OF_HELD
# A payment may be reported before the fill that opened its position: it is claimed when reported again.
INSERT: Final[LiteralString] = """
    INSERT INTO funding_payments AS known (venue, payment_id, symbol, position_id, amount, asset, paid_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT ON CONSTRAINT funding_once DO UPDATE SET position_id = excluded.position_id
     WHERE known.position_id IS NULL AND excluded.position_id IS NOT NULL
    RETURNING payment_id
"""
SELECT_UNCLAIMED: Final[LiteralString] = """
    SELECT payment_id, symbol, amount, asset, paid_at FROM funding_payments
     WHERE venue = $1 AND position_id IS NULL AND paid_at > $2
     ORDER BY paid_at, payment_id LIMIT $3
"""
ADD: Final[LiteralString] = """
    UPDATE positions
       SET funding = funding + $2, realized_pnl = realized_pnl + $2, version = version + 1
     WHERE id = $1
    RETURNING bot
"""


async def select_since(
    connection: Connection, venue: VenueName, closed_after: datetime
) -> datetime | None:
    """Return the last booked payment's time, else the first opening of a relevant position.

    Relevant are positions that are open, or were closed after *closed_after*.
    """
    last: datetime | None = await connection.fetchval(SELECT_LAST, venue)
    return last or await connection.fetchval(SELECT_FIRST_HELD, venue, closed_after)


async def select_closed(connection: Connection, after: datetime) -> dict[VenueName, datetime]:
    """Return when futures were last closed at each venue, if *after* that time."""
    rows = await connection.fetch(SELECT_CLOSED, after)
    return {VenueName(row["venue"]): row["closed_at"] for row in rows}


@dataclass(frozen=True, slots=True)
class Booked:
    """Result of booking; *bot* owns the position paid for, None if it is not ours."""

    bot: BotName | None


async def book(connection: Connection, payment: FundingPayment, *, counts: bool) -> Booked | None:
    """Book the payment, if it *counts* into the position open then; None if already booked.

    Where none was, into the latest that had left dust at the venue.
    """
    position_id: PositionId | None = None
    if counts:
        position_id = await connection.fetchval(
            LOCK_POSITION, payment.venue, payment.symbol, payment.paid_at, JUST_AFTER
        )
        if position_id is None:
            position_id = await connection.fetchval(
                LOCK_LEFT, payment.venue, payment.symbol, payment.paid_at
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


async def select_unclaimed(
    connection: Connection, venue: VenueName, since: datetime
) -> list[FundingPayment]:
    """Return payments after *since* for no position of ours; the first MOST_UNCLAIMED."""
    rows = await connection.fetch(SELECT_UNCLAIMED, venue, since, MOST_UNCLAIMED)
    return [FundingPayment(venue=venue, **dict(row)) for row in rows]
