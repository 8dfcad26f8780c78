"""Liquidation price of an isolated futures position. Pure."""

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
    """Return the liquidation price, rounded toward the entry; None if nothing can liquidate it.

    Isolated margin, one-way mode, without fees and funding. At that price the margin and the gain
    are no more than the maintenance margin of the notional (Binance's formula for one isolated
    position, with `cum`). The maintenance margin is the highest of the brackets' lines, so the
    nearest of their prices is met first. A long that is paid in full cannot be liquidated.
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
    """Return `(entry * (1 - sign / leverage) - sign * amount / quantity) / (1 - sign * rate)`.

    Divided once, at the end: 1 + 1/9 has no finite form, and a price on the tick would be missed.
    """
    sign = side.sign
    numerator = quantity * entry_price * (leverage - sign) - sign * bracket.amount * leverage
    return numerator / (leverage * quantity * (ONE - sign * bracket.rate))


def liquidation_distance(side: PositionSide, leverage: int, rate: Decimal) -> Decimal:
    """Return the adverse move to liquidation, as a fraction of the entry price, in one bracket."""
    return (ONE / leverage - rate) / (ONE - side.sign * rate)


def stop_is_beyond(side: PositionSide, stop: Decimal | None, liquidation: Decimal | None) -> bool:
    """Return whether the stop is never reached: it lies at or beyond the liquidation price."""
    if stop is None or liquidation is None:
        return False
    return stop <= liquidation if side is PositionSide.LONG else stop >= liquidation


def is_liquidated_at(side: PositionSide, price: Decimal, liquidation: Decimal | None) -> bool:
    """Return whether a position is lost at *price* already: its margin is below the requirement."""
    return stop_is_beyond(side, price, liquidation)
