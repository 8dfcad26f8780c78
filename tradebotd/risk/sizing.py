"""How much to enter with. In Decimal, through the venue's filters, and never clamped silently."""

from decimal import ROUND_CEILING, Decimal
from typing import Final

from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.decimals import ONE, ZERO, floor_to_step
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import Instrument, PositionType

INSUFFICIENT_BALANCE: Final = "insufficient balance"
BELOW_FILTERS: Final = "quantity below filters"
ABOVE_FILTERS: Final = "quantity above filters"

# Taker fee, half a spread and slippage of a common venue: a market order costs more than its price.
DEFAULT_COST_BUFFER: Final = Decimal("0.002")

_PERCENT: Final = Decimal("0.01")


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
) -> Decimal:
    """The quantity (base asset, whole lots) that *rule* and the filters allow at *price*.

    `percent_equity` is a share of the bot's *equity* as notional: it is reduced to what *free_cash*
    pays for, and raised once to the minimum notional if it can be paid. The fixed rules are a
    wish for exactly that much: they are denied instead. Raises OrderDeniedError.
    """
    affordable = _affordable(price, free_cash, instrument, leverage, position_type, cost_buffer)
    quantity = floor_to_step(_wanted(rule, price, equity), instrument.lot_size)
    if rule.kind is SizingKind.PERCENT_EQUITY:
        if quantity * price < instrument.min_notional:
            quantity = _least(price, instrument)
            if quantity > affordable:
                raise OrderDeniedError(
                    BELOW_FILTERS,
                    f"the minimum notional {instrument.min_notional} is more than cash pays for",
                )
        quantity = min(quantity, affordable)
    _check_filters(quantity, price, instrument)
    if quantity > affordable:
        raise OrderDeniedError(
            INSUFFICIENT_BALANCE,
            f"{quantity} {instrument.symbol} at {price} needs more than {free_cash} free",
        )
    return quantity


def _wanted(rule: SizingRule, price: Decimal, equity: Decimal) -> Decimal:
    match rule.kind:
        case SizingKind.FIXED_QUANTITY:
            return rule.value
        case SizingKind.FIXED_NOTIONAL:
            return rule.value / price
        case SizingKind.PERCENT_EQUITY:
            return max(equity, ZERO) * rule.value * _PERCENT / price
        case SizingKind.RISK_PERCENT | SizingKind.ATR:
            raise OrderDeniedError("sizing", f"{rule.kind} is not available")


def _affordable(
    price: Decimal,
    free_cash: Decimal,
    instrument: Instrument,
    leverage: int,
    position_type: PositionType,
    cost_buffer: Decimal,
) -> Decimal:
    """Whole lots whose margin and costs *free_cash* covers; spot is paid in full."""
    margin = ONE / (leverage if position_type is PositionType.FUTURES else 1)
    notional = max(free_cash, ZERO) / (margin + cost_buffer)
    return floor_to_step(notional / price, instrument.lot_size)


def _least(price: Decimal, instrument: Instrument) -> Decimal:
    """The fewest lots that reach the minimum notional."""
    lots = (instrument.min_notional / price / instrument.lot_size).to_integral_value(ROUND_CEILING)
    return lots * instrument.lot_size


def _check_filters(quantity: Decimal, price: Decimal, instrument: Instrument) -> None:
    if quantity <= 0 or quantity < instrument.min_quantity:
        least = max(instrument.min_quantity, instrument.lot_size)
        raise OrderDeniedError(BELOW_FILTERS, f"{quantity} is less than the minimum {least}")
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        raise OrderDeniedError(
            ABOVE_FILTERS, f"{quantity} is more than the maximum {instrument.max_quantity}"
        )
    if quantity * price < instrument.min_notional:
        raise OrderDeniedError(
            BELOW_FILTERS,
            f"notional {quantity * price} is less than the minimum {instrument.min_notional}",
        )
