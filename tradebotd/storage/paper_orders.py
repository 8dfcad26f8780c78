"""Schema `paper`: orders of the paper venue, including resting ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.domain.fill import Fill, forced_by_name
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side
from tradebotd.ports.venue import status_of
from tradebotd.storage.postgres.database import Connection

INSERT_ORDER: Final[LiteralString] = """
    INSERT INTO paper.orders (venue, client_order_id, symbol, side, type, time_in_force, position_type, leverage,
                              reduce_only, quantity, limit_price, stop_price, filled_quantity, status, reason,
                              accepted_at, updated_at, linked_id, working_price)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, $17, $18)
    ON CONFLICT (venue, client_order_id) DO NOTHING
    RETURNING id
"""
SELECT_ORDER: Final[LiteralString] = """
    SELECT o.id AS order_id, o.venue, o.client_order_id, o.symbol AS order_symbol, o.side AS order_side, o.type,
           o.time_in_force, o.position_type, o.leverage, o.reduce_only, o.quantity AS order_quantity, o.limit_price,
           o.stop_price, o.working_price, o.filled_quantity, o.status, o.reason, o.updated_at,
           f.id, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_asset, f.executed_at
      FROM paper.orders o LEFT JOIN paper.fills f ON f.order_id = o.id
     WHERE o.venue = $1 AND o.symbol = $2 AND o.client_order_id = $3
     ORDER BY f.id
"""
SELECT_LIVE: Final[LiteralString] = """
    SELECT id, venue, client_order_id, symbol, side, type, time_in_force, position_type, leverage, reduce_only,
           quantity, limit_price, stop_price, working_price, filled_quantity, status, accepted_at, linked_id, triggered
      FROM paper.orders
     WHERE venue = $1 AND status = ANY ($2::text[])
     ORDER BY id
"""
RESTING: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
PROMISED: Final = (OrderStatus.PENDING_NEW,)
DECIDE_PROMISE: Final[LiteralString] = """
    UPDATE paper.orders
       SET status = $2, reason = $3, updated_at = $4, linked_id = NULL
     WHERE id = $1 AND status = 'pending_new'
"""
END_ORDERS: Final[LiteralString] = """
    UPDATE paper.orders
       SET status = $3, reason = coalesce($4, reason), updated_at = $5
     WHERE venue = $1 AND id = ANY ($2::bigint[]) AND status IN ('new', 'partially_filled')
    RETURNING id, filled_quantity
"""
FILL_ORDER: Final[LiteralString] = """
    UPDATE paper.orders SET filled_quantity = $2, status = $3, reason = $4, updated_at = $5 WHERE id = $1
"""
TRIGGER_ORDER: Final[LiteralString] = """
    UPDATE paper.orders SET triggered = true, updated_at = $2 WHERE id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingOrder:
    """Order that waits for its price. Orders of one `linked_id` cancel each other.

    `triggered`: its stop price was met, and it waits for its limit.
    """

    id: int
    client_order_id: ClientOrderId
    request: OrderRequest
    filled_quantity: Decimal
    accepted_at: datetime
    linked_id: str | None
    leverage: int = 1  # as its symbol was set up when it came
    triggered: bool = False


async def insert_order(
    connection: Connection,
    client_order_id: ClientOrderId,
    request: OrderRequest,
    at: datetime,
    *,
    status: OrderStatus,
    filled: Decimal,
    reason: str | None = None,
    linked_id: str | None = None,
    leverage: int = 1,
) -> int | None:
    """Insert the order; return its number, or None if the id is known already."""
    order_id: int | None = await connection.fetchval(
        INSERT_ORDER,
        request.venue,
        client_order_id,
        request.symbol,
        request.side,
        request.type,
        request.time_in_force,
        request.position_type,
        leverage,
        request.reduce_only,
        request.quantity,
        request.limit_price,
        request.stop_price,
        filled,
        status,
        reason,
        at,
        linked_id,
        PriceKind.LAST if request.stop_price is None else request.working_price,
    )
    return order_id


