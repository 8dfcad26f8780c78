"""A stock that was split overnight: how it looks, and what it does to a position. Pure."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from tradebotd.domain.position import Position

USUAL: Final = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, Fraction(3, 2), Fraction(5, 4))
# New shares for one old one; a reverse split is the inverse of one of them.
RATIOS: Final = tuple(
    sorted({ratio for usual in USUAL for ratio in (Fraction(usual), 1 / Fraction(usual))})
)
TOLERANCE: Final = Fraction(3, 100)


def suspected_split(previous_close: Decimal, first_price: Decimal) -> Fraction | None:
    """New shares for one old one, if the price between two sessions jumped by a usual ratio.

    Within 3 %: a market moves over night, too. Raises ValueError on prices that are not positive.
    """
    if previous_close <= 0 or first_price <= 0:
        raise ValueError(f"prices are positive, were {previous_close} and {first_price}")
    jump = Fraction(previous_close) / Fraction(first_price)
    nearest = min(RATIOS, key=lambda ratio: abs(jump / ratio - 1))
    return nearest if abs(jump / nearest - 1) <= TOLERANCE else None


def adapted(position: Position, ratio: Fraction, tick_size: Decimal) -> Position:
    """*position* after a split: as much worth as before, its levels where they were."""

    def price(value: Decimal | None) -> Decimal | None:
        if value is None:
            return None
        exact = value * ratio.denominator / ratio.numerator
        return (exact / tick_size).to_integral_value() * tick_size

    plan = position.exits
    return replace(
        position,
        quantity=position.quantity * ratio.numerator / ratio.denominator,
        entry_quantity=position.entry_quantity * ratio.numerator / ratio.denominator,
        entry_price=position.entry_price * ratio.denominator / ratio.numerator,
        best_price=position.best_price * ratio.denominator / ratio.numerator,
        stop_loss=price(position.stop_loss),
        take_profit=price(position.take_profit),
        trailing_stop=price(position.trailing_stop),
        liquidation_price=price(position.liquidation_price),
        exits=replace(
            plan,
            stop_loss_price=price(plan.stop_loss_price),
            take_profit_price=price(plan.take_profit_price),
            atr=None if plan.atr is None else plan.atr * ratio.denominator / ratio.numerator,
        ),
    )
