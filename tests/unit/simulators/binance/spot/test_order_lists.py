"""Order lists: OCO, OTO, OTOCO, OPO; what ends what, and what is locked meanwhile."""

from typing import Any

import pytest

from tests.simulators.binance.spot.gateway import Answer
from tests.unit.simulators.binance.spot.desk import Desk

SELL_PAIR = {
    "side": "SELL", "quantity": "0.5", "aboveType": "LIMIT_MAKER", "abovePrice": "65000",
    "belowType": "STOP_LOSS", "belowStopPrice": "55000", "newOrderRespType": "RESULT",
}  # fmt: skip
CHAIN = {
    "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "59000", "workingQuantity": "0.5",
    "workingTimeInForce": "GTC", "pendingSide": "SELL",
}  # fmt: skip


def lay(desk: Desk, kind: str, **params: Any) -> Answer:
    return desk.ask("POST", f"/api/v3/orderList/{kind}", symbol="BTCUSDT", **params)


def states(desk: Desk, answer: Answer) -> list[str]:
    return [desk.query(order["orderId"])["status"] for order in answer.body["orders"]]


def test_a_pair_locks_its_quantity_once() -> None:
    desk = Desk()

    answer = lay(desk, "oco", **SELL_PAIR)

    assert answer.status == 200
    assert [row["type"] for row in answer.body["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS"]
    assert desk.balance("BTC") == ("1.5", "0.5")
    assert [event["l"] for event in desk.events("listStatus")] == ["EXEC_STARTED"]


def test_the_limit_leg_s_first_fill_ends_the_stop() -> None:
    desk = Desk()
    answer = lay(desk, "oco", **SELL_PAIR)

    desk.venue.quote("BTCUSDT", [("65000", "0.2")], [("65001", "1")])

    assert states(desk, answer) == ["PARTIALLY_FILLED", "EXPIRED"]
    expired = desk.query(answer.body["orders"][1]["orderId"])
    assert expired["expiryReason"] == "OCO_TRIGGER"
    assert desk.balance("BTC") == ("1.5", "0.3")


def test_the_stop_ends_the_limit_leg_and_the_list() -> None:
    desk = Desk()
    answer = lay(desk, "oco", **SELL_PAIR)

    desk.venue.move("BTCUSDT", "54999")

    assert states(desk, answer) == ["EXPIRED", "FILLED"]
    assert [event["l"] for event in desk.events("listStatus")] == ["EXEC_STARTED", "ALL_DONE"]
    assert desk.get("/api/v3/openOrderList") == []
    assert desk.balance("BTC") == ("1.5", "0")


def test_cancelling_one_leg_cancels_the_list_and_answers_with_it() -> None:
    desk = Desk()
    answer = lay(desk, "oco", **SELL_PAIR)

    gone = desk.cancel(orderId=answer.body["orders"][0]["orderId"])

    assert gone["listOrderStatus"] == "ALL_DONE"
    assert [row["status"] for row in gone["orderReports"]] == ["CANCELED", "CANCELED"]
    assert desk.balance("BTC") == ("2", "0")
    again = desk.ask(
        "DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=answer.body["orderListId"]
    )
    assert desk.code(again) == -2011


def test_a_buying_pair_locks_its_dearer_leg() -> None:
    desk = Desk()

    lay(
        desk, "oco", side="BUY", quantity="0.5", belowType="LIMIT_MAKER", belowPrice="55000",
        aboveType="STOP_LOSS_LIMIT", aboveStopPrice="65000", abovePrice="66000",
        aboveTimeInForce="GTC",
    )  # fmt: skip

    assert desk.balance("USDT") == ("67000", "33000")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"abovePrice": "59000"}, -2010),
        ({"belowStopPrice": "61000"}, -2010),
        ({"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "65000"}, -1158),
        ({"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "65000",
          "belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowPrice": "55000"}, -1166),
        ({"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowPrice": "55000"}, -1168),
        ({"aboveType": "MARKET", "abovePrice": None}, -1158),
        ({"belowStopPrice": None}, -1102),
        ({"quantity": "3"}, -2010),
    ],
)  # fmt: skip
def test_a_pair_that_cannot_stand_is_refused_whole(change: dict[str, Any], code: int) -> None:
    desk = Desk()
    params = {name: value for name, value in (SELL_PAIR | change).items() if value is not None}

    assert desk.code(lay(desk, "oco", **params)) == code
    assert desk.venue.open_orders(desk.name) == []
    assert desk.balance("BTC") == ("2", "0")


