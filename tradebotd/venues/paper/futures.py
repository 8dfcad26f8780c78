"""Cost of holding a futures position at the paper venue: funding, and liquidation. Pure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest, OrderType, TimeInForce
from tradebotd.domain.side import PositionSide, Side
from tradebotd.ports.prices import LastPrices
from tradebotd.risk.liquidation import liquidation_price
from tradebotd.storage.paper_books import PaperPosition

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def funding_instant(at: datetime, every: timedelta) -> datetime:
    """Return the latest instant of the grid that is not after *at*."""
    return EPOCH + (at - EPOCH) // every * every


def funding_instants(after: datetime, until: datetime, every: timedelta) -> list[datetime]:
    """Return the instants of the grid after *after*, one of them, and not after *until*."""
    return [after + number * every for number in range(1, (until - after) // every + 1)]


def funding_amount(position: PaperPosition, price: Decimal, rate: Decimal) -> Decimal:
    """Return the funding received, in quote asset: at a positive rate longs pay shorts."""
    return -position.quantity * price * rate


def liquidated_at(
    position: PaperPosition, prices: LastPrices, instrument: Instrument
) -> Decimal | None:
    """Return the price at which the venue closes the position by force; None while it is safe.

    The liquidation price where the path went through it, the current price where it jumped over,
    and never worse than what the position's own margin pays for.
    """
    side = PositionSide.LONG if position.quantity > 0 else PositionSide.SHORT
    level = liquidation_price(
        side, position.entry_price, position.leverage, instrument, abs(position.quantity)
    )
    current = prices.current
    if level is None or (current > level if side is PositionSide.LONG else current < level):
        return None
    if prices.went_through(level):
        return level
    return no_worse_than_its_margin(position, current, instrument)


def no_worse_than_its_margin(
    position: PaperPosition, price: Decimal, instrument: Instrument
) -> Decimal:
    """Return *price*, limited by the isolated margin: the venue bears any further loss."""
    sign = 1 if position.quantity > 0 else -1
    bankrupt = position.entry_price * (position.leverage - sign) / position.leverage
    if position.quantity > 0:
        return max(price, instrument.price_up(bankrupt))
    return min(price, instrument.price_down(bankrupt))


def exit_price(
    request: OrderRequest,
    price: Decimal,
    prices: LastPrices,
    position: PaperPosition | None,
    instrument: Instrument,
) -> Decimal:
    """Return *price*, unless a gap crossed the liquidation of the *position* the order reduces.

    The venue would have closed it by force in the same instant: the order gets what is left of the
    margin at best, and loses no more than the margin.
    """
    if position is None or not prices.after_gap or position.quantity * request.side.sign >= 0:
        return price
    if liquidated_at(position, prices, instrument) is None:
        return price
    return no_worse_than_its_margin(position, price, instrument)


def close_out(position: PaperPosition, venue: VenueName) -> OrderRequest:
    """Return the order with which the venue closes *position* by force."""
    return OrderRequest(
        venue=venue,
        symbol=position.symbol,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=abs(position.quantity),
        position_type=PositionType.FUTURES,
        reduce_only=True,
    )
