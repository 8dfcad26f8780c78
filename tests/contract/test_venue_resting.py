"""What every venue must do with orders that rest: numbered, run for each adapter."""

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import CASH, FIRST, FUTURES, SECOND, THIRD, Case
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TARGET = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
MARKET = OrderType.MARKET
NEW, FILLED, CANCELED = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.CANCELED
REJECTED = OrderStatus.REJECTED

LEVELS = [
    (SELL, STOP, "95", "95.01", "94"),
    (SELL, TARGET, "105", "104.99", "106"),
    (SELL, LIMIT, "105", "104.99", "106"),
    (BUY, STOP, "105", "104.99", "106"),
    (BUY, TARGET, "95", "95.01", "94"),
    (BUY, LIMIT, "95", "95.01", "94"),
]


@pytest.mark.parametrize(("side", "type_", "level", "short_of", "beyond"), LEVELS)
async def test_what_rests_fills_once_where_the_price_went_through_it(
    case: Case, side: Side, type_: OrderType, level: str, short_of: str, beyond: str
) -> None:
    """M5.4 (VC-13): the stream tells of it, and asking tells the same."""
    await case.bought("2")
    report = await case.venue.submit(FIRST, case.order(side, "2", type_, level))
    assert (report.status, report.fills) == (NEW, ())

    await case.move(short_of)
    assert case.heard == []
    assert await case.status(FIRST) is NEW

    await case.move(beyond)
    await case.move(beyond)
    (heard,) = case.heard
    assert (heard.client_order_id, heard.status, heard.filled_quantity) == (
        FIRST,
        FILLED,
        Decimal(2),
    )
    assert [(fill.price, fill.quantity) for fill in heard.fills] == [(Decimal(level), Decimal(2))]
    assert (await case.venue.find_order("BTCUSDT", FIRST)).report == heard
    assert await case.balance("BTC") == 2 + 2 * side.sign
    assert await case.rests() == []


@pytest.mark.parametrize("moves", [["100", "92"], ["96", "92", "99", "92"]])
async def test_the_balances_follow_a_fill_of_what_rested(case: Case, moves: list[str]) -> None:
    """M6.1 (VC-14)."""
    await case.bought("2")
    cash = await case.balance("USDT")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    for price in moves:
        await case.move(price)

    ((fill,),) = [report.fills for report in case.heard]
    assert (await case.venue.account()).balances == {"USDT": cash + 2 * fill.price - fill.fee}
    assert fill in await case.venue.fills_since(fill.executed_at)


@pytest.mark.parametrize(("type_", "level"), [(STOP, "100"), (STOP, "101"), (TARGET, "99")])
async def test_a_stop_that_would_trigger_at_once_is_rejected(
    case: Case, type_: OrderType, level: str
) -> None:
    """M5.4 (VC-15)."""
    await case.bought("2")
    with pytest.raises(OrderRejectedError, match="would trigger immediately"):
        await case.venue.submit(FIRST, case.order(SELL, "2", type_, level))
    assert await case.status(FIRST) is REJECTED
    assert await case.rests() == []


async def test_a_limit_beyond_the_market_fills_at_once_and_not_worse(case: Case) -> None:
    """M3.4 (VC-16)."""
    report = await case.venue.submit(FIRST, case.order(BUY, "2", LIMIT, "103"))
    assert report.status is FILLED
    assert [fill.price for fill in report.fills] == [100]


async def test_an_immediate_limit_short_of_the_market_expires(case: Case) -> None:
    """M3.4 (VC-17)."""
    request = case.order(BUY, "2", LIMIT, "95", time_in_force=TimeInForce.IOC)
    report = await case.venue.submit(FIRST, request)
    assert (report.status, report.fills) == (OrderStatus.EXPIRED, ())
    await case.move("90")
    assert case.heard == []
    assert await case.balance("USDT") == CASH


@pytest.mark.parametrize(
    ("price", "filled", "gone"), [("94", FIRST, SECOND), ("106", SECOND, FIRST)]
)
async def test_one_of_two_linked_orders_fills_and_the_other_is_cancelled(
    case: Case, price: str, filled: Any, gone: Any
) -> None:
    """M5.7 (VC-18): the stream tells of both."""
    await case.bought("2")
    await case.bracket("95", "105")
    assert await case.rests() == [FIRST, SECOND]

    await case.move(price)
    assert {each.client_order_id: each.status for each in case.heard} == {
        filled: FILLED,
        gone: CANCELED,
    }
    assert await case.status(gone) is CANCELED
    assert await case.balance("BTC") == 0


