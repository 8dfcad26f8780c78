"""Schema `paper`: the paper venue's own records, read and written by that venue alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, LiteralString

from tradebotd.domain.fill import Fill
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import TradeId, VenueName
from tradebotd.domain.order import OrderRequest
from tradebotd.storage.paper_orders import fill_of
from tradebotd.storage.postgres.database import Connection

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
FILLS_SINCE: Final[LiteralString] = """
    SELECT f.id, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_asset, f.executed_at, f.order_id,
           o.client_order_id
      FROM paper.fills f JOIN paper.orders o ON o.id = f.order_id
     WHERE f.venue = $1 AND f.executed_at >= $2 AND ($3::text[] IS NULL OR f.symbol = ANY ($3))
     ORDER BY f.executed_at, f.id
"""
ACCOUNT: Final[LiteralString] = """
    SELECT 'balance' AS kind, asset AS name, total AS amount, NULL::numeric AS entry_price
      FROM paper.balances WHERE venue = $1 AND total <> 0
    UNION ALL
    SELECT 'position', symbol, quantity, entry_price FROM paper.positions WHERE venue = $1 AND quantity <> 0
"""
INSERT_FUNDING: Final[LiteralString] = """
    INSERT INTO paper.funding (venue, symbol, amount, asset, paid_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (venue, symbol, paid_at) DO NOTHING
    RETURNING id
"""
FUNDING_SINCE: Final[LiteralString] = """
    SELECT id, symbol, amount, asset, paid_at FROM paper.funding WHERE venue = $1 AND paid_at >= $2
     ORDER BY paid_at, id
"""
SELECT_TOUCHED: Final[LiteralString] = """
    SELECT p.symbol, greatest((SELECT max(f.executed_at) FROM paper.fills f WHERE f.venue = $1 AND f.symbol = p.symbol),
                              (SELECT max(u.paid_at) FROM paper.funding u WHERE u.venue = $1 AND u.symbol = p.symbol))
           AS touched
      FROM paper.positions p WHERE p.venue = $1 AND p.quantity <> 0
"""
SELECT_CURSOR: Final[LiteralString] = (
    "SELECT at FROM paper.cursors WHERE venue = $1 AND symbol = $2"
)
PUT_CURSOR: Final[LiteralString] = """
    INSERT INTO paper.cursors (venue, symbol, at) VALUES ($1, $2, $3)
    ON CONFLICT (venue, symbol) DO UPDATE SET at = excluded.at
"""


@dataclass(frozen=True, slots=True)
class PaperPosition:
    """Futures position, one-way: signed `quantity`, average `entry_price` of what is held."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    leverage: int


async def book_starting_cash(
    connection: Connection, venue: VenueName, cash: Mapping[str, Decimal]
) -> None:
    """Book the starting cash, only if there is no balance yet."""
    await connection.execute(BOOK_STARTING_CASH, venue, list(cash), list(cash.values()))


async def lock_balances(connection: Connection, venue: VenueName) -> dict[str, Decimal]:
    """Lock the balances until the transaction ends; return them by asset."""
    rows = await connection.fetch(LOCK_BALANCES, venue)
    return {row["asset"]: row["total"] for row in rows}


async def select_positions(connection: Connection, venue: VenueName) -> list[PaperPosition]:
    rows = await connection.fetch(SELECT_POSITIONS, venue)
    return [PaperPosition(**dict(row)) for row in rows]


async def insert_fill(
    connection: Connection,
    order_id: int,
    request: OrderRequest,
    price: Decimal,
    *,
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


async def select_fills_since(
    connection: Connection, venue: VenueName, since: datetime, symbols: Collection[str] | None
) -> Sequence[Fill]:
    """Return fills in *symbols*, oldest first; None: in all."""
    asked = None if symbols is None else list(symbols)
    rows = await connection.fetch(FILLS_SINCE, venue, since, asked)
    return [fill_of(venue, row) for row in rows]


async def select_account(
    connection: Connection, venue: VenueName
) -> tuple[dict[str, Decimal], dict[str, Decimal], dict[str, Decimal]]:
    """Return balances by asset, signed positions and entry prices by symbol; zeros are left out."""
    balances: dict[str, Decimal] = {}
    positions: dict[str, Decimal] = {}
    entry_prices: dict[str, Decimal] = {}
    for row in await connection.fetch(ACCOUNT, venue):
        if row["kind"] == "balance":
            balances[row["name"]] = row["amount"]
        else:
            positions[row["name"]] = row["amount"]
            entry_prices[row["name"]] = row["entry_price"]
    return balances, positions, entry_prices


async def insert_funding(
    connection: Connection,
    venue: VenueName,
    symbol: str,
    amount: Decimal,
    asset: str,
    paid_at: datetime,
) -> bool:
    """Insert the payment; return False if it was paid at that time already."""
    row_id = await connection.fetchval(INSERT_FUNDING, venue, symbol, amount, asset, paid_at)
    return row_id is not None


async def select_funding_since(
    connection: Connection, venue: VenueName, since: datetime
) -> list[FundingPayment]:
    return [
        FundingPayment(
            venue=venue,
            payment_id=str(row["id"]),
            symbol=row["symbol"],
            amount=row["amount"],
            asset=row["asset"],
            paid_at=row["paid_at"],
        )
        for row in await connection.fetch(FUNDING_SINCE, venue, since)
    ]


async def select_cursor(connection: Connection, venue: VenueName, symbol: str) -> datetime | None:
    """Return the time of the last tick that filled a resting order; None if none ever did."""
    at: datetime | None = await connection.fetchval(SELECT_CURSOR, venue, symbol)
    return at


async def put_cursor(connection: Connection, venue: VenueName, symbol: str, at: datetime) -> None:
    await connection.execute(PUT_CURSOR, venue, symbol, at)


async def select_touched(connection: Connection, venue: VenueName) -> list[tuple[str, datetime]]:
    """Return when each futures position last changed or was last funded."""
    return [
        (row["symbol"], row["touched"]) for row in await connection.fetch(SELECT_TOUCHED, venue)
    ]
