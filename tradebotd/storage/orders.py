"""`orders` and their events: written before a byte is sent, only moved forward."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString

import asyncpg

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import (
    BotName,
    ClientOrderId,
    OrderId,
    PositionId,
    VenueName,
    VenueOrderId,
)
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import Order, OrderIntent, OrderRole, OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.storage.exit_plans import exits_as_json, exits_from_json
from tradebotd.storage.leadership import LEASE, lease_lost
from tradebotd.storage.postgres.database import Connection

SEND_WITHIN: Final = timedelta(seconds=2)

# Constraints of migration 0001 that are rules of trading, and what they deny.
NEXT_ID: Final[LiteralString] = "SELECT nextval('orders_id_seq')"
NEXT_IDS: Final[LiteralString] = "SELECT nextval('orders_id_seq') FROM generate_series(1, $1)"
# $1 and $2 are the lease's; the rest is in `values_of_new`.
_OF_NEW: Final = """
    INSERT INTO orders
    (leader_token, id, client_order_id, position_id, exit_group_id, bot, venue, symbol, role, side, type, time_in_force,
     position_type, leverage, reduce_only, quantity, limit_price, stop_price, trigger_price, exits, reason, params_hash,
     send_by, created_at, updated_at, ladder_step, expires_at, linked_id, sweeps, working_price)
    SELECT lease.token, $3, $4, $5, """
_BEHIND_GROUP: Final = """, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
           $23, $24, $25, $25, $26, $27, $28, $29, $30
"""
COLUMNS_OF_NEW: Final = _OF_NEW + "$6" + _BEHIND_GROUP
# For a statement that makes an exit group where $6 is none.
_GROUP: Final = "coalesce($6, (SELECT id FROM new_group))"
COLUMNS_IN_GROUP: Final = _OF_NEW + _GROUP + _BEHIND_GROUP
INSERT_ORDER: Final[LiteralString] = "WITH " + LEASE + COLUMNS_OF_NEW + " FROM lease RETURNING id"
INSERT_EVENT: Final[LiteralString] = """
    INSERT INTO order_events (order_id, at, status, detail) VALUES ($1, $2, $3, $4)
"""
SELECT_FOR_UPDATE: Final[LiteralString] = """
    SELECT id, client_order_id, venue_order_id, position_id, exit_group_id, bot, venue, symbol, role, side, type,
           quantity, filled_quantity, venue_filled_quantity, average_price, status, reason, created_at, send_by,
           position_type, leverage, exits, settled, ladder_step, coalesce(trigger_price, stop_price) AS level,
           params_hash, limit_price, stop_price
      FROM orders
     WHERE client_order_id = $1
       FOR UPDATE
"""
SELECT_ALL_FOR_UPDATE: Final[LiteralString] = """
    SELECT id, client_order_id, venue_order_id, position_id, exit_group_id, bot, venue, symbol, role, side, type,
           quantity, filled_quantity, venue_filled_quantity, average_price, status, reason, created_at, send_by,
           position_type, leverage, exits, settled, ladder_step, coalesce(trigger_price, stop_price) AS level,
           params_hash, limit_price, stop_price
      FROM orders
     WHERE client_order_id = ANY ($1::text[])
     ORDER BY id
       FOR UPDATE
"""
SELECT_UNSETTLED: Final[LiteralString] = """
    SELECT id, client_order_id, venue_order_id, position_id, exit_group_id, bot, venue, symbol, role, side, type,
           quantity, filled_quantity, venue_filled_quantity, average_price, status, reason, created_at, send_by,
           position_type, leverage, exits, settled, ladder_step, coalesce(trigger_price, stop_price) AS level,
           params_hash, limit_price, stop_price
      FROM orders
     WHERE NOT settled
     ORDER BY id
"""
UPDATE_STATE: Final[LiteralString] = """
    WITH moved AS (
        UPDATE orders
           SET status = $2, venue_order_id = coalesce($3, venue_order_id),
               venue_filled_quantity = greatest($4::numeric, venue_filled_quantity, 0),
               reason = coalesce($5, reason), updated_at = $6,
               revived = revived OR (status = 'rejected' AND $2 <> 'rejected')
         WHERE id = $1
        RETURNING settled
    ), told AS (
        INSERT INTO order_events (order_id, at, status, detail) VALUES ($1, $6, $2, $7)
    )
    SELECT settled FROM moved
