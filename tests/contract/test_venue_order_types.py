"""Order types and times in force by capability: numbered, run for each adapter."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.contract.conftest import FIRST, NOW, SECOND, THIRD, Case
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.order import OrderRequest, OrderStatus, OrderType, TimeInForce
from tradebotd.domain.side import Side

BUY, SELL = Side.BUY, Side.SELL
LIMIT, STOP, TARGET = OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET
STOP_LIMIT, TARGET_LIMIT = OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT
NEW, FILLED, CANCELED = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.CANCELED
EXPIRED, REJECTED = OrderStatus.EXPIRED, OrderStatus.REJECTED
DAY = TimeInForce.DAY
HALF_DAY, FULL_DAY = NOW + timedelta(hours=1), NOW + timedelta(days=1, hours=4)


def with_limit(
    case: Case, side: Side, type_: OrderType, stop: str, limit: str, **changes: Any
) -> OrderRequest:
    return case.order(side, "2", type_, stop, limit_price=Decimal(limit), **changes)


@pytest.mark.parametrize(
    ("side", "type_", "stop", "limit", "short_of", "beyond", "paid"),
    [
        (SELL, STOP_LIMIT, "95", "94", "95.01", "94.5", "95"),
        (SELL, TARGET_LIMIT, "105", "105", "104.99", "106", "105"),
        (SELL, TARGET_LIMIT, "105", "105.5", "104.99", "106", "105.5"),
        (BUY, STOP_LIMIT, "105", "106", "104.99", "105.5", "105"),
        (BUY, TARGET_LIMIT, "95", "94.5", "95.01", "94", "94.5"),
    ],
)
async def test_a_stop_with_a_limit_trades_within_it_once_its_stop_is_met(
    case: Case,
    side: Side,
    type_: OrderType,
    stop: str,
    limit: str,
    short_of: str,
    beyond: str,
    paid: str,
) -> None:
    """VC-65."""
    await case.bought("2")
    request = with_limit(case, side, type_, stop, limit)
    assert (await case.venue.submit(FIRST, request)).status is NEW
    await case.move(short_of)
    assert case.heard == []

    await case.move(beyond)
    await case.move(beyond)
    (heard,) = case.heard
    assert (heard.status, [fill.price for fill in heard.fills]) == (FILLED, [Decimal(paid)])
    assert heard.asked is not None
    assert (heard.asked.stop_price, heard.asked.limit_price) == (Decimal(stop), Decimal(limit))
    assert await case.balance("BTC") == 2 + 2 * side.sign


async def test_a_price_that_runs_through_a_stop_limit_leaves_it_resting(case: Case) -> None:
    """VC-66: it is open, nothing is sold; from then on it is a limit order like any other."""
    await case.bought("2")
    await case.venue.submit(FIRST, with_limit(case, SELL, STOP_LIMIT, "95", "94.5"))
    await case.move("94.51")
    assert await case.status(FIRST) is FILLED

    await case.move("100")
    await case.venue.submit(THIRD, case.order(BUY, "2"))
    await case.venue.submit(SECOND, with_limit(case, SELL, STOP_LIMIT, "95", "94.5"))
    await case.move("94", after_gap=True)
    await case.move("93")
    assert await case.status(SECOND) is NEW
    assert await case.rests() == [SECOND]
    assert await case.balance("BTC") == 2

    await case.move("96")
    assert await case.status(SECOND) is FILLED
    assert await case.balance("BTC") == 0


@pytest.mark.parametrize("type_", [STOP_LIMIT, TARGET_LIMIT])
async def test_one_whose_stop_is_met_already_is_refused(case: Case, type_: OrderType) -> None:
    """VC-66: whatever its limit is."""
    await case.bought("2")
    stop = "101" if type_ is STOP_LIMIT else "99"
    with pytest.raises(OrderRejectedError, match="would trigger immediately"):
        await case.venue.submit(FIRST, with_limit(case, SELL, type_, stop, stop))
    assert await case.status(FIRST) is REJECTED
    assert await case.rests() == []


@pytest.mark.parametrize("target", [LIMIT, TARGET_LIMIT])
@pytest.mark.parametrize(
    ("price", "filled", "gone"), [("94.8", FIRST, SECOND), ("106", SECOND, FIRST)]
)
async def test_a_stop_limit_and_a_limit_target_are_linked_like_others(
    case: Case, target: OrderType, price: str, filled: Any, gone: Any
) -> None:
    """VC-67: the inventory is held once, one of them fills, the other is cancelled."""
    await case.bought("2")
    takes = case.order(SELL, "2", target, "105", limit_price=Decimal(105))
    stops = with_limit(case, SELL, STOP_LIMIT, "95", "94.5")
    await case.venue.submit_linked([(FIRST, stops), (SECOND, takes)])
    with pytest.raises(OrderRejectedError, match="insufficient balance"):
        await case.venue.submit(THIRD, case.order(SELL, "1"))

    await case.move(price)
    assert await case.status(filled) is FILLED
    assert await case.status(gone) is CANCELED
    assert await case.balance("BTC") == 0


@pytest.mark.parametrize("closes", [[HALF_DAY, FULL_DAY]])
@pytest.mark.parametrize("taken", [{"stop_time_in_force": DAY}])
async def test_a_day_order_ends_with_its_session(
    case: Case, closes: list[datetime], taken: dict[str, Any]
) -> None:
    """VC-68: with what is linked to it, on a half day too; one made later ends with the next."""
    assert closes
    assert taken
    await case.bought("4")
    stops = case.order(SELL, "2", STOP, "95", time_in_force=DAY)
    takes = case.order(SELL, "2", LIMIT, "105")
    await case.venue.submit_linked([(FIRST, stops), (SECOND, takes)])
    case.clock.set(HALF_DAY - timedelta(seconds=1))
    assert await case.rests() == [FIRST, SECOND]

    case.clock.set(HALF_DAY)
    assert await case.status(FIRST) is EXPIRED
    assert await case.status(SECOND) is EXPIRED
    assert {(each.client_order_id, each.status) for each in case.heard} == {
        (FIRST, EXPIRED),
        (SECOND, EXPIRED),
    }
    await case.venue.submit(THIRD, case.order(SELL, "4", STOP, "95", time_in_force=DAY))
    case.clock.set(FULL_DAY - timedelta(minutes=1))
    assert await case.rests() == [THIRD]

    case.clock.set(FULL_DAY + timedelta(hours=18))
    await case.move("94")
    assert await case.status(THIRD) is EXPIRED
    assert await case.balance("BTC") == 4
    assert await case.rests() == []


@pytest.mark.parametrize(
    ("taken", "type_", "lasts", "name"),
    [
        ({"order_types": frozenset({LIMIT, STOP_LIMIT})}, STOP, "gtc", "order_type_not_taken"),
        ({"order_types": frozenset({STOP})}, STOP_LIMIT, "gtc", "order_type_not_taken"),
        ({"order_types": frozenset({STOP})}, TARGET, "gtc", "order_type_not_taken"),
        ({"stop_time_in_force": DAY}, STOP, "gtc", "time_in_force_not_taken"),
        ({}, STOP, "day", "time_in_force_not_taken"),
    ],
)
async def test_what_is_not_claimed_is_refused_by_name(
    case: Case, taken: dict[str, Any], type_: OrderType, lasts: str, name: str
) -> None:
    """VC-69: the traits say what is taken, and nothing else is."""
    assert taken is not None
    await case.bought("2")
    traits = case.venue.traits
    assert type_ not in traits.order_types or traits.time_in_force(type_) != lasts
    stop = "105" if type_ is TARGET else "95"
    limit = Decimal(stop) if type_ is STOP_LIMIT else None
    request = case.order(
        SELL, "2", type_, stop, limit_price=limit, time_in_force=TimeInForce(lasts)
    )
    with pytest.raises(OrderRejectedError, match=rf"^{name}"):
        await case.venue.submit(FIRST, request)
    assert await case.status(FIRST) is REJECTED
    assert await case.rests() == []
    assert (await case.venue.submit(SECOND, case.order(SELL, "1"))).status is FILLED
