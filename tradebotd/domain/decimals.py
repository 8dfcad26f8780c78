"""Decimal helpers. Rounding always names its direction."""

import decimal
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
BASIS_POINT: Final = Decimal("0.0001")

_DEFAULT_TRAPS: Final = (decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow)
# Sums and products of money keep every digit; for `decimal.localcontext`. Quotients are rounded.
EXACT: Final = decimal.Context(
    prec=100, rounding=ROUND_HALF_EVEN, traps=[*_DEFAULT_TRAPS, decimal.FloatOperation]
)


def forbid_floats() -> None:
    """Make ``Decimal(0.1)`` and ``Decimal < float`` raise instead of passing silently.

    Must be called first in the program: each task copies the context when it is created.
    """
    decimal.DefaultContext.traps[decimal.FloatOperation] = True
    decimal.setcontext(decimal.Context(traps=[*_DEFAULT_TRAPS, decimal.FloatOperation]))


def from_float(value: float) -> Decimal:
    """Return the shortest decimal that reads back as *value*: the digits of the candle's source."""
    return Decimal(repr(value))


def floor_to_step(value: Decimal, step: Decimal) -> Decimal:
    """Round *value* toward zero to a whole number of *step* (tick size or lot size)."""
    return _to_step(value, step, ROUND_DOWN)


def round_up_to_tick(price: Decimal, tick_size: Decimal) -> Decimal:
    """Return the lowest multiple of *tick_size* that is not below *price*."""
    return _to_step(price, tick_size, ROUND_CEILING)


def round_down_to_tick(price: Decimal, tick_size: Decimal) -> Decimal:
    """Return the highest multiple of *tick_size* that is not above *price*."""
    return _to_step(price, tick_size, ROUND_FLOOR)


def plain(value: Decimal) -> str:
    """Format *value* without exponent and trailing zeros, as every interface shows it."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        raise ValueError(f"step must be positive, was {step}")
    return (value / step).to_integral_value(rounding=rounding) * step
