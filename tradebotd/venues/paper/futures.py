"""What holding a futures position costs at the paper venue: funding, and liquidation. Pure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.instrument import Instrument
from tradebotd.domain.side import PositionSide
from tradebotd.risk.liquidation import liquidation_price
from tradebotd.storage.paper_books import PaperPosition

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def funding_instant(at: datetime, every: timedelta) -> datetime:
    """The latest instant of the grid that is not after *at*."""
    return EPOCH + (at - EPOCH) // every * every


def funding_instants(after: datetime, until: datetime, every: timedelta) -> list[datetime]:
    """Those of the grid after *after*, an instant of it, and not after *until*."""
    return [after + number * every for number in range(1, (until - after) // every + 1)]


def funding_amount(position: PaperPosition, price: Decimal, rate: Decimal) -> Decimal:
    """Received, quote asset: at a positive rate longs pay shorts."""
    return -position.quantity * price * rate


def liquidated_at(
    position: PaperPosition, previous: Decimal, current: Decimal, instrument: Instrument
) -> Decimal | None:
    """The price at which the venue closes it by force; None while it is safe.

    The liquidation price where the path went through it, this point's where it jumped over, and
    never worse than what the position's own margin pays for.
    """
    side = PositionSide.LONG if position.quantity > 0 else PositionSide.SHORT
    level = liquidation_price(
        side, position.entry_price, position.leverage, instrument, abs(position.quantity)
    )
    if level is None or (current > level if side is PositionSide.LONG else current < level):
        return None
    low, high = sorted((previous, current))
    if low <= level <= high:
        return level
    # Isolated: what is lost beyond the margin is the venue's.
    bankrupt = position.entry_price * (1 - Decimal(side.sign) / position.leverage)
    return max(current, bankrupt) if side is PositionSide.LONG else min(current, bankrupt)
