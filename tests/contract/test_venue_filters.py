"""What the filters of a symbol refuse, at every venue, by the same names; and what they let pass."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import FIRST, FUTURES, SECOND, Case
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderStatus, OrderType
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
    """M6.1 (VC-13): whether it would trade at once or rest, enter or exit."""
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
    """M6.1 (VC-13)."""
    await case.bought()
    report = await case.venue.submit(FIRST, case.order(side, quantity, type_, price))
    assert report.status in {OrderStatus.NEW, OrderStatus.FILLED}


@filtered
async def test_reduce_only_orders_need_no_minimum_notional(case: Case) -> None:
    """M6.1 (VC-13): futures end whatever is left; a quantity it must be."""
    await case.bought("1", position_type=FUTURES)
    reduces: dict[str, Any] = {"position_type": FUTURES, "reduce_only": True}
    report = await case.venue.submit(FIRST, case.order(SELL, "0.05", **reduces))
    assert report.status is OrderStatus.FILLED

    with pytest.raises(OrderRejectedError, match=r"^quantity_below_minimum"):
        await case.venue.submit(SECOND, case.order(SELL, "0.049", **reduces))


@filtered
async def test_a_linked_order_or_a_replacement_is_filtered_like_any_other(case: Case) -> None:
    """M6.1 (VC-13): all of them or none, and what rested stays."""
    await case.bought()
    stop, target = case.order(SELL, "0.105", STOP, "95"), case.order(SELL, "0.105", TAKE, "110")
    with pytest.raises(OrderRejectedError, match=r"^notional_below_minimum"):
        await case.venue.submit_linked([(FIRST, stop), (SECOND, target)])
    assert await case.rests() == []

    await case.venue.submit(ClientOrderId("rests"), case.order(SELL, "0.2", STOP, "95"))
    with pytest.raises(OrderRejectedError, match=r"^notional_below_minimum"):
        await case.venue.replace("BTCUSDT", ClientOrderId("rests"), ClientOrderId("new"), stop)
    assert await case.rests() == ["rests"]