def test_a_pending_order_waits_for_the_whole_fill() -> None:
    desk = Desk()
    answer = lay(
        desk,
        "oto",
        pendingType="STOP_LOSS",
        pendingStopPrice="50000",
        pendingQuantity="0.4",
        **CHAIN,
    )
    assert states(desk, answer) == ["NEW", "PENDING_NEW"]
    assert desk.balance("BTC") == ("2", "0")

    desk.venue.quote("BTCUSDT", [("58000", "1")], [("59000", "0.2")])
    assert states(desk, answer) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    desk.venue.quote("BTCUSDT", [("58000", "1")], [("59000", "1")])

    assert states(desk, answer) == ["FILLED", "NEW"]
    assert desk.balance("BTC")[1] == "0.4"


def test_a_working_order_that_fills_at_once_leaves_the_answer_pending() -> None:
    desk = Desk()
    chain = CHAIN | {"workingPrice": "60001"}

    answer = lay(
        desk, "oto", pendingType="LIMIT", pendingPrice="65000", pendingTimeInForce="GTC",
        pendingQuantity="0.4", newOrderRespType="RESULT", **chain,
    )  # fmt: skip

    assert [row["status"] for row in answer.body["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert states(desk, answer) == ["FILLED", "NEW"]


def test_a_pending_order_without_funds_expires_as_rejected() -> None:
    desk = Desk()
    answer = lay(
        desk, "oto", pendingType="LIMIT", pendingPrice="65000", pendingTimeInForce="GTC",
        pendingQuantity="5", **CHAIN,
    )  # fmt: skip

    desk.venue.move("BTCUSDT", "58000")

    assert states(desk, answer) == ["FILLED", "EXPIRED"]
    assert desk.query(answer.body["orders"][1]["orderId"])["expiryReason"] == "REJECTED"


def test_a_chain_s_pair_protects_what_was_bought() -> None:
    desk = Desk()
    answer = lay(
        desk, "otoco", pendingQuantity="0.4", pendingAboveType="LIMIT_MAKER",
        pendingAbovePrice="65000", pendingBelowType="STOP_LOSS", pendingBelowStopPrice="50000", **CHAIN,
    )  # fmt: skip
    assert answer.body["contingencyType"] == "OTO"

    desk.venue.move("BTCUSDT", "58000")
    assert states(desk, answer) == ["FILLED", "NEW", "NEW"]
    desk.venue.move("BTCUSDT", "49999")

    assert states(desk, answer) == ["FILLED", "EXPIRED", "FILLED"]


def test_an_opo_sells_what_was_received_less_the_fee() -> None:
    desk = Desk()
    answer = lay(desk, "opo", pendingType="STOP_LOSS", pendingStopPrice="50000", **CHAIN)

    desk.venue.move("BTCUSDT", "58000")

    stop = desk.query(answer.body["orders"][1]["orderId"])
    assert (stop["status"], stop["origQty"]) == ("NEW", "0.49950000")


def test_an_opo_buys_first() -> None:
    chain = CHAIN | {"workingSide": "SELL", "workingPrice": "61000"}
    answer = lay(Desk(), "opo", pendingType="STOP_LOSS", pendingStopPrice="50000", **chain)

    assert answer.body["code"] == -1222


def test_cancelling_the_working_order_ends_the_pending_one() -> None:
    desk = Desk()
    answer = lay(
        desk,
        "oto",
        pendingType="STOP_LOSS",
        pendingStopPrice="50000",
        pendingQuantity="0.4",
        **CHAIN,
    )

    desk.cancel(orderId=answer.body["orders"][0]["orderId"])

    assert states(desk, answer) == ["CANCELED", "CANCELED"]


def test_smart_order_routing_is_refused_by_a_documented_code() -> None:
    answer = Desk().ask("POST", "/api/v3/sor/order", signed=False)

    assert answer.body["code"] == -1020


def test_the_exchange_may_cancel_all() -> None:
    """S4: EXCHANGE_CANCELED, as in maintenance."""
    desk = Desk()
    order = desk.place("BUY", "LIMIT", price="50000")

    desk.venue.cancel_by_exchange("BTCUSDT")

    found = desk.query(order["orderId"])
    assert (found["status"], found["expiryReason"]) == ("EXPIRED", "EXCHANGE_CANCELED")
    assert desk.events()[-1]["eR"] == "EXCHANGE_CANCELED"