@pytest.mark.parametrize(("stop", "target"), [("101", "105"), ("95", "99"), ("95", "105")])
async def test_linked_orders_are_taken_together_or_not_at_all(
    case: Case, stop: str, target: str
) -> None:
    """M5.7 (VC-19): one that would trigger, or one sells what is not there: none rests."""
    if (stop, target) != ("95", "105"):
        await case.bought("2")
    with pytest.raises(OrderRejectedError):
        await case.bracket(stop, target)
    assert await case.rests() == []
    assert await case.status(FIRST) in {None, REJECTED}
    assert await case.status(SECOND) in {None, REJECTED}


async def test_a_linked_order_that_would_fill_at_once_is_refused(case: Case) -> None:
    """M5.7 (VC-20): else its twin would rest alone."""
    await case.bought("2")
    orders = [
        (FIRST, case.order(SELL, "2", STOP, "95")),
        (SECOND, case.order(SELL, "2", LIMIT, "98")),
    ]
    with pytest.raises(OrderRejectedError, match="would trigger immediately"):
        await case.venue.submit_linked(orders)
    assert await case.rests() == []
    assert await case.balance("BTC") == 2


async def test_linked_orders_hold_the_inventory_once_and_nobody_else_can_sell_it(
    case: Case,
) -> None:
    """M5.6 (VC-21): why an exit cannot be doubled on spot."""
    await case.bought("2")
    await case.bracket("95", "105")
    for order, request in (
        (THIRD, case.order(SELL, "0.001")),
        (ClientOrderId("tb4"), case.order(SELL, "1", STOP, "90")),
    ):
        with pytest.raises(OrderRejectedError, match="insufficient balance"):
            await case.venue.submit(order, request)
        assert await case.status(order) is REJECTED


async def test_what_rests_partly_leaves_the_rest_to_others(case: Case) -> None:
    """M5.6 (VC-22)."""
    await case.bought("3")
    await case.bracket("95", "105")
    await case.venue.submit(THIRD, case.order(SELL, "1"))
    assert await case.balance("BTC") == 2


async def test_resting_buys_hold_the_cash(case: Case) -> None:
    """M3.4 (VC-23)."""
    await case.venue.submit(FIRST, case.order(BUY, "10", LIMIT, "90"))
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await case.venue.submit(SECOND, case.order(BUY, "1"))

    await case.venue.cancel("BTCUSDT", FIRST)
    await case.venue.submit(THIRD, case.order(BUY, "9"))


async def test_cancelling_one_cancels_what_is_linked_and_frees_the_inventory(case: Case) -> None:
    """M5.7 (VC-24): the answer is of the one, the stream tells of the other."""
    await case.bought("2")
    await case.bracket("95", "105")
    report = await case.venue.cancel("BTCUSDT", FIRST)

    assert (report.client_order_id, report.status) == (FIRST, CANCELED)
    assert [(each.client_order_id, each.status) for each in case.heard] == [(SECOND, CANCELED)]
    with pytest.raises(OrderRejectedError):
        await case.venue.cancel("BTCUSDT", SECOND)
    await case.move("80")
    await case.venue.submit(THIRD, case.order(SELL, "2"))
    assert await case.balance("BTC") == 0


async def test_a_replacement_takes_over_the_inventory_in_one_call(case: Case) -> None:
    """M5.5 (VC-25)."""
    await case.bought("2")
    await case.bracket("95", "105")
    answer = await case.venue.replace("BTCUSDT", FIRST, THIRD, case.order(SELL, "2", STOP, "97"))

    assert (answer.new.client_order_id, answer.new.status) == (THIRD, NEW)
    assert answer.old is not None
    assert (answer.old.client_order_id, answer.old.status) == (FIRST, CANCELED)
    assert [(each.client_order_id, each.status) for each in case.heard] == [(SECOND, CANCELED)]
    assert await case.rests() == [THIRD]
    await case.move("90")
    assert await case.status(THIRD) is FILLED
    assert await case.status(FIRST) is CANCELED


async def test_a_refused_replacement_leaves_the_old_one(case: Case) -> None:
    """M5.5 (VC-26)."""
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    for refused in (case.order(SELL, "2", STOP, "101"), case.order(SELL, "3", STOP, "97")):
        with pytest.raises(OrderRejectedError):
            await case.venue.replace("BTCUSDT", FIRST, SECOND, refused)
    assert await case.rests() == [FIRST]
    assert await case.status(FIRST) is NEW
    await case.move("94")
    assert await case.status(FIRST) is FILLED


