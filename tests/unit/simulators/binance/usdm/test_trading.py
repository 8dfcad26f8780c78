"""Orders of the simulated engine: fills, reduce-only, self-trade prevention, modification, modes."""

from decimal import Decimal

import pytest

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.usdm.order_requests import (
    default_prevention,
    read_algo,
    read_modification,
    read_order,
)
from tests.simulators.binance.usdm.orders import Order
from tests.unit.simulators.binance.usdm.scene import BTC, START, Scene, scene

LIMIT = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": "59000"}  # fmt: skip


def refused(made: Scene, **changes: str) -> int:
    """The code that reading the order, changed, is refused with."""
    with pytest.raises(VenueError) as refusal:
        read_order(made.venue, made.account, LIMIT | changes)
    return refusal.value.code


def test_a_thin_book_fills_in_parts() -> None:
    made = scene()
    levels = [(Decimal(60000), Decimal("0.004")), (Decimal(60010), Decimal("0.003"))]
    made.venue.market.set_book(BTC, [], levels)
    order = made.place("BUY", "0.010", "60010")

    assert (order.status, order.executed) == ("PARTIALLY_FILLED", Decimal("0.007"))
    assert [t["X"] for t in made.told("ORDER_TRADE_UPDATE")] == ["NEW", "PARTIALLY_FILLED", "PARTIALLY_FILLED"]  # fmt: skip
    made.venue.market.set_book(BTC, [], [(Decimal(60005), Decimal(1))])
    assert (order.status, order.average_price) == ("FILLED", Decimal(60006))
    assert [t.is_maker for t in made.account.trades] == [False, False, True]


def test_a_market_order_that_finds_too_little_expires_with_a_reason() -> None:
    """F13: `er` tells why."""
    made = scene()
    made.venue.market.set_book(BTC, [], [(Decimal(60000), Decimal("0.004"))])
    order = made.place("BUY", "0.010")

    last = made.told("ORDER_TRADE_UPDATE")[-1]
    assert (order.status, last["x"], last["er"], last["z"]) == ("EXPIRED", "EXPIRED", "9", "0.004")


def test_a_market_order_far_from_the_mark_price_is_refused() -> None:
    made = scene()
    made.venue.market.set_mark(BTC, Decimal(50000))
    with pytest.raises(VenueError) as refusal:
        made.place("BUY", "0.010")

    assert refusal.value.code == -4131


def test_reduce_only_never_opens() -> None:
    made = scene()
    made.place("BUY", "0.010")
    order = made.place("SELL", "0.015", reduce_only=True)

    assert (order.status, order.executed) == ("EXPIRED", Decimal("0.010"))
    assert not made.position().amount
    assert made.told("ORDER_TRADE_UPDATE")[-1]["er"] == "4"
    with pytest.raises(VenueError) as refusal:
        made.place("SELL", "0.010", reduce_only=True)
    assert refusal.value.code == -2022


def test_reduce_only_orders_end_with_their_position() -> None:
    made = scene()
    made.place("BUY", "0.010")
    reducing = made.place("SELL", "0.010", "61000", reduce_only=True)
    other = made.place("BUY", "0.010", "59000")
    made.place("SELL", "0.010")

    assert (reducing.status, reducing.expiry_reason, other.status) == ("EXPIRED", 4, "NEW")


def test_the_default_expires_the_own_order_that_rests() -> None:
    """F9: POST order has EXPIRE_MAKER by default, algoOrder NONE: two bots expire each other."""
    made = scene()
    resting = made.place("SELL", "0.010", "60001")
    made.venue.market.set_book(BTC, [], [(Decimal(60002), Decimal(1))])
    taking = made.place("BUY", "0.010", "60002")
    algo = {"algoType": "CONDITIONAL", "symbol": BTC, "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01", "triggerPrice": "59000"}  # fmt: skip

    assert (resting.status, resting.expiry_reason) == ("EXPIRED_IN_MATCH", 1)
    assert taking.status == "FILLED"
    assert (default_prevention("order"), default_prevention("algo")) == ("EXPIRE_MAKER", "NONE")
    assert read_order(made.venue, made.account, LIMIT).self_trade_prevention == "EXPIRE_MAKER"
    assert read_algo(made.venue, made.account, algo).self_trade_prevention == "NONE"


