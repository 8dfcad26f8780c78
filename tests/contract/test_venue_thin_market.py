"""Orders on their way, and prices that trade a part: what every venue that knows them does."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import CASH, FIRST, FUTURES, SECOND, Case
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.fill import Fill
from tradebotd.domain.order import OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TARGET = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
CANCELED, EXPIRED, FILLED = OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.FILLED
NEW, PART = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED
LATE = {"latency": timedelta(seconds=30)}  # each price comes 20 s after the one before
THIN = {"depth_notional": Decimal(100)}  # one unit at 100

late = pytest.mark.parametrize("market", [LATE], ids=["late"])
thin = pytest.mark.parametrize("market", [THIN], ids=["thin"])
one_at_99 = pytest.mark.parametrize("market", [{"depth_notional": Decimal(99)}], ids=["thin"])
both = pytest.mark.parametrize("market", [LATE | THIN], ids=["late and thin"])


def told(case: Case) -> list[tuple[str, OrderStatus, str]]:
    return [
        (each.client_order_id, each.status, f"{each.filled_quantity.normalize():f}")
        for each in case.heard
    ]


async def trades(case: Case) -> list[tuple[Any, Any]]:
    fills: list[Fill] = [*await case.venue.fills_since(case.clock.now() - timedelta(hours=1))]
    return [(fill.quantity, fill.price) for fill in fills]


@late
async def test_an_order_on_its_way_meets_the_first_price_after_it_arrived(
    case: Case, market: dict[str, Any]
) -> None:
    """M6.1 (VC-94): it is new until then, what it may cost is locked, and a report tells the fill."""
    report = await case.venue.submit(FIRST, case.order(BUY, "2"))
    assert (report.status, report.fills) == (NEW, ())
    assert await case.rests() == [FIRST]
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await case.venue.submit(SECOND, case.order(BUY, "9"))
    await case.move("101")
    assert case.heard == []
    await case.move("103")
    assert told(case) == [(FIRST, FILLED, "2")]
    assert await trades(case) == [(2, 103)]
    assert await case.rests() == []


@late
async def test_a_stop_is_in_the_book_when_it_has_arrived(
    case: Case, market: dict[str, Any]
) -> None:
    """M6.1 (VC-94): a price that passes meanwhile does not meet it."""
    await case.venue.submit(SECOND, case.order(BUY, "2"))
    await case.move("100")
    await case.move("100")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    await case.move("94")
    assert await case.status(FIRST) is NEW
    await case.move("93")
    assert await case.status(FIRST) is FILLED


@late
async def test_an_order_on_its_way_can_be_taken_back(case: Case, market: dict[str, Any]) -> None:
    """M6.1 (VC-95)."""
    await case.venue.submit(FIRST, case.order(BUY, "2"))
    report = await case.venue.cancel("BTCUSDT", FIRST)
    assert report.status is CANCELED
    await case.move("100")
    await case.move("100")
    assert await trades(case) == []
    assert await case.balance("USDT") == CASH


@late
@pytest.mark.parametrize(
    ("limit", "status", "paid"), [("102", FILLED, [(2, 101)]), ("100.5", EXPIRED, [])]
)
async def test_an_immediate_limit_is_judged_where_it_arrives(
    case: Case, market: dict[str, Any], limit: str, status: OrderStatus, paid: list[Any]
) -> None:
    """M6.1 (VC-95): it was beyond the market when it was sent; one that is no more expires."""
    request = case.order(BUY, "2", LIMIT, limit, time_in_force=TimeInForce.IOC)
    assert (await case.venue.submit(FIRST, request)).status is NEW
    await case.move("100.4")
    await case.move("101")
    assert await case.status(FIRST) is status
    assert await trades(case) == paid
    await case.move("99")
    assert await trades(case) == paid


@late
async def test_a_limit_beyond_the_market_where_it_arrives_takes_what_there_is(
    case: Case, market: dict[str, Any]
) -> None:
    """M6.1 (VC-95): not its limit, which the price went through before."""
    await case.venue.submit(FIRST, case.order(BUY, "2", LIMIT, "102"))
    await case.move("103")
    await case.move("101")
    assert await trades(case) == [(2, 101)]


@thin
async def test_the_rest_of_a_market_order_expires(case: Case, market: dict[str, Any]) -> None:
    """M6.1 (VC-96): it takes what this price has, and the next one has nothing to do with it."""
    report = await case.venue.submit(FIRST, case.order(BUY, "2.5"))
    assert report.status is EXPIRED
    assert report.filled_quantity == 1
    assert sum(fill.quantity for fill in report.fills) == 1
    again = await case.venue.submit(SECOND, case.order(BUY, "1"))
    assert (again.status, again.fills) == (EXPIRED, ())
    assert again.filled_quantity == 0
    await case.move("100")
    assert await trades(case) == [(1, 100)]
    assert (await case.venue.account()).balances["BTC"] == 1


@one_at_99
async def test_a_limit_order_works_on_with_each_price(case: Case, market: dict[str, Any]) -> None:
    """M6.1 (VC-96): its reports count up, each with the part that is new, until all is there."""
    await case.venue.submit(FIRST, case.order(BUY, "2.5", LIMIT, "99"))
    for price in ("99", "98.9", "101", "99"):
        await case.move(price)
    assert [(status, filled) for _, status, filled in told(case)] == [
        (PART, "1"),
        (PART, "2"),
        (FILLED, "2.5"),
    ]
    parts = [report.fills[-1].quantity for report in case.heard]
    assert parts == [1, 1, Decimal("0.5")]
    report = (await case.venue.find_order("BTCUSDT", FIRST)).report
    assert report is not None
    assert (report.status, sum(fill.quantity for fill in report.fills)) == (FILLED, Decimal("2.5"))


@one_at_99
async def test_an_order_that_works_on_is_open_with_what_it_has(
    case: Case, market: dict[str, Any]
) -> None:
    """M6.1 (VC-96): it can be taken back, and keeps what it has."""
    await case.venue.submit(FIRST, case.order(BUY, "2.5", LIMIT, "99"))
    await case.move("99")
    (open_order,) = await case.venue.open_orders()
    assert open_order.status is PART
    assert open_order.filled_quantity == 1
    ended = await case.venue.cancel("BTCUSDT", FIRST)
    assert ended.status is CANCELED
    assert ended.filled_quantity == 1
    assert (await case.venue.account()).balances["BTC"] == 1


@thin
@pytest.mark.parametrize(("quantity", "filled"), [("2", 0), ("1", 1)])
async def test_all_or_nothing(
    case: Case, market: dict[str, Any], quantity: str, filled: int
) -> None:
    """M6.1 (VC-96)."""
    request = case.order(BUY, quantity, LIMIT, "103", time_in_force=TimeInForce.FOK)
    report = await case.venue.submit(FIRST, request)
    assert report.status is (FILLED if filled else EXPIRED)
    assert report.filled_quantity == filled
    assert (await case.venue.account()).balances.get("BTC", Decimal(0)) == filled


@thin
async def test_a_stop_that_a_price_fills_in_part_works_on_as_a_market_order(
    case: Case, market: dict[str, Any]
) -> None:
    """M6.1 (VC-97): wherever the price goes; its twin goes with the first part."""
    for name in ("a", "b"):
        await case.venue.submit(case.named(name), case.order(BUY, "1"))
        await case.move("100")
    await case.bracket("95", "120")
    case.heard.clear()
    await case.move("95")
    await case.move("99")
    sold = [(part.quantity, part.price) for each in case.heard for part in each.fills[-1:]]
    assert [each for each in told(case) if each[0] == SECOND] == [(SECOND, CANCELED, "0")]
    assert sum(quantity for quantity, _ in sold) == 2
    assert [price for _, price in sold] == [95, 99]
    assert await case.status(FIRST) is FILLED
    assert (await case.venue.account()).balances.get("BTC", Decimal(0)) == 0


@thin
async def test_a_reduce_only_stop_never_sells_beyond_its_position_in_parts(
    case: Case, market: dict[str, Any]
) -> None:
    """M6.1 (VC-97): what somebody else closed meanwhile is not sold again."""
    await case.venue.set_up("BTCUSDT", SymbolSetup(leverage=1))
    for name in ("a", "b"):
        request = case.order(BUY, "1", position_type=FUTURES)
        await case.venue.submit(case.named(name), request)
        await case.move("100")
    stop = case.order(SELL, "2", STOP, "95", position_type=FUTURES, reduce_only=True)
    await case.venue.submit(FIRST, stop)
    closes = case.order(SELL, "0.4", position_type=FUTURES, reduce_only=True)
    assert (await case.venue.submit(SECOND, closes)).status is FILLED
    for price in ("94", "93", "92"):
        await case.move(price)
    sold = [quantity for quantity, price in await trades(case) if price < 100]
    assert (len(sold), sum(sold)) == (2, Decimal("1.6"))
    assert await case.status(FIRST) is EXPIRED
    assert (await case.venue.account()).positions.get("BTCUSDT", Decimal(0)) == 0


@both
async def test_an_order_that_arrives_late_meets_a_thin_market(
    case: Case, market: dict[str, Any]
) -> None:
    """M6.1 (VC-94, VC-96)."""
    await case.venue.submit(FIRST, case.order(BUY, "2"))
    await case.move("100")
    await case.move("100")
    assert told(case)[-1] == (FIRST, EXPIRED, "1")