async def test_what_has_filled_cannot_be_replaced_and_nothing_new_is_placed(case: Case) -> None:
    """M5.5 (VC-27): the race of a fill and a replacement sells once."""
    await case.bought("4")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    await case.move("94")
    with pytest.raises(OrderRejectedError):
        await case.venue.replace("BTCUSDT", FIRST, SECOND, case.order(SELL, "2", STOP, "90"))
    assert await case.rests() == []
    assert await case.status(SECOND) is None
    assert await case.balance("BTC") == 2


async def test_open_orders_and_searches_say_what_was_asked(case: Case) -> None:
    """M4.8 (VC-28)."""
    await case.bought("2")
    request = case.order(SELL, "2", STOP, "95")
    await case.venue.submit(FIRST, request)

    (rests,) = await case.venue.open_orders()
    assert (rests.client_order_id, rests.status, rests.asked) == (FIRST, NEW, request)
    found = (await case.venue.find_order("BTCUSDT", FIRST)).report
    assert found is not None
    assert found.asked == request
    assert found.venue_order_id == rests.venue_order_id


async def test_an_order_is_found_under_its_symbol_only(case: Case) -> None:
    """VC-29."""
    await case.venue.submit(FIRST, case.order(BUY, "2", LIMIT, "90"))
    assert (await case.venue.find_order("ETHUSDT", FIRST)).report is None


async def test_doubled_ids_are_refused_in_linked_orders_and_replacements_too(case: Case) -> None:
    """I1 (VC-30)."""
    await case.bought("4")
    await case.venue.submit(FIRST, case.order(SELL, "1", STOP, "95"))
    with pytest.raises(OrderRejectedError, match="duplicate"):
        await case.bracket("94", "105")
    with pytest.raises(OrderRejectedError, match="duplicate"):
        await case.venue.replace("BTCUSDT", FIRST, FIRST, case.order(SELL, "1", STOP, "96"))
    assert await case.rests() == [FIRST]
    assert await case.status(FIRST) is NEW
    assert await case.status(SECOND) in {None, REJECTED}


async def test_reduce_only_never_opens_a_position(case: Case) -> None:
    """M5.6 (VC-31)."""
    close = case.order(SELL, "2", position_type=FUTURES, reduce_only=True)
    with pytest.raises(OrderRejectedError):
        await case.venue.submit(FIRST, close)

    await case.bought("2", position_type=FUTURES)
    await case.venue.submit(SECOND, close)
    with pytest.raises(OrderRejectedError):
        await case.venue.submit(THIRD, close)
    assert (await case.venue.account()).positions == {}


async def test_reduce_only_orders_of_futures_may_overlap_and_sell_once(case: Case) -> None:
    """M5.5 (VC-32): the second finds nothing left to reduce."""
    await case.bought("2", position_type=FUTURES)
    stop = case.order(SELL, "2", STOP, "95", position_type=FUTURES, reduce_only=True)
    await case.venue.submit(FIRST, stop)
    await case.venue.submit(SECOND, stop)
    await case.move("94")
    assert (await case.venue.account()).positions == {}
    assert [len(report.fills) for report in case.heard if report.fills] == [1]
    assert await case.rests() == []


@pytest.mark.parametrize("fee_asset", ["base"])
async def test_a_fee_in_the_base_asset_leaves_less_than_was_bought(
    case: Case, fee_asset: str
) -> None:
    """M4.11 (VC-33)."""
    assert fee_asset == "base"
    report = await case.venue.submit(FIRST, case.order(BUY, "2"))
    (fill,) = report.fills
    assert fill.fee_asset == "BTC"
    assert fill.fee > 0
    assert await case.balance("BTC") == 2 - fill.fee
    assert await case.balance("USDT") == CASH - 200
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await case.venue.submit(SECOND, case.order(SELL, "2"))


async def test_cancelling_nothing_is_refused(case: Case) -> None:
    """VC-34: an id never seen, one that filled, one that is cancelled already."""
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    await case.venue.cancel("BTCUSDT", FIRST)
    for order in (FIRST, SECOND):
        with pytest.raises(OrderRejectedError, match="nothing to cancel"):
            await case.venue.cancel("BTCUSDT", order)
    assert await case.status(FIRST) is CANCELED


async def test_spot_has_no_funding(case: Case) -> None:
    """VC-35."""
    await case.bought("2")
    for _ in range(3):
        await case.move("100")
    assert list(await case.venue.funding_since(case.clock.now().replace(year=2000))) == []
