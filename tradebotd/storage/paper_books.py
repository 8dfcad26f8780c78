"""Schema `paper`: the paper venue's own books. Nobody but the paper venue reads or writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.side import Side
from tradebotd.storage.database import Connection

BOOK_STARTING_CASH: Final[LiteralString] = """
    INSERT INTO paper.balances (venue, asset, total)
    SELECT $1, asset, total FROM unnest($2::text[], $3::numeric[]) AS cash (asset, total)
     WHERE NOT EXISTS (SELECT 1 FROM paper.balances WHERE venue = $1)
    ON CONFLICT DO NOTHING
"""
LOCK_BALANCES: Final[LiteralString] = """
    SELECT asset, total FROM paper.balances WHERE venue = $1 FOR UPDATE
"""
SELECT_POSITIONS: Final[LiteralString] = """
    SELECT symbol, quantity, entry_price, leverage FROM paper.positions WHERE venue = $1 AND quantity <> 0
"""
INSERT_ORDER: Final[LiteralString] = """
    INSERT INTO paper.orders (venue, client_order_id, symbol, side, type, time_in_force, position_type, leverage,
                              reduce_only, quantity, limit_price, stop_price, filled_quantity, status, reason,
                              accepted_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)
    ON CONFLICT (venue, client_order_id) DO NOTHING
    RETURNING id
"""
INSERT_FILL: Final[LiteralString] = """
    INSERT INTO paper.fills (order_id, venue, symbol, side, quantity, price, fee, fee_asset, executed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    RETURNING id
"""
ADD_TO_BALANCES: Final[LiteralString] = """
    INSERT INTO paper.balances (venue, asset, total)
    SELECT $1, asset, change FROM unnest($2::text[], $3::numeric[]) AS changes (asset, change)
    ON CONFLICT (venue, asset) DO UPDATE SET total = paper.balances.total + EXCLUDED.total
"""
PUT_POSITION: Final[LiteralString] = """
    INSERT INTO paper.positions (venue, symbol, quantity, entry_price, leverage)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (venue, symbol) DO UPDATE
       SET quantity = EXCLUDED.quantity, entry_price = EXCLUDED.entry_price, leverage = EXCLUDED.leverage
"""
SELECT_ORDER: Final[LiteralString] = """
    SELECT o.id AS order_id, o.status, o.filled_quantity, o.reason, o.updated_at, o.client_order_id,
           f.id, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_asset, f.executed_at
      FROM paper.orders o LEFT JOIN paper.fills f ON f.order_id = o.id
     WHERE o.venue = $1 AND o.symbol = $2 AND o.client_order_id = $3
     ORDER BY f.id
"""
FILLS_SINCE: Final[LiteralString] = """
    SELECT f.id, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_asset, f.executed_at, o.client_order_id
      FROM paper.fills f JOIN paper.orders o ON o.id = f.order_id
     WHERE f.venue = $1 AND f.executed_at >= $2
     ORDER BY f.executed_at, f.id
"""
ACCOUNT: Final[LiteralString] = """
    SELECT 'balance' AS kind, asset AS name, total AS amount FROM paper.balances WHERE venue = $1 AND total <> 0
    UNION ALL
    SELECT 'position', symbol, quantity FROM paper.positions WHERE venue = $1 AND quantity <> 0
"""


@dataclass(frozen=True, slots=True)
class PaperPosition:
    """Futures, one-way: `quantity` is signed, `entry_price` the average of what is held."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    leverage: int


async def book_starting_cash(
    connection: Connection, venue: VenueName, cash: Mapping[str, Decimal]
) -> None:
    """Only into books that hold no balance yet."""
    await connection.execute(BOOK_STARTING_CASH, venue, list(cash), list(cash.values()))


async def lock_balances(connection: Connection, venue: VenueName) -> dict[str, Decimal]:
    """By asset; nobody else changes them until the transaction ends."""
    rows = await connection.fetch(LOCK_BALANCES, venue)
    return {row["asset"]: row["total"] for row in rows}


async def select_positions(connection: Connection, venue: VenueName) -> list[PaperPosition]:
    rows = await connection.fetch(SELECT_POSITIONS, venue)
    return [PaperPosition(**dict(row)) for row in rows]


async def insert_order(
    connection: Connection,
    client_order_id: ClientOrderId,
    request: OrderRequest,
    at: datetime,
    rejected: str | None,
) -> int | None:
    """A whole fill, or a rejection with its reason. None if the id is known already."""
    filled = Decimal(0) if rejected else request.quantity
    status = OrderStatus.REJECTED if rejected else OrderStatus.FILLED
    order_id: int | None = await connection.fetchval(
        INSERT_ORDER,
        request.venue,
        client_order_id,
        request.symbol,
        request.side,
        request.type,
        request.time_in_force,
        request.position_type,
        request.leverage,
        request.reduce_only,
        request.quantity,
        request.limit_price,
        request.stop_price,
        filled,
        status,
        rejected,
        at,
    )
    return order_id


async def insert_fill(
    connection: Connection,
    order_id: int,
    request: OrderRequest,
    price: Decimal,
    fee: Decimal,
    fee_asset: str,
    at: datetime,
) -> TradeId:
    number: int = await connection.fetchval(
        INSERT_FILL,
        order_id,
        request.venue,
        request.symbol,
        request.side,
        request.quantity,
        price,
        fee,
        fee_asset,
        at,
    )
    return TradeId(str(number))


async def add_to_balances(
    connection: Connection, venue: VenueName, changes: Mapping[str, Decimal]
) -> None:
    await connection.execute(ADD_TO_BALANCES, venue, list(changes), list(changes.values()))


async def put_position(connection: Connection, venue: VenueName, position: PaperPosition) -> None:
    await connection.execute(
        PUT_POSITION,
        venue,
        position.symbol,
        position.quantity,
        position.entry_price,
        position.leverage,
    )


async def select_order(
    connection: Connection, venue: VenueName, symbol: str, client_order_id: ClientOrderId
) -> OrderReport | None:
    rows = await connection.fetch(SELECT_ORDER, venue, symbol, client_order_id)
    if not rows:
        return None
    first = rows[0]
    return OrderReport(
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(str(first["order_id"])),
        status=OrderStatus(first["status"]),
        filled_quantity=first["filled_quantity"],
        reason=first["reason"],
        at=first["updated_at"],
        fills=tuple(_fill(venue, row) for row in rows if row["id"] is not None),
    )


async def select_fills_since(
    connection: Connection, venue: VenueName, since: datetime
) -> Sequence[Fill]:
    rows = await connection.fetch(FILLS_SINCE, venue, since)
    return [_fill(venue, row) for row in rows]


async def select_account(
    connection: Connection, venue: VenueName
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Balances by asset and signed positions by symbol; zeros are left out."""
    amounts: dict[str, dict[str, Decimal]] = {"balance": {}, "position": {}}
    for row in await connection.fetch(ACCOUNT, venue):
        amounts[row["kind"]][row["name"]] = row["amount"]
    return amounts["balance"], amounts["position"]


def _fill(venue: VenueName, row: Any) -> Fill:
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
    )
