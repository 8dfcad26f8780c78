"""Detection of a stock split overnight, by its price ratio. Pure."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

# Not 5/4: an overnight fall of a fifth is more often a market move than a split.
USUAL: Final = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, Fraction(3, 2))
# New shares for one old one; a reverse split is the inverse of one of them.
RATIOS: Final = tuple(
    sorted({ratio for usual in USUAL for ratio in (Fraction(usual), 1 / Fraction(usual))})
)
TOLERANCE: Final = Fraction(3, 100)


def suspected_split(previous_close: Decimal, first_price: Decimal) -> Fraction | None:
    """Return new shares for one old one, if the price between two sessions jumped by a usual ratio.

    Within 3 %, since a market also moves overnight; otherwise returns None. Raises ValueError on
    prices that are not positive.
    """
    if previous_close <= 0 or first_price <= 0:
        raise ValueError(f"prices are positive, were {previous_close} and {first_price}")
    jump = Fraction(previous_close) / Fraction(first_price)
    nearest = min(RATIOS, key=lambda ratio: abs(jump / ratio - 1))
    return nearest if abs(jump / nearest - 1) <= TOLERANCE else None
