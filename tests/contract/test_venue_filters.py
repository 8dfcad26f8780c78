"""What the filters of a symbol refuse, at every venue, by the same names; and what they let pass."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import FIRST, FUTURES, SECOND, THIRD, Case
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.filters import LotSize, PercentPrice, SymbolStatus
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup

FILTERS: dict[str, Any] = {
    "min_notional": Decimal(10),
    "min_quantity": Decimal("0.05"),
    "max_quantity": Decimal(5),
    "max_leverage": 5,
}
BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TAKE = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
REFUSED = [
    # side, quantity, type, price, futures with this leverage, the name
    (BUY, "0.099", OrderType.MARKET, None, None, "notional_below_minimum"),
    (SELL, "0.099", OrderType.MARKET, None, None, "notional_below_minimum"),
    (BUY, "0.111", LIMIT, "90", None, "notional_below_minimum"),
    (SELL, "0.105", STOP, "95", None, "notional_below_minimum"),
    (SELL, "0.090", TAKE, "110", None, "notional_below_minimum"),
    (BUY, "0.099", OrderType.MARKET, None, 5, "notional_below_minimum"),
    (BUY, "0.049", OrderType.MARKET, None, None, "quantity_below_minimum"),
    (SELL, "0.049", STOP, "95", None, "quantity_below_minimum"),
    (BUY, "5.001", OrderType.MARKET, None, 5, "quantity_above_maximum"),
    (BUY, "5.001", LIMIT, "90", None, "quantity_above_maximum"),
    (BUY, "1.0001", OrderType.MARKET, None, None, "quantity_off_lot"),
    (BUY, "1", LIMIT, "90.001", None, "price_off_tick"),
    (BUY, "1", LIMIT, "110.001", None, "price_off_tick"),
    (SELL, "1", STOP, "95.001", None, "price_off_tick"),
]
filtered = pytest.mark.parametrize("filters", [FILTERS], ids=["filters"])


@filtered
@pytest.mark.parametrize(("side", "quantity", "type_", "price", "leverage", "name"), REFUSED)
async def test_what_a_filter_refuses_is_rejected_by_name_and_trades_nothing(
    case: Case,
    side: Side,
    quantity: str,
    type_: OrderType,
    price: str | None,
    leverage: int | None,
    name: str,
) -> None:
    """M6.1 (VC-49): whether it would trade at once or rest, enter or exit."""
    if leverage is not None:
        await case.venue.set_up("BTCUSDT", SymbolSetup(leverage=leverage))
    await case.bought()
    before = await case.venue.account()
    lent: dict[str, Any] = {} if leverage is None else {"position_type": FUTURES}
    with pytest.raises(OrderRejectedError, match=rf"^{name}"):
        await case.venue.submit(FIRST, case.order(side, quantity, type_, price, **lent))

    assert await case.status(FIRST) is OrderStatus.REJECTED
    assert await case.venue.account() == before
    assert await case.rests() == []


@filtered
@pytest.mark.parametrize(
    ("side", "quantity", "type_", "price"),
    [
        (BUY, "0.1", OrderType.MARKET, None),
        (SELL, "0.1", OrderType.MARKET, None),
        (SELL, "0.106", STOP, "95"),
        (BUY, "5", LIMIT, "90"),
    ],
)
async def test_what_just_passes_the_filters_is_taken(
    case: Case, side: Side, quantity: str, type_: OrderType, price: str | None
) -> None:
    """M6.1 (VC-49)."""
    await case.bought()
    report = await case.venue.submit(FIRST, case.order(side, quantity, type_, price))
    assert report.status in {OrderStatus.NEW, OrderStatus.FILLED}


@filtered
async def test_reduce_only_orders_need_no_minimum_notional(case: Case) -> None:
    """M6.1 (VC-49): futures end whatever is left; a quantity it must be."""
    await case.bought("1", position_type=FUTURES)
    reduces: dict[str, Any] = {"position_type": FUTURES, "reduce_only": True}
    report = await case.venue.submit(FIRST, case.order(SELL, "0.05", **reduces))
    assert report.status is OrderStatus.FILLED

    with pytest.raises(OrderRejectedError, match=r"^quantity_below_minimum"):
        await case.venue.submit(SECOND, case.order(SELL, "0.049", **reduces))


@filtered
async def test_a_linked_order_or_a_replacement_is_filtered_like_any_other(case: Case) -> None:
    """M6.1 (VC-49): all of them or none, and what rested stays."""
    await case.bought()
    stop, target = case.order(SELL, "0.105", STOP, "95"), case.order(SELL, "0.105", TAKE, "110")
    with pytest.raises(OrderRejectedError, match=r"^notional_below_minimum"):
        await case.venue.submit_linked([(FIRST, stop), (SECOND, target)])
    assert await case.rests() == []

    await case.venue.submit(ClientOrderId("rests"), case.order(SELL, "0.2", STOP, "95"))
    with pytest.raises(OrderRejectedError, match=r"^notional_below_minimum"):
        await case.venue.replace("BTCUSDT", ClientOrderId("rests"), ClientOrderId("new"), stop)
    assert await case.rests() == ["rests"]


MARKET = OrderType.MARKET
D = Decimal
MARKET_LOT = {"market_lot": LotSize(step=D("0.01"), minimum=D("0.02"), maximum=D(3))}
STOP_LOT = {"stop_lot": LotSize(step=D(1), minimum=D(1))}
BY_TYPE: list[tuple[dict[str, Any], Side, str, OrderType, str | None, str | None]] = [
    # filters, side, quantity, type, price, the name (None: it is taken)
    (MARKET_LOT, BUY, "0.015", MARKET, None, "quantity_off_lot"),
    (MARKET_LOT, BUY, "0.01", MARKET, None, "quantity_below_minimum"),
    (MARKET_LOT, BUY, "3.01", MARKET, None, "quantity_above_maximum"),
    (MARKET_LOT, SELL, "0.015", STOP, "95", "quantity_off_lot"),
    (MARKET_LOT, SELL, "0.015", TAKE, "110", "quantity_off_lot"),
    (MARKET_LOT, BUY, "0.015", LIMIT, "90", None),
    (MARKET_LOT, BUY, "0.02", MARKET, None, None),
    (STOP_LOT, SELL, "1.5", STOP, "95", "quantity_off_lot"),
    (STOP_LOT, SELL, "1.5", TAKE, "110", "quantity_off_lot"),
    (STOP_LOT, SELL, "1", STOP, "95", None),
    (STOP_LOT, SELL, "1.5", MARKET, None, None),
    (STOP_LOT, SELL, "1.5", LIMIT, "110", None),
    ({"max_notional": D(150)}, BUY, "1.501", MARKET, None, "notional_above_maximum"),
    ({"max_notional": D(150)}, BUY, "1.7", LIMIT, "90", "notional_above_maximum"),
    ({"max_notional": D(150)}, BUY, "1.5", MARKET, None, None),
    ({"min_notional": D(60), "notional_at_market": False}, BUY, "0.5", MARKET, None, None),
    (
        {"min_notional": D(60), "notional_at_market": False},
        SELL,
        "0.6",
        STOP,
        "95",
        "notional_below_minimum",
    ),
    ({"max_notional": D(9), "notional_at_market": False}, BUY, "0.5", MARKET, None, None),
    ({"min_price": D(50)}, BUY, "1", LIMIT, "49.99", "price_below_minimum"),
    ({"min_price": D(50)}, SELL, "1", STOP, "49.99", "price_below_minimum"),
    ({"max_price": D(200)}, SELL, "1", LIMIT, "200.01", "price_above_maximum"),
    ({"max_price": D(200)}, SELL, "1", TAKE, "200.01", "price_above_maximum"),
    ({"max_price": D(200)}, SELL, "1", LIMIT, "200", None),
]


@pytest.mark.parametrize(
    ("filters", "side", "quantity", "type_", "price", "name"),
    BY_TYPE,
    ids=[f"{next(iter(each[0]))}-{each[3]}-{each[2]}" for each in BY_TYPE],
)
async def test_each_order_type_is_judged_by_its_own_filters(
    case: Case,
    filters: dict[str, Any],
    side: Side,
    quantity: str,
    type_: OrderType,
    price: str | None,
    name: str | None,
) -> None:
    """M4.6, M6.1 (VC-50): lots of market and of stop orders, bounds of notional and price."""
    await case.bought("1.5")
    order = case.order(side, quantity, type_, price)
    if name is None:
        assert (await case.venue.submit(FIRST, order)).status is not OrderStatus.REJECTED
        return
    with pytest.raises(OrderRejectedError, match=rf"^{name}"):
        await case.venue.submit(FIRST, order)
    assert await case.rests() == []


@pytest.mark.parametrize(
    "filters", [{"min_notional": D(10), "average_minutes": 5}], ids=["average"]
)
async def test_the_notional_at_the_market_is_judged_by_the_average_price(case: Case) -> None:
    """M4.6, M6.1 (VC-51): 100 and 50 make 75; a limit is worth its own price."""
    await case.move("100")
    await case.move("50")
    assert (await case.venue.quotes([case.symbol]))["BTCUSDT"].average == 75
    with pytest.raises(OrderRejectedError, match=r"^notional_below_minimum"):
        await case.venue.submit(FIRST, case.order(BUY, "0.133"))
    assert (await case.venue.submit(SECOND, case.order(BUY, "0.134"))).fills
    with pytest.raises(OrderRejectedError, match=r"^notional_below_minimum"):
        await case.venue.submit(THIRD, case.order(BUY, "0.201", LIMIT, "49"))

    case.refilter(average_minutes=0)
    with pytest.raises(OrderRejectedError, match=r"^notional_below_minimum"):
        await case.venue.submit(ClientOrderId("last"), case.order(BUY, "0.134"))


PERCENT = PercentPrice(buy_below=D("0.5"), buy_above=D("1.1"), sell_below=D("0.9"), sell_above=D(2))


@pytest.mark.parametrize("filters", [{"percent_price": PERCENT}], ids=["percent"])
@pytest.mark.parametrize(
    ("side", "type_", "price", "name"),
    [
        (BUY, LIMIT, "49.99", "price_outside_percent"),
        (BUY, LIMIT, "50", None),
        (BUY, LIMIT, "110", None),
        (BUY, LIMIT, "110.01", "price_outside_percent"),
        (SELL, LIMIT, "89.99", "price_outside_percent"),
        (SELL, LIMIT, "200", None),
        (SELL, LIMIT, "200.01", "price_outside_percent"),
        (SELL, STOP, "40", None),
        (SELL, TAKE, "300", None),
    ],
)
async def test_a_limit_too_far_from_the_price_is_refused_by_its_side(
    case: Case, side: Side, type_: OrderType, price: str, name: str | None
) -> None:
    """M6.1 (VC-52): PERCENT_PRICE_BY_SIDE; stop prices may be anywhere."""
    await case.bought()
    order = case.order(side, "1", type_, price)
    if name is None:
        assert (await case.venue.submit(FIRST, order)).status is not OrderStatus.REJECTED
        return
    with pytest.raises(OrderRejectedError, match=rf"^{name}"):
        await case.venue.submit(FIRST, order)


@pytest.mark.parametrize("filters", [{"order_types": frozenset({MARKET, LIMIT})}], ids=["types"])
async def test_an_order_type_that_the_symbol_does_not_take_is_refused(case: Case) -> None:
    """M6.1 (VC-53)."""
    await case.bought()
    with pytest.raises(OrderRejectedError, match=r"^order_type_not_taken"):
        await case.venue.submit(FIRST, case.order(SELL, "1", STOP, "95"))
    assert (await case.venue.submit(SECOND, case.order(SELL, "1", LIMIT, "110"))).status


@pytest.mark.parametrize("filters", [{"max_orders": 3, "max_stops": 2}], ids=["counts"])
async def test_orders_that_rest_are_counted_by_symbol(case: Case) -> None:
    """M6.1 (VC-54): a linked pair is two; what makes way or never rests counts nothing."""
    await case.bought("5")
    one, two, three = (case.order(SELL, "1", STOP, price) for price in ("95", "94", "93"))
    pair = [(SECOND, two), (THIRD, case.order(SELL, "1", TAKE, "110"))]
    await case.venue.submit(FIRST, one)
    with pytest.raises(OrderRejectedError, match=r"^too_many_stop_orders"):
        await case.venue.submit_linked(pair)
    await case.venue.submit(ClientOrderId("second"), two)
    with pytest.raises(OrderRejectedError, match=r"^too_many_stop_orders"):
        await case.venue.submit(ClientOrderId("third"), three)

    await case.venue.replace("BTCUSDT", FIRST, ClientOrderId("new"), three)
    await case.venue.submit(ClientOrderId("limit"), case.order(SELL, "1", LIMIT, "120"))
    with pytest.raises(OrderRejectedError, match=r"^too_many_orders"):
        await case.venue.submit(ClientOrderId("more"), case.order(SELL, "1", LIMIT, "121"))
    at_once = case.order(SELL, "1", LIMIT, "121", time_in_force=TimeInForce.IOC)
    assert (await case.venue.submit(ClientOrderId("ioc"), at_once)).status is OrderStatus.EXPIRED
    assert (await case.venue.submit(ClientOrderId("now"), case.order(SELL, "1"))).fills
    assert sorted(await case.rests()) == ["limit", "new", "second"]


@pytest.mark.parametrize("status", [SymbolStatus.HALTED, SymbolStatus.CANCEL_ONLY])
async def test_a_symbol_that_does_not_trade_takes_and_fills_nothing(
    case: Case, status: SymbolStatus
) -> None:
    """M5.9, M6.1 (VC-55): what rests stays, and can be cancelled; then it goes on."""
    await case.bought()
    for name, price in (("stays", "95"), ("goes", "94")):
        await case.venue.submit(ClientOrderId(name), case.order(SELL, "1", STOP, price))
    case.refilter(status=status)
    for order in (case.order(SELL, "1"), case.order(BUY, "1", LIMIT, "90")):
        with pytest.raises(OrderRejectedError, match=r"^symbol_not_trading"):
            await case.venue.submit(ClientOrderId(f"no {order.type}"), order)
    await case.move("90")
    assert case.heard == []
    await case.venue.cancel("BTCUSDT", ClientOrderId("goes"))
    assert await case.rests() == ["stays"]

    case.refilter(status=SymbolStatus.TRADING)
    await case.move("90")
    assert [each.status for each in case.heard] == [OrderStatus.FILLED]
    assert (await case.venue.submit(FIRST, case.order(SELL, "1"))).fills


async def test_filters_are_told_as_they_are_in_force(case: Case) -> None:
    """M6.1 (VC-56): a lot that changes leaves what rests as it was taken."""
    await case.bought()
    await case.venue.submit(FIRST, case.order(SELL, "1.001", STOP, "95"))
    told = await case.venue.instruments([case.symbol])
    assert told == {"BTCUSDT": case.symbol.instrument}

    case.refilter(lot_size=D("0.1"), status=SymbolStatus.DELISTED)
    told = await case.venue.instruments([case.symbol])
    assert told["BTCUSDT"].lot_size == D("0.1")
    assert told["BTCUSDT"].status is SymbolStatus.DELISTED
    assert await case.rests() == [FIRST]

    case.refilter(status=SymbolStatus.TRADING)
    with pytest.raises(OrderRejectedError, match=r"^quantity_off_lot"):
        await case.venue.submit(SECOND, case.order(SELL, "0.999"))
    await case.move("94")
    assert [each.filled_quantity for each in case.heard] == [D("1.001")]


@pytest.mark.parametrize("fee_asset", ["quote", "base"])
async def test_commissions_are_told_as_fills_are_charged(case: Case, fee_asset: str) -> None:
    """M6.1 (VC-57): by symbol; `in_base` where a buy keeps less than it bought."""
    await case.bought("2")
    (told,) = (await case.venue.commissions([case.symbol])).values()
    (fill,) = await case.venue.fills_since(case.clock.now())
    assert told.in_base is (fee_asset == "base")
    assert fill.fee == fill.quantity * told.taker * (1 if told.in_base else fill.price)
    assert (fill.fee_asset == "BTC") is told.in_base


STOP_LIMIT = OrderType.STOP_LIMIT
BY_LIMIT: list[tuple[dict[str, Any], str, str, str, str | None]] = [
    # filters, quantity, stop, limit, the name (None: it is taken)
    (MARKET_LOT, "0.015", "95", "94", None),
    (STOP_LOT, "1.5", "95", "94", "quantity_off_lot"),
    ({"percent_price": PERCENT}, "1", "95", "89.99", "price_outside_percent"),
    ({"percent_price": PERCENT}, "1", "80", "90", None),
    ({"min_notional": D(95)}, "1", "95.5", "94.99", "notional_below_minimum"),
    ({"min_notional": D(95)}, "1", "80", "95", None),
    ({"min_price": D(50)}, "1", "50", "49.99", "price_below_minimum"),
    ({"max_price": D(96)}, "1", "95", "96.01", "price_above_maximum"),
    ({"max_stops": 0}, "1", "95", "94", "too_many_stop_orders"),
    ({"order_types": frozenset({MARKET, STOP})}, "1", "95", "94", "order_type_not_taken"),
    ({}, "1", "95.001", "94", "price_off_tick"),
    ({}, "1", "95", "94.001", "price_off_tick"),
]


@pytest.mark.parametrize(("filters", "quantity", "stop", "limit", "name"), BY_LIMIT)
async def test_a_stop_limit_is_judged_by_both_its_prices(
    case: Case, filters: dict[str, Any], quantity: str, stop: str, limit: str, name: str | None
) -> None:
    """M6.1 (VC-58): worth and distance by its limit, lots and counts by its stop."""
    await case.bought()
    order = case.order(SELL, quantity, STOP_LIMIT, stop, limit_price=D(limit))
    if name is None:
        assert (await case.venue.submit(FIRST, order)).status is OrderStatus.NEW
        return
    with pytest.raises(OrderRejectedError, match=rf"^{name}"):
        await case.venue.submit(FIRST, order)
    assert await case.rests() == []