"""
UPDATE_FILLED: Final[LiteralString] = """
    UPDATE orders
       SET filled_quantity = $2, average_price = $3, position_id = $4, status = $5, updated_at = $6,
           venue_filled_quantity = greatest(coalesce(venue_filled_quantity, 0), $2 + excess_quantity),
           revived = revived OR status = 'rejected'
     WHERE id = $1
"""

ADD_EXCESS: Final[LiteralString] = """
    UPDATE orders
       SET excess_quantity = excess_quantity + $2, updated_at = $5,
           status = CASE WHEN filled_quantity + excess_quantity + $2 >= quantity THEN $3 ELSE $4 END,
           venue_filled_quantity = greatest(coalesce(venue_filled_quantity, 0), filled_quantity + excess_quantity + $2),
           revived = revived OR status = 'rejected'
     WHERE id = $1
    RETURNING status
"""
SELECT_POSITION_UNSETTLED: Final[LiteralString] = """
    SELECT EXISTS (SELECT 1 FROM positions AS p JOIN orders AS o ON o.bot = p.bot AND o.symbol = p.symbol
                    WHERE p.id = $1 AND NOT o.settled AND (o.role = 'entry' OR o.position_id = p.id))
"""
SELECT_ENTRY_UNSETTLED: Final[LiteralString] = """
    SELECT EXISTS (SELECT 1 FROM orders WHERE bot = $1 AND symbol = $2 AND role = 'entry' AND NOT settled)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """Row of an order before a byte is sent. `exits`: exit plan for an entry's position."""

    id: OrderId
    client_order_id: ClientOrderId
    intent: OrderIntent
    exits: ExitPlan | None
    params_hash: str
    send_by: datetime  # host time
    created_at: datetime  # market time
    exit_group_id: int | None = None  # exits: None makes a new one
    linked_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOrder:
    """Row locked FOR UPDATE, or listed to be settled. `level`: an exit's trigger price."""

    order: Order
    exit_group_id: int | None
    position_type: PositionType
    leverage: int
    exits: ExitPlan | None
    average_price: Decimal | None
    venue_filled_quantity: Decimal | None
    send_by: datetime
    settled: bool
    ladder_step: int | None = None
    level: Decimal | None = None
    params_hash: str = ""
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


async def next_id(connection: Connection) -> OrderId:
    return OrderId(await connection.fetchval(NEXT_ID))


async def next_ids(connection: Connection, count: int) -> list[OrderId]:
    return [OrderId(row[0]) for row in await connection.fetch(NEXT_IDS, count)]


async def insert_order(connection: Connection, account: str, token: int, order: NewOrder) -> None:
    """Insert the order with the lease row FOR SHARE, so that no takeover commits in between.

    An exit names its group (`exit_rows.insert` makes one). Raises AccountTakenError when the lease
    is no longer ours, OrderDeniedError while another entry of the bot is unsettled.
    """
    try:
        row_id = await connection.fetchval(INSERT_ORDER, account, token, *values_of_new(order))
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != DenialRule.UNSETTLED_ENTRY:
            raise
        raise denied_unsettled() from error
    if row_id is None:
        raise lease_lost(account)


def denied_unsettled() -> OrderDeniedError:
    rule = DenialRule.UNSETTLED_ENTRY  # named after the constraint
    return OrderDeniedError(rule, rule.meaning)


def values_of_new(order: NewOrder) -> tuple[Any, ...]:
    """Return the parameters $3 to $30 of COLUMNS_OF_NEW."""
    intent, request = order.intent, order.intent.request
    return (
        order.id,
        order.client_order_id,
        intent.position_id,
        order.exit_group_id,
        intent.bot,
        request.venue,
        request.symbol,
        intent.role,
        request.side,
        request.type,
        request.time_in_force,
        request.position_type,
        intent.leverage,
        request.reduce_only,
        request.quantity,
        request.limit_price,
        request.stop_price,
        request.trigger_price,
        None if order.exits is None else exits_as_json(order.exits),
        intent.reason,
        order.params_hash,
        order.send_by,
        order.created_at,
        intent.ladder_step,
        intent.expires_at,
        order.linked_id,
        intent.sweeps,
        request.working_price,
    )


async def lock(connection: Connection, client_order_id: ClientOrderId) -> StoredOrder | None:
    row = await connection.fetchrow(SELECT_FOR_UPDATE, client_order_id)
    return None if row is None else from_row(row)


