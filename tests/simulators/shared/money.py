"""Decimals of the simulators' ledgers: text without exponents, steps, rounding with a direction."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal


def text(value: Decimal, places: int | None = None) -> str:
    """*value* in plain notation; with exactly *places* decimals, where that is given (cut, not rounded)."""
    if places is not None:
        value = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_FLOOR)
        return f"{value:f}"
    shown = f"{value:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def down(value: Decimal, step: Decimal) -> Decimal:
    """The greatest multiple of *step* that is not above *value*."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def up(value: Decimal, step: Decimal) -> Decimal:
    """The least multiple of *step* that is not below *value*."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether *value* lies on the grid of *step*; a step of 0 has no grid and takes all."""
    return step == 0 or value % step == 0
