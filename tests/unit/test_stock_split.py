from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.risk.stock_split import RATIOS, suspected_split


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        ("500", "125", Fraction(4)),
        ("500", "122", Fraction(4)),
        ("500", "128", Fraction(4)),
        ("1", "10.2", Fraction(1, 10)),
        ("150", "100", Fraction(3, 2)),
        ("125", "100", None),  # a fall of a fifth is oftener a market than a split
        ("100", "100", None),
        ("100", "88", None),  # a bad night is no split
        ("100", "112", None),
        ("100", "44", None),
    ],
)
def test_a_jump_near_a_usual_ratio_is_suspected(
    before: str, after: str, ratio: Fraction | None
) -> None:
    """M5.9: a split never fires a stop."""
    assert suspected_split(Decimal(before), Decimal(after)) == ratio


@given(
    st.sampled_from(RATIOS),
    st.decimals("20", "5000", places=2),
    st.fractions(Fraction(98, 100), Fraction(102, 100), max_denominator=1000),
)
def test_every_usual_ratio_is_found_though_the_market_moved_over_night(
    ratio: Fraction, before: Decimal, moved: Fraction
) -> None:
    """M5.9"""
    exact = Fraction(before) / ratio * moved
    after = Decimal(exact.numerator) / Decimal(exact.denominator)
    assert suspected_split(before, after) == ratio


def test_prices_are_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        suspected_split(Decimal(0), Decimal(1))
    with pytest.raises(ValueError, match="positive"):
        suspected_split(Decimal(1), Decimal(-1))
