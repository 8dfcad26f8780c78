"""What a venue takes back of a holding, and the least that is worth buying."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_sizing import instrument
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.risk.sellable import least_entry, sellable

FUTURES = PositionType.FUTURES


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        ("0.0509", "100", "0.050"),
        ("0.0499", "100", "0"),
        ("0.0499", None, "0.049"),
        ("0.0009", None, "0"),
        ("8", "100", "7.700"),
    ],
)
def test_whole_lots_are_sold_that_reach_the_minimum_notional(
    quantity: str, price: str | None, expected: str
) -> None:
    """M4.6: at most the maximum at once; without a price its notional is not judged."""
    traded = instrument(notional="5", most="7.7005")
    sold = sellable(Decimal(quantity), None if price is None else Decimal(price), traded)
    assert sold == Decimal(expected)


def test_less_than_the_minimum_quantity_is_not_sold() -> None:
    """M4.6"""
    traded = instrument(notional="0", least="0.01")
    assert sellable(Decimal("0.01"), Decimal(100), traded) == Decimal("0.01")
    assert sellable(Decimal("0.0099"), Decimal(100), traded) == 0
    assert sellable(Decimal("0.0099"), Decimal(100), traded, position_type=FUTURES) == 0


def test_reduce_only_exits_need_no_minimum_notional() -> None:
    """M4.6: futures."""
    assert sellable(Decimal("0.001"), Decimal(100), instrument(), position_type=FUTURES) > 0
    assert sellable(Decimal("0.001"), Decimal(100), instrument()) == 0


filters = st.builds(
    instrument,
    st.sampled_from(["1", "0.1", "0.001", "0.00001"]),
    least=st.sampled_from(["0", "0.0105", "0.5"]),
    most=st.none(),
    notional=st.decimals("0", "100", places=2).map(str),
)
quantities = st.decimals("0", "50", places=7)
prices = st.decimals("0.01", "50000", places=2)
fees = st.sampled_from([Decimal(0), Decimal("0.00075"), Decimal("0.001"), Decimal("0.3")])
types = st.sampled_from(PositionType)


@given(filters, quantities, prices, fees, types)
def test_what_is_sellable_passes_the_filters_and_is_no_more_than_is_held(
    traded: Instrument, quantity: Decimal, price: Decimal, fee: Decimal, kind: PositionType
) -> None:
    """M4.6: whole lots or nothing; what is left over is less than a lot."""
    sold = sellable(quantity, price, traded, fee, kind)
    held = quantity if kind is FUTURES else quantity * (1 - fee)
    assert 0 <= sold <= held
    if sold:
        assert sold % traded.lot_size == 0
        assert sold >= traded.min_quantity
        assert kind is FUTURES or sold * price >= traded.min_notional
        assert held - sold < traded.lot_size


@given(filters, quantities, quantities, prices, prices, fees, types)
def test_more_is_never_less_sellable(
    traded: Instrument,
    quantity: Decimal,
    more: Decimal,
    price: Decimal,
    higher: Decimal,
    fee: Decimal,
    kind: PositionType,
) -> None:
    """M4.6: neither a larger quantity nor a better price can turn it into dust."""
    sold = sellable(quantity, price, traded, fee, kind)
    assert sellable(quantity + more, price + higher, traded, fee, kind) >= sold


@given(filters, prices, prices, fees, types)
def test_the_least_entry_can_be_sold_again_and_one_lot_less_cannot_be_traded(
    traded: Instrument, price: Decimal, stop: Decimal, fee: Decimal, kind: PositionType
) -> None:
    """M4.6: the least there is, and no less."""
    least = least_entry(price, stop, traded, fee, kind)
    assert least % traded.lot_size == 0
    assert least >= traded.min_quantity
    assert least * price >= traded.min_notional
    assert sellable(least, stop, traded, fee, kind)
    less = least - traded.lot_size
    assert (
        less < traded.min_quantity
        or less * price < traded.min_notional
        or not sellable(less, stop, traded, fee, kind)
    )
