from dataclasses import dataclass, replace
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
    distance: str | None = None,
    exposure: str | None = None,
    stop: str | None = None,
    base_fee: str = "0",
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
        stop_distance=None if distance is None else Decimal(distance),
        exposure_left=None if exposure is None else Decimal(exposure),
        stop=None if stop is None else Decimal(stop),
        base_fee=Decimal(base_fee),
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


def test_a_share_of_nothing_is_not_raised_though_others_have_cash() -> None:
    """M4.6: a bot without equity enters with nothing, whatever the account has."""
    with pytest.raises(OrderDeniedError, match="quantity below filters"):
        size("percent_equity", "10", equity="-5", cash="1000")


@pytest.mark.parametrize("kind", ["risk_percent", "atr"])
def test_a_risk_is_what_is_lost_over_the_distance(kind: str) -> None:
    """M4.6: 1 % of 1000 over 5 a unit: two units, whole lots."""
    assert size(kind, "1", distance="5") == 2
    assert size(kind, "1", distance="30") == Decimal("0.333")


@pytest.mark.parametrize("kind", ["risk_percent", "atr"])
@pytest.mark.parametrize("distance", [None, "0", "-1"])
def test_a_risk_without_a_distance_is_denied(kind: str, distance: str | None) -> None:
    """M4.6: nothing says what would be lost."""
    with pytest.raises(OrderDeniedError, match="no stop distance"):
        size(kind, "1", distance=distance)


@pytest.mark.parametrize("kind", ["risk_percent", "atr"])
def test_a_risk_is_reduced_by_every_cap_and_never_raised(kind: str) -> None:
    """M4.6: near stops want much; the minimum notional may not cost more than was asked."""
    assert size(kind, "1", distance="0.01") == Decimal("9.990")  # cash
    assert size(kind, "1", distance="0.01", exposure="250") == Decimal("2.5")
    assert size(kind, "1", distance="0.01", traded=instrument(most="3.0005")) == 3
    with pytest.raises(OrderDeniedError, match="quantity below filters"):
        size(kind, "1", distance="5", traded=instrument(notional="201"))


def test_the_exposure_left_caps_a_share_and_denies_a_fixed_wish() -> None:
    """M4.6: capped by exposure limits, never clamped silently."""
    assert size("percent_equity", "50", exposure="120.09") == Decimal("1.2")
    with pytest.raises(OrderDeniedError):
        size("fixed_notional", "500", exposure="120")
    with pytest.raises(OrderDeniedError):
        size("percent_equity", "50", exposure="-1")


@pytest.mark.parametrize(
    ("stop", "base_fee", "expected"),
    [
        (None, "0", "0.100"),
        ("95", "0", "0.106"),
        (None, "0.001", "0.101"),
        ("95", "0.001", "0.107"),
    ],
)
def test_what_is_raised_to_the_minimum_can_be_sold_again_at_its_stop(
    stop: str | None, base_fee: str, expected: str
) -> None:
    """M4.6: 10 bought for exactly the minimum of 10 would be worth 9.50 at a stop of 5 %."""
    traded = instrument(notional="10")
    raised = size("percent_equity", "0.5", stop=stop, base_fee=base_fee, traded=traded)
    assert raised == Decimal(expected)


@pytest.mark.parametrize(
    ("kind", "value", "stop", "base_fee"),
    [
        ("fixed_notional", "10", "95", "0"),
        ("fixed_notional", "10", None, "0.001"),
        ("fixed_quantity", "0.105", "95", "0"),
        ("fixed_quantity", "0.100", None, "0.001"),
        ("risk_percent", "0.05", "95", "0"),
    ],
)
def test_what_could_not_be_sold_at_its_stop_is_not_bought(
    kind: str, value: str, stop: str | None, base_fee: str
) -> None:
    """M4.6: a fixed wish and a risk are never raised, so they are denied."""
    with pytest.raises(OrderDeniedError, match=r"quantity below filters.*sold again"):
        size(
            kind,
            value,
            stop=stop,
            base_fee=base_fee,
            distance="5",
            traded=instrument(notional="10"),
            equity="1000",
        )


def test_one_lot_is_not_bought_where_the_fee_is_taken_out_of_it() -> None:
    """M4.6: 0.000999 of a lot of 0.001 could never be sold."""
    traded = instrument(notional="0")
    assert size("fixed_quantity", "0.001", traded=traded) == Decimal("0.001")
    with pytest.raises(OrderDeniedError, match="sold again"):
        size("fixed_quantity", "0.001", traded=traded, base_fee="0.001")


def test_futures_are_sold_again_below_the_minimum_notional() -> None:
    """M4.6: their exits are reduce-only, which venues exempt from it; a lot it must be."""
    traded = instrument(notional="10")
    futures = PositionType.FUTURES
    lent = size("fixed_notional", "10", stop="95", position_type=futures, traded=traded)
    assert lent == Decimal("0.1")
    raised = size("percent_equity", "0.5", stop="95", position_type=futures, traded=traded)
    assert raised == Decimal("0.1")