async def select_order(
    connection: Connection, venue: VenueName, symbol: str, client_order_id: ClientOrderId
) -> OrderReport | None:
    rows = await connection.fetch(SELECT_ORDER, venue, symbol, client_order_id)
    if not rows:
        return None
    first = rows[0]
    status, word = status_of(first["status"], first["filled_quantity"], first["order_quantity"])
    return OrderReport(
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(str(first["order_id"])),
        status=status,
        filled_quantity=first["filled_quantity"],
        reason=word or first["reason"],
        at=first["updated_at"],
        fills=tuple(fill_of(venue, row) for row in rows if row["id"] is not None),
        asked=_request(
            first, symbol=first["order_symbol"], side=first["order_side"], quantity="order_quantity"
        ),
        forced=forced_by_name(client_order_id),
    )


async def select_resting(connection: Connection, venue: VenueName) -> list[RestingOrder]:
    """Return resting orders by number, which is the order of their acceptance."""
    return await _select_live(connection, venue, RESTING)


async def select_promised(connection: Connection, venue: VenueName) -> list[RestingOrder]:
    """Return promised replacements by number; `linked_id` is the id of the order to be replaced."""
    return await _select_live(connection, venue, PROMISED)


async def decide_promise(
    connection: Connection, order_id: int, status: OrderStatus, reason: str | None, at: datetime
) -> None:
    """Let a promised order rest (`new`), or end it."""
    await connection.execute(DECIDE_PROMISE, order_id, status, reason, at)


async def _select_live(
    connection: Connection, venue: VenueName, statuses: Sequence[OrderStatus]
) -> list[RestingOrder]:
    return [
        RestingOrder(
            id=row["id"],
            client_order_id=ClientOrderId(row["client_order_id"]),
            request=_request(row, symbol=row["symbol"], side=row["side"], quantity="quantity"),
            filled_quantity=row["filled_quantity"],
            accepted_at=row["accepted_at"],
            linked_id=row["linked_id"],
            leverage=row["leverage"],
            triggered=row["triggered"],
        )
        for row in await connection.fetch(SELECT_LIVE, venue, list(statuses))
    ]


async def end_orders(
    connection: Connection,
    venue: VenueName,
    order_ids: Sequence[int],
    status: OrderStatus,
    at: datetime,
    reason: str | None = None,
) -> dict[int, Decimal]:
    """End the orders; return by number what those that rested until now have filled."""
    rows = await connection.fetch(END_ORDERS, venue, list(order_ids), status, reason, at)
    return {row["id"]: row["filled_quantity"] for row in rows}


async def fill_order(connection: Connection, order_id: int, report: OrderReport) -> None:
    await connection.execute(
        FILL_ORDER, order_id, report.filled_quantity, report.status, report.reason, report.at
    )


async def trigger_order(connection: Connection, order_id: int, at: datetime) -> None:
    """Note that the order's stop price was met, and that it rests as a limit order."""
    await connection.execute(TRIGGER_ORDER, order_id, at)


def fill_of(venue: VenueName, row: Any) -> Fill:
    return Fill(
        venue=venue,
        symbol=row["symbol"],
        trade_id=TradeId(str(row["id"])),
        client_order_id=ClientOrderId(row["client_order_id"]),
        side=Side(row["side"]),
        quantity=row["quantity"],
        price=row["price"],
        fee=row["fee"],
        fee_asset=row["fee_asset"],
        executed_at=row["executed_at"],
        venue_order_id=VenueOrderId(str(row["order_id"])),
        forced=forced_by_name(row["client_order_id"]),
    )


def _request(row: Any, *, symbol: str, side: str, quantity: str) -> OrderRequest:
    return OrderRequest(
        venue=VenueName(row["venue"]),
        symbol=symbol,
        side=Side(side),
        type=OrderType(row["type"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        quantity=row[quantity],
        position_type=PositionType(row["position_type"]),
        limit_price=row["limit_price"],
        stop_price=row["stop_price"],
        reduce_only=row["reduce_only"],
        working_price=PriceKind(row["working_price"]),
    )
