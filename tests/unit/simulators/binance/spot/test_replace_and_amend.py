"""Cancel-replace with all its half results, and amendments that keep their place."""

from typing import Any

import pytest

from tests.simulators.binance.limits import ORDERS, Rule
from tests.simulators.binance.spot.gateway import Answer
from tests.unit.simulators.binance.spot.desk import Desk


def swap(desk: Desk, mode: str = "STOP_ON_FAILURE", **params: Any) -> Answer:
    order = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1",
        "price": "49000", "cancelReplaceMode": mode,
    }  # fmt: skip
    return desk.ask("POST", "/api/v3/order/cancelReplace", **(order | params))


def resting(desk: Desk) -> int:
    return int(desk.place("BUY", "LIMIT", price="50000")["orderId"])


def count(desk: Desk) -> str:
    return desk.venue.limits.order_headers(desk.name)["X-MBX-ORDER-COUNT-10S"]


def test_both_succeed() -> None:
    desk = Desk()
    old = resting(desk)

    answer = swap(desk, cancelOrderId=old)

    assert answer.status == 200
    assert answer.body["cancelResponse"]["orderId"] == old
    assert desk.query(answer.body["newOrderResponse"]["orderId"])["status"] == "NEW"


def test_a_failed_cancel_stops_the_new_order_which_counts_all_the_same() -> None:
    """S17: NOT_ATTEMPTED adds one to the unfilled count; a cancel never lowers it."""
    desk = Desk()

    answer = swap(desk, cancelOrderId=99)

    assert (answer.status, answer.body["code"]) == (400, -2022)
    assert answer.body["data"] == {
        "cancelResult": "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
        "newOrderResponse": None,
    }
    assert count(desk) == "1"
    resting(desk)
    desk.ask("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert count(desk) == "2"


def test_a_new_order_that_fails_leaves_the_old_one_cancelled() -> None:
    desk = Desk()
    old = resting(desk)

    answer = swap(desk, cancelOrderId=old, quantity="10")

    assert (answer.status, answer.body["code"]) == (409, -2021)
    assert answer.body["data"]["cancelResult"] == "SUCCESS"
    assert answer.body["data"]["newOrderResponse"]["code"] == -2010
    assert desk.query(old)["status"] == "CANCELED"
    rejected = desk.events()[-1]
    assert (rejected["x"], rejected["r"]) == ("REJECTED", "INSUFFICIENT_BALANCES")


def test_a_failed_cancel_may_be_allowed() -> None:
    answer = swap(Desk(), "ALLOW_FAILURE", cancelOrderId=99)

    assert (answer.status, answer.body["code"]) == (409, -2021)
    assert answer.body["data"]["cancelResult"] == "FAILURE"
    assert answer.body["data"]["newOrderResponse"]["status"] == "NEW"


def test_both_may_fail() -> None:
    answer = swap(Desk(), "ALLOW_FAILURE", cancelOrderId=99, quantity="10")

    assert (answer.status, answer.body["code"]) == (400, -2022)
    assert answer.body["data"]["newOrderResult"] == "FAILURE"


@pytest.mark.parametrize(
    ("mode", "code", "state"), [("DO_NOTHING", -1015, "NEW"), ("CANCEL_ONLY", -2021, "CANCELED")]
)
def test_a_count_that_is_used_up_leaves_at_most_the_cancel(
    mode: str, code: int, state: str
) -> None:
    desk = Desk()
    desk.venue.limits.rules = [Rule(ORDERS, "SECOND", 10, 1)]
    old = resting(desk)

    answer = swap(desk, cancelOrderId=old, orderRateLimitExceededMode=mode)

    assert (answer.status, answer.body["code"]) == (429, code)
    assert desk.query(old)["status"] == state


def amend(desk: Desk, order: int, quantity: str, **params: Any) -> Answer:
    ask: dict[str, Any] = {"symbol": "BTCUSDT", "orderId": order, "newQty": quantity} | params
    return desk.ask("PUT", "/api/v3/order/amend/keepPriority", **ask)


def test_an_amendment_reduces_in_place() -> None:
    desk = Desk()
    order = desk.place("BUY", "LIMIT", "0.5", price="50000", newClientOrderId="one")["orderId"]

    answer = amend(desk, order, "0.2", newClientOrderId="two")

    assert answer.body["amendedOrder"]["qty"] == "0.20000000"
    assert answer.body["amendedOrder"]["origClientOrderId"] == "one"
    assert desk.balance("USDT") == ("90000", "10000")
    event = desk.events()[-1]
    assert (event["x"], event["c"], event["C"]) == ("REPLACED", "two", "one")
    rows = desk.get("/api/v3/order/amendments", symbol="BTCUSDT", orderId=order)
    assert [(row["origQty"], row["newQty"]) for row in rows] == [("0.50000000", "0.20000000")]


@pytest.mark.parametrize(("quantity", "code"), [("0.5", -2038), ("0.6", -2038), ("0", -1102)])
def test_an_amendment_only_reduces(quantity: str, code: int) -> None:
    desk = Desk()
    order = desk.place("BUY", "LIMIT", "0.5", price="50000")["orderId"]

    assert desk.code(amend(desk, order, quantity)) == code


def test_an_order_is_amended_ten_times_at_most() -> None:
    """S9, S19: the eleventh amendment is -2038."""
    desk = Desk()
    order = desk.place("BUY", "LIMIT", "0.5", price="50000")["orderId"]
    for step in range(10):
        assert amend(desk, order, f"0.{49 - step}").status == 200

    assert desk.code(amend(desk, order, "0.1")) == -2038


def test_an_amendment_costs_its_weight_and_no_order() -> None:
    """S1: PUT amend/keepPriority costs 4, also where it succeeds."""
    desk = Desk()
    order = desk.place("BUY", "LIMIT", "0.5", price="50000")["orderId"]
    before = count(desk)

    answer = amend(desk, order, "0.2")

    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "4"
    assert count(desk) == before


def test_both_legs_of_a_pair_have_one_quantity() -> None:
    desk = Desk()
    pair = desk.ask(
        "POST", "/api/v3/orderList/oco", symbol="BTCUSDT", side="SELL", quantity="0.5",
        aboveType="LIMIT_MAKER", abovePrice="65000", belowType="STOP_LOSS", belowStopPrice="55000",
    ).body  # fmt: skip
    ids = [order["orderId"] for order in pair["orders"]]

    answer = amend(desk, ids[0], "0.2")

    assert [desk.query(each)["origQty"] for each in ids] == ["0.20000000", "0.20000000"]
    assert answer.body["listStatus"]["orderListId"] == pair["orderListId"]
    assert desk.balance("BTC") == ("1.8", "0.2")
