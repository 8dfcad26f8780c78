"""Rules of a fill: what fits its order, what it makes of it, and when and why it closes. Pure."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import Order, OrderStatus, moved
from tradebotd.domain.position import CloseReason, Position, PositionTotals
from tradebotd.domain.side import PositionSide, Side
from tradebotd.storage.fills import Latest
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.positions import LockedPosition
from tradebotd.trading.contradictions import fill_contradiction
from tradebotd.trading.execution.committed_changes import Gap


def counted(stored: StoredOrder, fill: Fill) -> StoredOrder:
    """Return the order behind one more fill."""
    order = stored.order
    filled = order.filled_quantity + fill.quantity
    paid = (stored.average_price or ZERO) * order.filled_quantity + fill.price * fill.quantity
    wanted = OrderStatus.FILLED if filled >= order.quantity else OrderStatus.PARTIALLY_FILLED
    # A fill is a fact: it is applied to a final order, too, whose status then stays.
    after = replace(order, filled_quantity=filled, status=moved(order.status, wanted))
    return replace(stored, order=after, average_price=paid / filled)


def before_entry(
    stored: StoredOrder, locked: LockedPosition | None
) -> tuple[PositionSide, PositionTotals]:
    """Return the side that a fill of an entry enters, and the totals before it."""
    side = PositionSide.LONG if stored.order.side is Side.BUY else PositionSide.SHORT
    if locked is not None:
        return side, locked.books
    return side, PositionTotals(side=side, position_type=stored.position_type)


def counted_detail(
    fill: Fill, pnl: Decimal, asset: str, currency: str, rate: Decimal | None
) -> dict[str, Any]:
    """Return the detail of the event that says by which rate *pnl* counts in the bot's day."""
    said = {"pnl": f"{pnl:f}", "asset": asset, "currency": currency, "trade_id": fill.trade_id}
    return {"counted": {**said, "rate": None if rate is None else f"{rate:f}"}}


def closed_at_and_why(
    latest: Latest, reason: str | None, fill: Fill
) -> tuple[datetime, CloseReason]:
    """Return when and why *fill* closed it; one reported earlier may be the later execution."""
    at = fill.executed_at
    if latest.exited_at is not None and latest.exited_at > at:
        reason = latest.exit_reason
    return (at if latest.at is None else max(latest.at, at)), close_reason(reason)


def gap_through(stored: StoredOrder, position: Position, fill: Fill) -> Gap | None:
    """Return the gap where the market has gone through the level that a stop names."""
    level = stored.level
    if level is None or (fill.price - level) * position.side.sign >= 0:
        return None
    return Gap(level=level, price=fill.price)


def misfit(stored: StoredOrder, fill: Fill) -> str | None:
    """Return why it is not a fill of this order, or None."""
    order = stored.order
    if (fill.venue, fill.symbol) != (order.venue, order.symbol):
        return f"its order is of {order.symbol} at {order.venue}"
    if fill.side is not order.side:
        return f"its order is to {order.side}"
    return fill_contradiction(fill)


def exited(
    books: PositionTotals,
    order: Order,
    fill: Fill,
    instrument: Instrument,
    rate: Decimal,
    *,
    part: Fill | None = None,
) -> PositionTotals:
    """Return the totals behind *fill* of an exit; *rate*: quote asset per unit of its fee's asset.

    *part*: as much of it as the position holds; None: all of it.
    """
    kept = _least_kept(instrument, order, fill)
    return books.exited(part or fill, instrument.base_asset, kept, rate)


def _least_kept(instrument: Instrument, order: Order, fill: Fill) -> Decimal:
    """Return the least of a position that is no dust.

    What its order may still sell is none, however large the lot has become since it was placed;
    nor is as much as the order sold, which was whole lots of the filters that it was made by.
    """
    coming = order.quantity - order.filled_quantity - fill.quantity
    return min(instrument.lot_size, coming if coming > 0 else order.quantity)


def without_excess(fill: Fill, excess: Fill | None) -> Fill:
    """Return the part that is booked here: the position's and old dust."""
    if excess is None:
        return fill
    return replace(fill, quantity=fill.quantity - excess.quantity, fee=fill.fee - excess.fee)


def close_reason(reason: str | None) -> CloseReason:
    """Return the exit order's reason, or its last word: one inferred absent may come after all."""
    word = (reason or "").rpartition(" ")[2]
    return CloseReason(word) if word in set(CloseReason) else CloseReason.EXTERNAL
