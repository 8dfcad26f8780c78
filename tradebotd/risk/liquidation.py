"""Where a venue would close an isolated futures position by force. Pure."""

from decimal import Decimal

from tradebotd.domain.decimals import ONE
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.side import PositionSide


def liquidation_price(
    side: PositionSide, entry_price: Decimal, leverage: int, instrument: Instrument
) -> Decimal | None:
    """Isolated margin, one-way mode, without fees and funding; rounded toward the entry.

    The margin of 1 / *leverage* less the maintenance margin is what may be lost:
    long `entry * (1 - 1/leverage + maintenance)`, short mirrored. None where nothing can
    liquidate it (a long of leverage 1 without a maintenance margin).
    """
    # Multiplied before it is divided: 1 + 1/9 has no end, and a price on the tick fell below it.
    at_stake = ONE - leverage * instrument.maintenance_margin
    exact = entry_price * (leverage - side.sign * at_stake) / leverage
    if side is PositionSide.SHORT:
        return instrument.price_down(exact)
    return instrument.price_up(exact) if exact > 0 else None


def liquidation_distance(leverage: int, maintenance_margin: Decimal) -> Decimal:
    """How far the price may go against the position, as a fraction of the entry price."""
    return ONE / leverage - maintenance_margin


def stop_is_beyond(
    side: PositionSide, stop_loss: Decimal | None, liquidation: Decimal | None
) -> bool:
    """A stop at the liquidation price or behind it would never be reached."""
    if stop_loss is None or liquidation is None:
        return False
    return stop_loss <= liquidation if side is PositionSide.LONG else stop_loss >= liquidation
