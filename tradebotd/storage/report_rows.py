"""Rows of a report with fills: what they meet is read in one statement, and all is written in one.

Each row is changed once: of two changes to a row in one statement the second would be lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from tradebotd.domain.errors import OpenedMeanwhileError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, OrderId, PositionId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.position import CloseReason, Position, PositionTotals
from tradebotd.storage import bots, fills, positions
from tradebotd.storage.fills import Latest
from tradebotd.storage.positions import LockedPosition
from tradebotd.storage.postgres.database import Connection

_IS_KNOWN: Final = """
    EXISTS (SELECT 1 FROM fills WHERE venue = $1 AND symbol = $2 AND trade_id = ANY ($3::text[]))
    OR EXISTS (SELECT 1 FROM external_fills WHERE venue = $1 AND symbol = $2 AND trade_id = ANY ($3::text[])) AS is_known
"""
# One that is closed while this waits for it is none any more.
_OPEN: Final = """
      FROM positions WHERE bot = $4 AND symbol = $2 AND closed_at IS NULL FOR UPDATE
    ) SELECT h.*,
"""
_OF_OPEN: Final = " FROM (VALUES (1)) AS one LEFT JOIN held AS h ON true"
SELECT_FOR_ENTRY: Final[LiteralString] = (
    "WITH held AS MATERIALIZED (" + positions.COLUMNS_FOR_UPDATE + _OPEN + _IS_KNOWN + _OF_OPEN
)
_LATEST: Final = ", latest.* FROM ("
_AS_LATEST: Final = ") AS latest"
SELECT_FOR_EXIT: Final[LiteralString] = (
    "SELECT" + _IS_KNOWN + _LATEST + fills.LATEST_OF_FOUR + _AS_LATEST
)
# $1 to $7: those of COUNT_DAY. $8 to $15: the order. $16 to $19: the fills. $20 to $22: alerts and events. The position
# follows. Fills and events are JSON, with amounts as text: for an array of numeric asyncpg would first ask the server what
# that is, once a connection, by a statement that takes longer than this one. The day comes first, since everything else
# depends on its row (the position) or on the position: "Order of locks" in architecture.md.
_DAY: Final = "WITH day AS (" + bots.COUNT_DAY + " RETURNING bot), position AS ("
_BEHIND_DAY: Final = " FROM (VALUES (1)) AS one LEFT JOIN day ON true"
_REST: Final = """
    ), booked AS (
        INSERT INTO fills (order_id, position_id, venue, symbol, trade_id, side, quantity, price, fee, fee_asset, executed_at,
                           venue_order_id, fee_rate, fee_value, fee_elsewhere)
        SELECT $8, position.id, $18, $19, f.trade_id, $17, f.quantity, f.price, f.fee, f.fee_asset, f.executed_at,
               f.venue_order_id, f.rate, f.fee_value, f.elsewhere
          FROM position,
               ROWS FROM (jsonb_to_recordset($16) AS (trade_id text, quantity numeric, price numeric, fee numeric,
                                                      fee_asset text, executed_at timestamptz, venue_order_id text,
                                                      rate numeric, fee_value numeric, elsewhere numeric))
               WITH ORDINALITY AS f (trade_id, quantity, price, fee, fee_asset, executed_at, venue_order_id, rate,
                                     fee_value, elsewhere, number)
         ORDER BY f.number
        ON CONFLICT ON CONSTRAINT fill_once DO NOTHING
        RETURNING id
    ), moved AS (
        UPDATE orders AS o
           SET filled_quantity = $9, average_price = $10, position_id = position.id, status = $11, updated_at = $12,
               venue_order_id = coalesce($13, o.venue_order_id),
               venue_filled_quantity = greatest(coalesce(o.venue_filled_quantity, 0), $9::numeric + o.excess_quantity,
                                                $14::numeric),
               reason = coalesce($15, o.reason), revived = o.revived OR o.status = 'rejected'
          FROM position WHERE o.id = $8
        RETURNING o.settled
    ), overcome AS (
        UPDATE alerts SET cleared_at = $12
         WHERE code = ANY ($20::text[]) AND subject = ANY ($21::text[]) AND cleared_at IS NULL
    ), told AS (
        INSERT INTO order_events (order_id, at, status, detail)
        SELECT $8, $12, e.status, e.detail
          FROM ROWS FROM (jsonb_to_recordset($22) AS (status text, detail jsonb))
               WITH ORDINALITY AS e (status, detail, number)
         ORDER BY e.number
    )
    SELECT position.id, (SELECT count(*) FROM booked) AS booked, (SELECT settled FROM moved) AS settled FROM position
"""
_NEW_POSITION: Final = """
        INSERT INTO positions (bot, venue, symbol, side, position_type, leverage, quantity, entry_quantity,
                               entry_price, fees, realized_pnl, stop_loss, take_profit, trailing_stop, best_price,
                               exits, opened_at, liquidation_price, entry_cost, cost, version)
        SELECT $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43
"""
_IF_NONE_IS_OPEN: Final = """
        ON CONFLICT (bot, symbol) WHERE closed_at IS NULL DO NOTHING
        RETURNING id
