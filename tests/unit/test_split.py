from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.risk.split import RATIOS, adapted, suspected_split

TICK = Decimal("0.01")
HELD = Position(
    id=PositionId(1),
    bot=BotName("bot"),
    venue=VenueName("paper"),
    symbol="S",
    side=PositionSide.LONG,
    position_type=PositionType.SPOT,
    quantity=Decimal(10),
    entry_price=Decimal(200),
    opened_at=datetime(2022, 3, 1, tzinfo=UTC),
    stop_loss=Decimal(190),
    take_profit=Decimal(220),
    trailing_stop=Decimal("195.03"),
    best_price=Decimal(210),
    exits=ExitPlan(stop_loss_price=Decimal(190), trailing_stop_atr=Decimal(2), atr=Decimal(7)),
    version=3,
    entry_quantity=Decimal(12),
)


@pytest.mark.parametrize(
    ("before", "after", "ratio"),
    [
        ("500", "125", Fraction(4)),
        ("500", "122", Fraction(4)),
        ("500", "128", Fraction(4)),
        ("1", "10.2", Fraction(1, 10)),
        ("150", "100", Fraction(3, 2)),
        ("125", "100", Fraction(5, 4)),
        ("100", "125", Fraction(4, 5)),
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


def test_after_a_split_a_position_is_worth_what_it_was() -> None:
    """M5.9: quantity times, prices divided by the ratio; levels on the tick."""
    split = adapted(HELD, Fraction(4), TICK)

    assert (split.quantity, split.entry_quantity) == (Decimal(40), Decimal(48))
    assert (split.entry_price, split.best_price) == (Decimal(50), Decimal("52.5"))
    assert (split.stop_loss, split.take_profit) == (Decimal("47.5"), Decimal(55))
    assert split.trailing_stop == Decimal("48.76")
    assert split.exits == replace(HELD.exits, stop_loss_price=Decimal("47.5"), atr=Decimal("1.75"))


@given(st.sampled_from(RATIOS))
def test_a_split_and_its_inverse_leave_a_position_as_it_was(ratio: Fraction) -> None:
    """M5.9: to a tick of the smaller price."""
    fine = Decimal("0.000001")
    back = adapted(adapted(HELD, ratio, fine), 1 / ratio, TICK)

    assert abs(back.quantity - HELD.quantity) < Decimal("1e-20")
    assert abs(back.entry_price - HELD.entry_price) < Decimal("1e-20")
    assert (back.stop_loss, back.trailing_stop) == (HELD.stop_loss, HELD.trailing_stop)
