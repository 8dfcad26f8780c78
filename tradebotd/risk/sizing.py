"""Sizing of entries: in Decimal, through the venue's filters, and never clamped silently."""

from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.decimals import ONE, ZERO, floor_to_step
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.risk.sellable import least_entry, sellable

# Taker fee, half a spread and slippage of a common venue: a market order costs more than its price.
DEFAULT_COST_BUFFER: Final = Decimal("0.002")

_PERCENT: Final = Decimal("0.01")


class Means(NamedTuple):
    """Funds an entry may draw on, all in the symbol's quote asset.

    `equity`: the bot's. `free_cash`: cash that nothing holds. `exposure_left`: notional left until
    the account's limit; None where it is not checked.
    """

    equity: Decimal
    free_cash: Decimal
    exposure_left: Decimal | None = None


def entry_quantity(
    rule: SizingRule,
    *,
    price: Decimal,
    equity: Decimal,
    free_cash: Decimal,
    instrument: Instrument,
    leverage: int = 1,
    position_type: PositionType = PositionType.SPOT,
    cost_buffer: Decimal = DEFAULT_COST_BUFFER,
    stop_distance: Decimal | None = None,
    exposure_left: Decimal | None = None,
    stop: Decimal | None = None,
    base_fee: Decimal = ZERO,
    judged_at: Decimal | None = None,
) -> Decimal:
    """Return the quantity (base asset, whole lots) that *rule* and the filters allow at *price*.

    *instrument*: with the filters of the entry and its exits together (`risk.round_trip`).
    *judged_at*: the price that the entry's notional is judged by, where that is another one.

    Nothing is bought that could not be sold again at *stop*, the tightest one in force (None: at
    *price*), after the venue has kept *base_fee* (a fraction) of what was bought.

    A share of the bot's *equity* (`percent_equity` as notional, `risk_percent` and `atr` as the
    loss over *stop_distance*, in quote asset per unit) is reduced to what *free_cash* pays for and
    *exposure_left* leaves room for. `percent_equity` is raised once to what reaches the minimum
    notional, if that can be paid; a risk is never raised. The fixed rules ask for exactly that
    much: they are denied instead. Raises OrderDeniedError.
    """
    means = Means(equity=equity, free_cash=free_cash, exposure_left=exposure_left)
    affordable = _affordable(price, means, instrument, leverage, position_type, cost_buffer)
    wanted = _wanted(rule, price, equity, stop_distance)
    quantity = floor_to_step(wanted, instrument.lot_size)
    way_out = price if stop is None else stop
    worth = price if judged_at is None else judged_at
    raisable = rule.kind is SizingKind.PERCENT_EQUITY and wanted > 0  # a share of nothing is none
    if raisable and _lacks_notional(quantity, worth, way_out, instrument, base_fee, position_type):
        quantity = least_entry(worth, way_out, instrument, base_fee, position_type)
        if quantity > affordable:
            raise OrderDeniedError(
                DenialRule.BELOW_FILTERS,
                f"the minimum notional {instrument.min_notional} is more than cash pays for",
            )
    if rule.kind in _SHARES:
        quantity = min(quantity, affordable)
        if instrument.max_quantity is not None:
            quantity = min(quantity, floor_to_step(instrument.max_quantity, instrument.lot_size))
        if instrument.max_notional is not None:
            most = instrument.max_notional / worth
            quantity = min(quantity, floor_to_step(most, instrument.lot_size))
    _check_filters(quantity, worth, instrument)
    _check_way_out(quantity, way_out, instrument, base_fee, position_type)
    if quantity > affordable:
        raise OrderDeniedError(
            DenialRule.INSUFFICIENT_BALANCE,
            f"{quantity} {instrument.symbol} at {price} needs more than {free_cash} free",
        )
    return quantity


# A share of something adapts to its caps; a fixed amount does not.
_SHARES: Final = frozenset({SizingKind.PERCENT_EQUITY, SizingKind.RISK_PERCENT, SizingKind.ATR})


def _wanted(
    rule: SizingRule, price: Decimal, equity: Decimal, stop_distance: Decimal | None
) -> Decimal:
    share = max(equity, ZERO) * rule.value * _PERCENT
    match rule.kind:
        case SizingKind.FIXED_QUANTITY:
            return rule.value
        case SizingKind.FIXED_NOTIONAL:
            return rule.value / price
        case SizingKind.PERCENT_EQUITY:
            return share / price
        case SizingKind.RISK_PERCENT | SizingKind.ATR:
            if stop_distance is None or stop_distance <= 0:
                raise OrderDeniedError(
                    DenialRule.NO_STOP_DISTANCE,
                    f"{rule.kind} needs a distance, has {stop_distance}",
                )
            return share / stop_distance


def _affordable(
    price: Decimal,
    means: Means,
    instrument: Instrument,
    leverage: int,
    position_type: PositionType,
    cost_buffer: Decimal,
) -> Decimal:
    """Return the whole lots whose margin and costs cash covers, within the exposure.

    Spot is paid in full.
    """
    margin = ONE / (leverage if position_type is PositionType.FUTURES else 1)
    notional = max(means.free_cash, ZERO) / (margin + cost_buffer)
    if means.exposure_left is not None:
        notional = min(notional, max(means.exposure_left, ZERO))
    return floor_to_step(notional / price, instrument.lot_size)


def _lacks_notional(
    quantity: Decimal,
    price: Decimal,
    way_out: Decimal,
    instrument: Instrument,
    base_fee: Decimal,
    position_type: PositionType,
) -> bool:
    """Return whether the notional is too small to buy, or to sell again what is left of it."""
    if quantity * price < instrument.min_notional:
        return True
    if position_type is PositionType.FUTURES:
        return False
    held = floor_to_step(quantity * (ONE - base_fee), instrument.lot_size)
    return held * way_out < instrument.min_notional


def _check_filters(quantity: Decimal, price: Decimal, instrument: Instrument) -> None:
    if quantity <= 0 or quantity < instrument.min_quantity:
        least = max(instrument.min_quantity, instrument.lot_size)
        raise OrderDeniedError(
            DenialRule.BELOW_FILTERS, f"{quantity} is less than the minimum {least}"
        )
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        raise OrderDeniedError(
            DenialRule.ABOVE_FILTERS,
            f"{quantity} is more than the maximum {instrument.max_quantity}",
        )
    if quantity * price < instrument.min_notional:
        raise OrderDeniedError(
            DenialRule.BELOW_FILTERS,
            f"notional {quantity * price} is less than the minimum {instrument.min_notional}",
        )
    if instrument.max_notional is not None and quantity * price > instrument.max_notional:
        raise OrderDeniedError(
            DenialRule.ABOVE_FILTERS,
            f"notional {quantity * price} is more than the maximum {instrument.max_notional}",
        )


def _check_way_out(
    quantity: Decimal,
    way_out: Decimal,
    instrument: Instrument,
    base_fee: Decimal,
    position_type: PositionType,
) -> None:
    if not sellable(quantity, way_out, instrument, base_fee, position_type):
        raise OrderDeniedError(
            DenialRule.BELOW_FILTERS,
            f"of {quantity} {instrument.symbol} nothing could be sold again at {way_out:f}: the"
            f" minimum notional is {instrument.min_notional}, and {base_fee:%} is kept as a fee",
        )
