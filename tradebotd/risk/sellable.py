"""Sellable part of a holding: the one rule of entries, ladders, stops and exits. Pure.

Nothing is bought that could not be sold at its own stop, and what cannot be sold is dust.
"""

from decimal import ROUND_CEILING, Decimal

from tradebotd.domain.decimals import ONE, ZERO, floor_to_step
from tradebotd.domain.instrument import Instrument, PositionType


def sellable(
    quantity: Decimal,
    price: Decimal | None,
    instrument: Instrument,
    base_fee: Decimal = ZERO,
    position_type: PositionType = PositionType.SPOT,
) -> Decimal:
    """Return how much of *quantity* (base asset) one exit at *price* can sell: whole lots, or zero.

    *base_fee*: the fraction of a spot buy that the venue keeps as its fee; zero for what is held,
    which is net of it. *price* None: no price is known, so the notional is not checked. Exits of
    futures are reduce-only, and venues exempt those from `min_notional` (Binance -4164: "unless you
    choose reduce only"). Above `max_quantity` or `max_notional` an exit sells that much, and the
    next one the rest. *instrument*: as the exit's order type meets it (`Instrument.order`).
    """
    is_spot = position_type is PositionType.SPOT
    held = quantity * (ONE - base_fee) if is_spot else quantity
    lots = floor_to_step(held, instrument.lot_size)
    if instrument.max_quantity is not None:
        lots = min(lots, floor_to_step(instrument.max_quantity, instrument.lot_size))
    if lots <= 0 or lots < instrument.min_quantity:
        return ZERO
    if not is_spot or price is None:
        return lots
    if lots * price < instrument.min_notional:
        return ZERO
    return min(lots, _most_worth(price, instrument))


def least_entry(
    price: Decimal,
    exit_price: Decimal,
    instrument: Instrument,
    base_fee: Decimal = ZERO,
    position_type: PositionType = PositionType.SPOT,
) -> Decimal:
    """Return the fewest lots that can be bought at *price* and sold again at *exit_price*.

    `max_quantity` and `max_notional` are not checked: they may be less.
    """
    is_spot = position_type is PositionType.SPOT
    bought = _lots(instrument.min_notional / price, instrument)
    sold = _lots(instrument.min_notional / exit_price, instrument) if is_spot else ZERO
    least = _lots(max(instrument.min_quantity, instrument.lot_size), instrument)
    quantity = max(bought, sold, least)
    if not is_spot or not base_fee:
        return quantity
    kept = ONE - base_fee
    quantity = max(quantity, _lots(max(sold, least) / kept, instrument))
    if floor_to_step(quantity * kept, instrument.lot_size) < max(sold, least):
        quantity += instrument.lot_size  # the quotient was rounded down in its last digit
    return quantity


def _most_worth(price: Decimal, instrument: Instrument) -> Decimal:
    """Return whole lots within `max_notional`; one at least: what is worth too much is no dust."""
    if instrument.max_notional is None:
        return Decimal("Infinity")
    within = floor_to_step(instrument.max_notional / price, instrument.lot_size)
    return max(within, _lots(max(instrument.min_quantity, instrument.lot_size), instrument))


def _lots(quantity: Decimal, instrument: Instrument) -> Decimal:
    """Round up to whole lots."""
    lots = (quantity / instrument.lot_size).to_integral_value(ROUND_CEILING)
    return lots * instrument.lot_size