@dataclass(frozen=True)
class Wish:
    rule: SizingRule
    price: Decimal
    equity: Decimal
    cash: Decimal
    traded: Instrument
    leverage: int
    position_type: PositionType
    distance: Decimal
    exposure: Decimal | None
    stop: Decimal | None
    base_fee: Decimal

    @property
    def way_out(self) -> Decimal:
        return self.price if self.stop is None else self.stop

    @property
    def lent(self) -> int:
        return self.leverage if self.position_type is PositionType.FUTURES else 1

    def quantity(self) -> Decimal:
        return entry_quantity(
            self.rule,
            price=self.price,
            equity=self.equity,
            free_cash=self.cash,
            instrument=self.traded,
            leverage=self.leverage,
            position_type=self.position_type,
            cost_buffer=BUFFER,
            stop_distance=self.distance,
            exposure_left=self.exposure,
            stop=self.stop,
            base_fee=self.base_fee,
        )


FACTORS = st.decimals("0.5", "50", places=3)


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Amounts of the price's own order, so that most wishes can be had and many just so."""
    price = draw(st.decimals("0.01", "50000", places=2))
    kind = draw(st.sampled_from(SizingKind))
    value = draw(FACTORS)
    exposure = draw(st.one_of(st.none(), FACTORS))
    return Wish(
        rule=SizingRule(
            kind=kind, value=value * price if kind is SizingKind.FIXED_NOTIONAL else value
        ),
        price=price,
        equity=price * draw(FACTORS),
        cash=price * draw(FACTORS),
        traded=instrument(
            draw(st.sampled_from(["0.1", "0.001", "0.00001"])),
            least=draw(st.sampled_from(["0", "0.01", "0.5"])),
            most=draw(st.sampled_from([None, "7.77", "50"])),
            notional=str(price * draw(st.sampled_from([Decimal(0), Decimal("0.7")]))),
        ),
        leverage=draw(st.integers(1, 125)),
        position_type=draw(st.sampled_from(PositionType)),
        distance=price * draw(st.decimals("0.001", "0.5", places=3)),
        exposure=None if exposure is None else price * exposure,
        stop=draw(st.one_of(st.none(), st.decimals("0.5", "1.5", places=3).map(price.__mul__))),
        base_fee=draw(st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("0.02")])),
    )


# Decimal keeps 28 digits.
ROUNDING = 1 + Decimal("1e-20")


@given(wishes())
def test_whatever_is_sized_passes_every_filter_and_cap_and_asks_no_more_than_the_rule(
    wish: Wish,
) -> None:
    """M4.6: whole lots within the filters, cash, leverage, exposure, and the risk asked for."""
    try:
        quantity = wish.quantity()
    except OrderDeniedError:
        reject()
    traded, rule, notional = wish.traded, wish.rule, quantity * wish.price
    assert quantity > 0
    assert quantity % traded.lot_size == 0
    assert quantity >= traded.min_quantity
    assert traded.max_quantity is None or quantity <= traded.max_quantity
    assert notional >= traded.min_notional
    assert notional / wish.lent + notional * BUFFER <= wish.cash * ROUNDING
    assert wish.exposure is None or notional <= wish.exposure * ROUNDING
    is_spot = wish.position_type is PositionType.SPOT
    held = quantity * (1 - wish.base_fee) if is_spot else quantity
    sold = held // traded.lot_size * traded.lot_size
    assert sold > 0
    assert sold >= traded.min_quantity
    assert not is_spot or sold * wish.way_out >= traded.min_notional
    share = wish.equity * rule.value / 100
    match rule.kind:
        case SizingKind.FIXED_QUANTITY:
            assert rule.value - traded.lot_size < quantity <= rule.value
        case SizingKind.FIXED_NOTIONAL:
            assert (rule.value - notional) * ROUNDING < traded.lot_size * wish.price
            assert notional <= rule.value * ROUNDING
        case SizingKind.PERCENT_EQUITY:
            less = quantity - traded.lot_size
            kept = less * (1 - wish.base_fee) // traded.lot_size * traded.lot_size
            lacks = kept < traded.min_quantity or kept * wish.way_out < traded.min_notional
            lacks = (is_spot and lacks) or less * wish.price < traded.min_notional
            lacks = lacks or less < traded.min_quantity
            assert notional <= share * ROUNDING or lacks
        case SizingKind.RISK_PERCENT | SizingKind.ATR:
            assert quantity * wish.distance <= share * ROUNDING


@given(wishes(), st.sampled_from(["cash", "exposure"]), st.decimals("0.5", "1", places=3))
def test_a_narrower_cap_never_makes_an_entry_larger(wish: Wish, cap: str, share: Decimal) -> None:
    """M4.6: less cash or exposure: less, or none."""
    if cap == "cash":
        narrower = replace(wish, cash=wish.cash * share)
    else:
        narrower = replace(wish, exposure=(wish.exposure or wish.cash) * share)
    try:
        less = narrower.quantity()
    except OrderDeniedError:
        reject()
    assert less <= wish.quantity()