"""
_CHANGED_POSITION: Final = """
        UPDATE positions
           SET quantity = $24, entry_quantity = $25, entry_price = $26, exit_quantity = $27, exit_price = $28, fees = $29,
               realized_pnl = $30, dust = $31, closed_at = coalesce($32, closed_at),
               close_reason = coalesce($33, close_reason), entry_cost = $34, exit_proceeds = $35, cost = $36, swept = $37,
               swept_income = $38, stop_loss = $39, take_profit = $40, trailing_stop = $41, best_price = $42,
               ladder_done = $43, liquidation_price = $44, step_sold = $45, version = version + $46
"""
_OF_ID: Final = """
         WHERE id = $23
        RETURNING id
"""
OPEN: Final[LiteralString] = _DAY + _NEW_POSITION + _BEHIND_DAY + _IF_NONE_IS_OPEN + _REST
CHANGE: Final[LiteralString] = _DAY + _CHANGED_POSITION + _BEHIND_DAY + _OF_ID + _REST


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedFill:
    """A fill to book. `rate`: quote asset per unit of its fee's asset; `elsewhere`: see FeeWorth."""

    fill: Fill
    rate: Decimal
    elsewhere: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """The order as it is behind its fills."""

    id: OrderId
    filled_quantity: Decimal
    average_price: Decimal
    status: OrderStatus
    venue_order_id: VenueOrderId | None
    venue_filled_quantity: Decimal | None
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """The position behind the fills. `is_new`: it is inserted, and its id ignored."""

    position: Position
    books: PositionTotals
    is_new: bool
    leverage: int
    closed: tuple[datetime, CloseReason] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """What the fills add to the counters of the bot's `day`, in the account's currency."""

    bot: BotName
    day: date
    pnl: Decimal
    trades: int
    in_position: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRows:
    """All that one report changes. `overcome`: alerts that end, their codes and subjects."""

    order: OrderRow
    position: PositionRow
    day: DayRow
    fills: Sequence[BookedFill]
    events: Sequence[tuple[OrderStatus, Mapping[str, Any]]]
    overcome: tuple[Sequence[str], Sequence[str]]


async def meet_entry(
    connection: Connection,
    bot: BotName,
    venue: VenueName,
    symbol: str,
    trade_ids: Sequence[TradeId],
) -> tuple[bool, LockedPosition | None]:
    """Return whether one of the trades is known, and the bot's open position, locked FOR UPDATE."""
    row = await connection.fetchrow(SELECT_FOR_ENTRY, venue, symbol, list(trade_ids), bot)
    return row["is_known"], None if row["id"] is None else positions.locked_of(row)


async def meet_exit(
    connection: Connection,
    position_id: PositionId,
    venue: VenueName,
    symbol: str,
    trade_ids: Sequence[TradeId],
    *,
    horizon: datetime,
) -> tuple[bool, Latest]:
    """Return whether one of the trades is known, and the position's latest fills until *horizon*.

    The caller has locked the position.
    """
    row = await connection.fetchrow(
        SELECT_FOR_EXIT, venue, symbol, list(trade_ids), position_id, horizon
    )
    return row["is_known"], Latest(row["at"], row["exited_at"], row["exit_reason"])


async def write(connection: Connection, rows: ReportRows) -> tuple[PositionId, bool]:
    """Write all of it; return the position and whether the order is settled.

    Raises OpenedMeanwhileError: another order of the bot has opened a position at the same time.
    """
    position, day = rows.position, rows.day
    counted = (day.bot, day.day, day.pnl, day.trades, day.in_position, None, None)
    rest = (*counted, *_of_order(rows.order), *_of_fills(rows), *_of_told(rows))
    if position.is_new:
        values = positions.values_of_new(position.position, position.books, position.leverage)
        row = await connection.fetchrow(OPEN, *rest, *values, len(rows.fills))
    else:
        values = (
            position.position.id,
            *positions.values_of_books(position.books, position.closed),
            *positions.values_of_levels(position.position),
        )
        row = await connection.fetchrow(CHANGE, *rest, *values, len(rows.fills))
    if row is None:
        held = position.position
        raise OpenedMeanwhileError(f"{held.bot} holds {held.symbol} already")
    if row["booked"] != len(rows.fills):
        raise AssertionError(f"a fill of order {rows.order.id} came in behind its lock")
    return PositionId(row["id"]), row["settled"]


def _of_order(order: OrderRow) -> tuple[Any, ...]:
    return (
        order.id,
        order.filled_quantity,
        order.average_price,
        order.status,
        order.at,
        order.venue_order_id,
        order.venue_filled_quantity,
        order.reason,
    )


def _of_fills(rows: ReportRows) -> tuple[Any, ...]:
    first = rows.fills[0].fill
    return [_fill(each) for each in rows.fills], first.side, first.venue, first.symbol


def _fill(booked: BookedFill) -> dict[str, str | None]:
    fill = booked.fill
    return {
        "trade_id": fill.trade_id,
        "quantity": str(fill.quantity),
        "price": str(fill.price),
        "fee": str(fill.fee),
        "fee_asset": fill.fee_asset,
        "executed_at": fill.executed_at.isoformat(),
        "venue_order_id": fill.venue_order_id,
        "rate": str(booked.rate),
        "fee_value": str(fill.fee * booked.rate),
        "elsewhere": str(booked.elsewhere),
    }


def _of_told(rows: ReportRows) -> tuple[Any, ...]:
    codes, subjects = rows.overcome
    events = [{"status": status, "detail": dict(detail)} for status, detail in rows.events]
    return list(codes), list(subjects), events