@pytest.mark.parametrize(
    ("mode", "own", "new"),
    [
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
        ("NONE", "FILLED", "FILLED"),
    ],
)
def test_each_mode_of_self_trade_prevention(mode: str, own: str, new: str) -> None:
    made = scene()
    made.venue.market.set_book(BTC, [], [])
    resting = made.place("SELL", "0.010", "60001")
    taking = made.place("BUY", "0.010", "60001", self_trade_prevention=mode)

    assert (resting.status, taking.status) == (own, new)


def modification(made: Scene, order: Order, **changes: str) -> tuple[Decimal, Decimal]:
    params = {"side": order.side, "quantity": str(order.quantity), "price": str(order.price)}
    return read_modification(made.venue, order, params | changes)


def test_an_order_is_modified() -> None:
    """F10: price and quantity together; AMENDMENT on the stream."""
    made = scene()
    order = made.place("BUY", "0.010", "59000")
    made.venue.engine.modify(made.account, order, *modification(made, order, price="59100"))

    assert (order.price, order.status) == (Decimal(59100), "NEW")
    assert made.told("ORDER_TRADE_UPDATE")[-1]["x"] == "AMENDMENT"


@pytest.mark.parametrize("missing", ["price", "quantity"])
def test_a_modification_needs_price_and_quantity(missing: str) -> None:
    """F10: both are mandatory."""
    made = scene()
    order = made.place("BUY", "0.010", "59000")
    with pytest.raises(VenueError) as refusal:
        modification(made, order, **{missing: ""})

    assert refusal.value.code == -1102


def test_reduce_only_is_only_checked_by_a_modification() -> None:
    """F10: -5047 on an order that is not reduce-only; on one that is, it spares the least notional."""
    made = scene()
    plain = made.place("BUY", "0.010", "59000")
    with pytest.raises(VenueError) as refusal:
        modification(made, plain, reduceOnly="true")
    made.place("BUY", "0.010")
    reducing = made.place("SELL", "0.010", "61000", reduce_only=True)

    assert refusal.value.code == -5047
    assert modification(made, reducing, reduceOnly="true", quantity="0.001") == (Decimal(61000), Decimal("0.001"))  # fmt: skip
    made.venue.instruments[BTC].notional = Decimal(100)
    with pytest.raises(VenueError) as small:
        modification(made, reducing, quantity="0.001")
    assert small.value.code == -4164


def test_a_modification_may_cancel() -> None:
    """F10: with a quantity that is already filled, or a post-only order that would cross."""
    made = scene()
    part = made.place("BUY", "0.010", "59000")
    made.venue.engine.fill(made.account, part, Decimal("0.006"))
    made.venue.engine.modify(made.account, part, Decimal(59000), Decimal("0.006"))
    maker = made.place("BUY", "0.010", "59000", time_in_force="GTX")
    made.venue.engine.modify(made.account, maker, Decimal(60500), Decimal("0.010"))

    assert (part.status, maker.status) == ("CANCELED", "CANCELED")


def test_a_modification_that_changes_nothing_is_refused_and_so_is_the_ten_thousandth() -> None:
    """F10: -5027, and -5026 from 10,000 on."""
    made = scene()
    order = made.place("BUY", "0.010", "59000")
    with pytest.raises(VenueError) as same:
        made.venue.engine.modify(made.account, order, Decimal(59000), Decimal("0.010"))
    order.modifications = 10_000
    with pytest.raises(VenueError) as many:
        modification(made, order)

    assert (same.value.code, many.value.code) == (-5027, -5026)


@pytest.mark.parametrize(
    ("ahead_ms", "code"), [(600_000, -5040), (599_000, -5040), (600_001, None), (10**18, -5040)]
)
def test_good_till_date_is_far_enough_and_in_seconds(ahead_ms: int, code: int | None) -> None:
    """F16: later than 600 s from now, milliseconds cut off."""
    made = scene()
    date = {"timeInForce": "GTD", "goodTillDate": str(START + ahead_ms)}
    if code is not None:
        assert refused(made, **date) == code
        return
    order = read_order(made.venue, made.account, LIMIT | date)

    assert order.good_till_ms == (START + ahead_ms) // 1000 * 1000


