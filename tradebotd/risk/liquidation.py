"""Where a venue would close an isolated futures position by force. Pure."""

from decimal import Decimal, localcontext

from tradebotd.domain.decimals import EXACT, ONE
from tradebotd.domain.instrument import Instrument, MarginBracket
from tradebotd.domain.side import PositionSide


def liquidation_price(
    side: PositionSide,
    entry_price: Decimal,
    leverage: int,
    instrument: Instrument,
    quantity: Decimal,
) -> Decimal | None:
    """Isolated margin, one-way mode, without fees and funding; rounded toward the entry.

    There the margin and what was gained are no more than the maintenance margin that the notional
    asks for (Binance's formula for one isolated position, with `cum`). That margin is the highest
    of the brackets' lines, so the nearest of their prices is met first. None where nothing can
    liquidate it: a long that is paid in full.
    """
    with localcontext(EXACT):
        prices = [
            _price_in(bracket, side, entry_price, leverage, quantity)
            for bracket in instrument.brackets
        ]
        if side is PositionSide.SHORT:
            return instrument.price_down(min(prices))
        nearest = max(prices)
        return instrument.price_up(nearest) if nearest > 0 else None


def _price_in(
    bracket: MarginBracket,
    side: PositionSide,
    entry_price: Decimal,
    leverage: int,
    quantity: Decimal,
) -> Decimal:
    """`(entry * (1 - sign / leverage) - sign * amount / quantity) / (1 - sign * rate)`.

    Divided once, at the end: 1 + 1/9 has no end, and a price on the tick would fall beside it.
    """
    sign = side.sign
    left = quantity * entry_price * (leverage - sign) - sign * bracket.amount * leverage
    return left / (leverage * quantity * (ONE - sign * bracket.rate))


def liquidation_distance(side: PositionSide, leverage: int, rate: Decimal) -> Decimal:
    """How far the price may go against it, as a fraction of the entry price, in one bracket."""
    return (ONE / leverage - rate) / (ONE - side.sign * rate)


def stop_is_beyond(side: PositionSide, stop: Decimal | None, liquidation: Decimal | None) -> bool:
    """A stop at the liquidation price or behind it would never be reached."""
    if stop is None or liquidation is None:
        return False
    return stop <= liquidation if side is PositionSide.LONG else stop >= liquidation


def is_liquidated_at(side: PositionSide, price: Decimal, liquidation: Decimal | None) -> bool:
    """Whether a position is lost at *price* already: its margin is less than what is asked for."""
    return stop_is_beyond(side, price, liquidation)
