"""`fills`: each execution once, on (venue, symbol, trade_id)."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString, NamedTuple

from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import (
    ClientOrderId,
    OrderId,
    PositionId,
    TradeId,
    VenueName,
    VenueOrderId,
)
from tradebotd.domain.side import Side
from tradebotd.storage.postgres.database import Connection

INSERT_FILL: Final[LiteralString] = """
    INSERT INTO fills (order_id, position_id, venue, symbol, trade_id, side, quantity, price, fee, fee_asset, executed_at,
                       venue_order_id, fee_rate, fee_value, fee_elsewhere)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT ON CONSTRAINT fill_once DO NOTHING
    RETURNING id
"""
SELECT_FILL: Final[LiteralString] = """
    SELECT f.venue, f.symbol, f.trade_id, o.client_order_id, f.side, f.quantity, f.price, f.fee, f.fee_asset,
           f.executed_at, f.venue_order_id
      FROM fills AS f
      JOIN orders AS o ON o.id = f.order_id
     WHERE f.venue = $1 AND f.symbol = $2 AND f.trade_id = $3
    UNION ALL
    SELECT e.venue, e.symbol, e.trade_id, o.client_order_id, e.side, e.quantity, e.price, e.fee, e.fee_asset,
           e.executed_at, e.venue_order_id
      FROM external_fills AS e
      JOIN orders AS o ON o.id = e.excess_of
     WHERE e.venue = $1 AND e.symbol = $2 AND e.trade_id = $3
"""
# A fill dated after the horizon ($2) has no comparable time.
SELECT_LATEST: Final[LiteralString] = """
    SELECT max(f.executed_at) FILTER (WHERE f.executed_at <= $2) AS at,
           max(f.executed_at) FILTER (WHERE f.executed_at <= $2 AND o.role = 'exit') AS exited_at,
           (array_agg(o.reason ORDER BY f.executed_at <= $2 DESC, f.executed_at DESC, f.id DESC)
             FILTER (WHERE o.role = 'exit'))[1] AS exit_reason
      FROM fills AS f
      JOIN orders AS o ON o.id = f.order_id
     WHERE f.position_id = $1
"""
# The same beside other questions.
LATEST_OF_FOUR: Final = SELECT_LATEST.replace("$2", "$5").replace("$1", "$4")


class FeeWorth(NamedTuple):
    """Worth of a fee. `rate`: quote asset per unit of the fee's asset when the fill was booked.

    None: unknown, and P&L does not contain the fee. `elsewhere`: the part of the fee that neither
    the quote asset nor the position has paid, in the fee's asset.
    """

    rate: Decimal | None
    elsewhere: Decimal


class Latest(NamedTuple):
    """Latest fill and latest exit of a position by execution time, and the exit's reason."""

    at: datetime | None
    exited_at: datetime | None
    exit_reason: str | None


async def insert_fill(
    connection: Connection, order_id: OrderId, position_id: PositionId, fill: Fill, worth: FeeWorth
) -> bool:
    """Insert the fill; return False if it was there already."""
    row_id = await connection.fetchval(
        INSERT_FILL,
        order_id,
        position_id,
        fill.venue,
        fill.symbol,
        fill.trade_id,
        fill.side,
        fill.quantity,
        fill.price,
        fill.fee,
        fill.fee_asset,
        fill.executed_at,
        fill.venue_order_id,
        worth.rate,
        None if worth.rate is None else fill.fee * worth.rate,
        worth.elsewhere,
    )
    return row_id is not None


async def select_latest(
    connection: Connection, position_id: PositionId, horizon: datetime
) -> Latest:
    """Return the latest by execution time, not by report; None for none until *horizon*."""
    row = await connection.fetchrow(SELECT_LATEST, position_id, horizon)
    return Latest(row["at"], row["exited_at"], row["exit_reason"])


async def select_fill(
    connection: Connection, venue: VenueName, symbol: str, trade_id: TradeId
) -> Fill | None:
    """Return the fill as the venue reported it, including what exceeded the position."""
    parts = [from_row(row) for row in await connection.fetch(SELECT_FILL, venue, symbol, trade_id)]
    if len(parts) < 2:
        return parts[0] if parts else None
    applied, excess = parts
    return replace(
        applied, quantity=applied.quantity + excess.quantity, fee=applied.fee + excess.fee
    )


def from_row(row: Any) -> Fill:
    """Build the fill from a row with the columns of SELECT_FILL."""
    name, number = row["client_order_id"], row["venue_order_id"]
    return Fill(
        venue=VenueName(row["venue"]),
        symbol=row["symbol"],
        trade_id=TradeId(row["trade_id"]),
        client_order_id=None if name is None else ClientOrderId(name),
        side=Side(row["side"]),
        quantity=row["quantity"],
        price=row["price"],
        fee=row["fee"],
        fee_asset=row["fee_asset"],
        executed_at=row["executed_at"],
        venue_order_id=None if number is None else VenueOrderId(number),
    )