def test_a_good_till_date_ends_an_order() -> None:
    made = scene()
    order = made.place("BUY", "0.010", "59000", time_in_force="GTD", good_till_ms=START + 601_000)
    made.now.ms += 601_000
    made.venue.tick()

    assert order.status == "EXPIRED"


def test_a_client_id_is_taken_only_while_its_order_is_open() -> None:
    """F8's rule for ids, on orders: -4116 for an open one, free again after a fill or a cancel."""
    made = scene()
    order = made.place("BUY", "0.010", "59000", client_id="mine")
    code = refused(made, newClientOrderId="mine")
    made.venue.engine.cancel(made.account, order)

    assert code == -4116
    assert read_order(made.venue, made.account, LIMIT | {"newClientOrderId": "mine"}).client_id == "mine"  # fmt: skip


def test_hedge_mode_keeps_two_positions() -> None:
    made = scene()
    made.venue.settings.set_dual_side(made.account, dual=True)
    made.place("BUY", "0.010", position_side="LONG")
    made.place("SELL", "0.006", position_side="SHORT")

    assert (made.position("LONG").amount, made.position("SHORT").amount) == (Decimal("0.010"), Decimal("-0.006"))  # fmt: skip
    with pytest.raises(VenueError) as refusal:
        made.place("SELL", "0.011", position_side="LONG")
    assert refusal.value.code == -2022
    assert refused(made) == -4061
    assert refused(made, positionSide="LONG", reduceOnly="true") == -1106


def test_the_position_mode_does_not_change_under_orders_or_positions() -> None:
    """F12: -4531 when the coin-margined side cannot follow; -4067, -4068 and -4059 before."""
    made = scene()
    codes = []
    settings, account = made.venue.settings, made.account

    def attempt(*, dual: bool) -> None:
        try:
            settings.set_dual_side(account, dual=dual)
        except VenueError as refusal:
            codes.append(refusal.code)

    attempt(dual=False)
    order = made.place("BUY", "0.010", "59000")
    attempt(dual=True)
    made.venue.engine.fill(account, order, Decimal(1))
    attempt(dual=True)
    made.place("SELL", "0.010")
    account.has_coin_m_business = True
    attempt(dual=True)
    account.has_coin_m_business = False
    attempt(dual=True)

    assert codes == [-4059, -4067, -4068, -4531]
    assert account.dual_side


def test_margin_type_and_leverage_have_their_refusals() -> None:
    made = scene()
    settings, account = made.venue.settings, made.account
    codes = []

    def attempt(action: object, *words: object) -> None:
        assert callable(action)
        try:
            action(account, BTC, *words)
        except VenueError as refusal:
            codes.append(refusal.code)

    attempt(settings.set_margin_type, "CROSSED")
    attempt(settings.set_leverage, 126)
    attempt(settings.set_margin_type, "ISOLATED")
    made.place("BUY", "0.010")
    attempt(settings.set_margin_type, "CROSSED")
    attempt(settings.set_leverage, 10)
    attempt(settings.set_leverage, 50)

    assert codes == [-4046, -4028, -4048, -4161]
    assert account.leverage(BTC) == 50
    assert made.told("ACCOUNT_CONFIG_UPDATE")[-1]["ac"] == {"s": BTC, "l": 50}


def test_a_leverage_is_too_high_for_what_is_held() -> None:
    """Answer -2027: the bracket of that leverage ends below the position."""
    made = scene("1000000")
    made.place("BUY", "10")
    with pytest.raises(VenueError) as refusal:
        made.venue.settings.set_leverage(made.account, BTC, 125)

    assert refusal.value.code == -2027


def test_bnb_pays_fees_at_a_discount_while_it_lasts() -> None:
    made = scene()
    made.venue.cash.transfer(made.account, "BNB", Decimal("0.0005"))
    made.account.fee_burn = True
    made.place("BUY", "0.010")
    made.place("BUY", "0.010")

    paid = [(t.commission, t.commission_asset) for t in made.account.trades]
    assert paid == [(Decimal("0.00036"), "BNB"), (Decimal("0.24"), "USDT")]
