from decimal import Decimal

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.risk.sizing import entry_quantity

BUFFER = Decimal("0.001")


def instrument(
    lot: str = "0.001",
    *,
    least: str = "0",
    most: str | None = None,
    notional: str = "5",
) -> Instrument:
    return Instrument(
        symbol="BTCUSDT",
        venue=VenueName("paper"),
        base_asset="BTC",
        quote_asset="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(lot),
        min_quantity=Decimal(least),
        max_quantity=None if most is None else Decimal(most),
        min_notional=Decimal(notional),
    )


def size(
    kind: str,
    value: str,
    *,
    price: str = "100",
    equity: str = "1000",
    cash: str = "1000",
    traded: Instrument | None = None,
    leverage: int = 1,
    position_type: PositionType = PositionType.SPOT,
) -> Decimal:
    return entry_quantity(
        SizingRule(kind=SizingKind(kind), value=Decimal(value)),
        price=Decimal(price),
        equity=Decimal(equity),
        free_cash=Decimal(cash),
        instrument=traded or instrument(),
        leverage=leverage,
        position_type=position_type,
        cost_buffer=BUFFER,
    )


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("fixed_quantity", "1.23456", "1.234"),
        ("fixed_notional", "50", "0.5"),
        ("percent_equity", "10", "1"),
    ],
)
def test_each_rule_is_floored_to_the_lot(kind: str, value: str, expected: str) -> None:
    """M4.6: fixed quantity, fixed notional, percent of equity (10 is 10 %)."""
    assert size(kind, value) == Decimal(expected)


@pytest.mark.parametrize(("kind", "value"), [("fixed_quantity", "11"), ("fixed_notional", "1000")])
def test_a_fixed_wish_that_cash_does_not_cover_is_denied(kind: str, value: str) -> None:
    """M4.6: capped by free balance, never clamped silently; costs count, too."""
    with pytest.raises(OrderDeniedError, match="insufficient balance"):
        size(kind, value)


def test_percent_of_equity_is_reduced_to_what_cash_pays_for() -> None:
    """M4.6"""
    assert size("percent_equity", "100") == Decimal("9.990")
    assert size("percent_equity", "50", cash="100") == Decimal("0.999")


def test_leverage_lowers_the_margin_of_futures_and_of_nothing_else() -> None:
    """M4.6: capped by leverage."""
    lent = size("fixed_notional", "5000", leverage=10, position_type=PositionType.FUTURES)
    assert lent == 50
    with pytest.raises(OrderDeniedError, match="insufficient balance"):
        size("fixed_notional", "5000", leverage=10)


def test_percent_of_equity_is_raised_once_to_the_minimum_notional() -> None:
    """M4.6: minimum notional raised once if the rule permits, else no order."""
    assert size("percent_equity", "1", equity="100", price="3") == Decimal("1.667")
    with pytest.raises(OrderDeniedError, match="quantity below filters"):
        size("percent_equity", "1", equity="100", price="3", cash="5")
    with pytest.raises(OrderDeniedError, match="quantity below filters"):
        size("fixed_notional", "4.9", price="3")


@pytest.mark.parametrize(
    ("traded", "value", "rule"),
    [
        (instrument(least="0.1"), "0.099", "quantity below filters"),
        (instrument(most="1"), "1.1", "quantity above filters"),
        (instrument(notional="0"), "0.0009", "quantity below filters"),
    ],
)
def test_what_is_outside_the_quantity_filters_is_no_order(
    traded: Instrument, value: str, rule: str
) -> None:
    """M4.6"""
    with pytest.raises(OrderDeniedError, match=rule):
        size("fixed_quantity", value, traded=traded)


def test_without_equity_there_is_no_order() -> None:
    """M4.6"""
    with pytest.raises(OrderDeniedError):
        size("percent_equity", "10", equity="-5", cash="-5")


MONEY = st.decimals("0.01", "100000", places=2)


@given(
    kind=st.sampled_from(SizingKind),
    value=st.decimals("0.001", "200", places=3),
    price=MONEY,
    equity=MONEY,
    cash=MONEY,
    lot=st.sampled_from(["1", "0.1", "0.001", "0.00001"]),
    notional=st.sampled_from(["0", "5", "100"]),
    leverage=st.integers(1, 125),
    position_type=st.sampled_from(PositionType),
)
def test_whatever_is_sized_passes_every_filter_and_can_be_paid(
    kind: SizingKind,
    value: Decimal,
    price: Decimal,
    equity: Decimal,
    cash: Decimal,
    lot: str,
    notional: str,
    leverage: int,
    position_type: PositionType,
) -> None:
    """M4.6"""
    traded = instrument(lot, notional=notional)
    try:
        quantity = entry_quantity(
            SizingRule(kind=kind, value=value),
            price=price,
            equity=equity,
            free_cash=cash,
            instrument=traded,
            leverage=leverage,
            position_type=position_type,
            cost_buffer=BUFFER,
        )
    except OrderDeniedError:
        reject()
    assert quantity > 0
    assert quantity % traded.lot_size == 0
    assert quantity * price >= traded.min_notional
    lent = leverage if position_type is PositionType.FUTURES else 1
    assert quantity * price / lent + quantity * price * BUFFER <= cash * (1 + Decimal("1e-20"))
    if kind is SizingKind.FIXED_QUANTITY:
        assert quantity <= value
