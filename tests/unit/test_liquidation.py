from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.side import PositionSide
from tradebotd.risk.liquidation import liquidation_price, stop_is_beyond

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def instrument(tick: str = "0.1", maintenance: str = "0.005") -> Instrument:
    return Instrument(
        symbol="S",
        venue=VenueName("paper"),
        base_asset="B",
        quote_asset="Q",
        tick_size=Decimal(tick),
        lot_size=Decimal(1),
        maintenance_margin=Decimal(maintenance),
    )


def test_it_lies_where_the_margin_less_the_maintenance_is_lost() -> None:
    """M4.8: 10 % of margin, 0.5 % of maintenance: 9.5 % away, mirrored."""
    assert liquidation_price(LONG, Decimal(100), 10, instrument()) == Decimal("90.5")
    assert liquidation_price(SHORT, Decimal(100), 10, instrument()) == Decimal("109.5")


def test_a_long_that_is_paid_in_full_is_never_liquidated() -> None:
    """M4.8"""
    assert liquidation_price(LONG, Decimal(100), 1, instrument(maintenance="0")) is None
    assert liquidation_price(SHORT, Decimal(100), 1, instrument(maintenance="0")) == 200


@given(
    side=st.sampled_from(PositionSide),
    price=st.decimals("10", "100000", places=2),
    leverage=st.integers(1, 125),
    maintenance=st.sampled_from(["0", "0.004", "0.005"]),
    tick=st.sampled_from(["0.0001", "0.01", "0.5"]),
)
def test_it_is_rounded_toward_the_entry_by_less_than_a_tick(
    side: PositionSide, price: Decimal, leverage: int, maintenance: str, tick: str
) -> None:
    """M4.8: it is never later than said; more leverage never puts it further away."""
    traded = instrument(tick, maintenance)
    found = liquidation_price(side, price, leverage, traded)
    exact = Fraction(price) * (
        1 - side.sign * (Fraction(1, leverage) - Fraction(Decimal(maintenance)))
    )
    if found is None:
        assert exact <= 0
        return
    assert 0 <= (Fraction(found) - exact) * side.sign < Fraction(Decimal(tick))
    more = liquidation_price(side, price, leverage + 1, traded)
    assert more is not None
    assert (more - found) * side.sign >= 0


def test_a_stop_at_the_liquidation_or_behind_it_is_beyond() -> None:
    """M4.8: it would never be reached; without either there is nothing to say."""
    at = Decimal(90)
    assert stop_is_beyond(LONG, at, at)
    assert stop_is_beyond(SHORT, at, at)
    assert not stop_is_beyond(LONG, Decimal("90.1"), at)
    assert stop_is_beyond(LONG, Decimal("89.9"), at)
    assert not stop_is_beyond(SHORT, Decimal("89.9"), at)
    assert stop_is_beyond(SHORT, Decimal("90.1"), at)
    assert not stop_is_beyond(LONG, None, at)
    assert not stop_is_beyond(LONG, at, None)