async def lock_all(
    connection: Connection, client_order_ids: Sequence[ClientOrderId]
) -> dict[ClientOrderId, StoredOrder]:
    """Lock those of the orders that are ours, by their id: two callers never wait for each other."""
    rows = await connection.fetch(SELECT_ALL_FOR_UPDATE, list(client_order_ids))
    return {stored.order.client_order_id: stored for stored in map(from_row, rows)}


async def select_unsettled(connection: Connection) -> list[StoredOrder]:
    return [from_row(row) for row in await connection.fetch(SELECT_UNSETTLED)]


async def update_state(
    connection: Connection,
    order_id: OrderId,
    status: OrderStatus,
    *,
    venue_order_id: VenueOrderId | None = None,
    venue_filled_quantity: Decimal | None = None,
    reason: str | None = None,
    at: datetime,
) -> bool:
    """Update the order; return whether it is settled now: final, with all its fills applied."""
    settled: bool = await connection.fetchval(
        UPDATE_STATE,
        order_id,
        status,
        venue_order_id,
        venue_filled_quantity,
        reason,
        at,
        detail_of(reason),
    )
    return settled


async def note(
    connection: Connection,
    order_id: OrderId,
    at: datetime,
    status: OrderStatus,
    detail: dict[str, Any],
) -> None:
    """Add an event of the order, with details worth keeping."""
    await connection.execute(INSERT_EVENT, order_id, at, status, detail)


async def update_filled(
    connection: Connection,
    order_id: OrderId,
    filled_quantity: Decimal,
    average_price: Decimal,
    *,
    position_id: PositionId,
    status: OrderStatus,
    at: datetime,
) -> None:
    await connection.execute(
        UPDATE_FILLED, order_id, filled_quantity, average_price, position_id, status, at
    )


async def add_excess(
    connection: Connection,
    order_id: OrderId,
    excess: Decimal,
    *,
    whole: OrderStatus,
    part: OrderStatus,
    at: datetime,
) -> OrderStatus:
    """Add a quantity executed beyond what was held.

    Returns the status: *whole* if nothing of the order is left, else *part*.
    """
    return OrderStatus(await connection.fetchval(ADD_EXCESS, order_id, excess, whole, part, at))


async def is_entry_unsettled(connection: Connection, bot: BotName, symbol: str) -> bool:
    found: bool = await connection.fetchval(SELECT_ENTRY_UNSETTLED, bot, symbol)
    return found


async def is_position_unsettled(connection: Connection, position_id: PositionId) -> bool:
    """Return whether an order may still add to the position or reduce it."""
    found: bool = await connection.fetchval(SELECT_POSITION_UNSETTLED, position_id)
    return found


def detail_of(reason: str | None) -> dict[str, Any]:
    """Return the detail of the event of a new state."""
    return {} if reason is None else {"reason": reason}


def from_row(row: Any) -> StoredOrder:
    """Build the order from a row with the columns of SELECT_FOR_UPDATE."""
    venue_order_id, position_id = row["venue_order_id"], row["position_id"]
    exits = row["exits"]
    return StoredOrder(
        order=Order(
            id=OrderId(row["id"]),
            client_order_id=ClientOrderId(row["client_order_id"]),
            venue_order_id=None if venue_order_id is None else VenueOrderId(venue_order_id),
            position_id=None if position_id is None else PositionId(position_id),
            bot=BotName(row["bot"]),
            venue=VenueName(row["venue"]),
            symbol=row["symbol"],
            role=OrderRole(row["role"]),
            side=Side(row["side"]),
            type=OrderType(row["type"]),
            quantity=row["quantity"],
            filled_quantity=row["filled_quantity"],
            status=OrderStatus(row["status"]),
            reason=row["reason"],
            created_at=row["created_at"],
        ),
        exit_group_id=row["exit_group_id"],
        position_type=PositionType(row["position_type"]),
        leverage=row["leverage"],
        exits=None if exits is None else exits_from_json(exits),
        average_price=row["average_price"],
        venue_filled_quantity=row["venue_filled_quantity"],
        send_by=row["send_by"],
        settled=row["settled"],
        ladder_step=row["ladder_step"],
        level=row["level"],
        params_hash=row["params_hash"],
        limit_price=row["limit_price"],
        stop_price=row["stop_price"],
    )
