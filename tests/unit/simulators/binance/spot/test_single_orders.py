"""Orders of one account: fills, fees, stops, cancels, queries, client ids."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulators.binance.spot.accounts import Rates
from tests.unit.simulators.binance.spot.desk import Desk

DAY_MS = 86_400_000


def test_a_market_order_takes_the_book_level_by_level() -> None:
    desk = Desk()
    desk.venue.quote("BTCUSDT", [("60000", "1")], [("60001", "0.1"), ("60002", "0.3")])

    done = desk.place("BUY", "MARKET", "0.2")

    assert done["status"] == "FILLED"
    assert [(f["price"], f["qty"]) for f in done["fills"]] == [
        ("60001.00000000", "0.10000000"),
        ("60002.00000000", "0.10000000"),
    ]
    assert done["cummulativeQuoteQty"] == "12000.30000000"
    assert desk.balance("USDT") == ("87999.7", "0")
    assert desk.balance("BTC") == ("2.1998", "0")  # a fee of one thousandth, in what was bought


def test_a_market_order_that_the_book_cannot_fill_expires_after_a_part() -> None:
    desk = Desk()
    desk.venue.quote("BTCUSDT", [("60000", "0.3")], [("60001", "1")])

    done = desk.place("SELL", "MARKET", "0.5")

    assert (done["status"], done["executedQty"]) == ("EXPIRED", "0.30000000")
    assert done["expiryReason"] == "INSUFFICIENT_LIQUIDITY"


@pytest.mark.parametrize(
    ("time_in_force", "status", "executed", "reason"),
    [
        ("GTC", "PARTIALLY_FILLED", "0.30000000", None),
        ("IOC", "EXPIRED", "0.30000000", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("FOK", "EXPIRED", "0.00000000", "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
def test_time_in_force_decides_on_what_is_left(
    time_in_force: str, status: str, executed: str, reason: str | None
) -> None:
    desk = Desk()
    desk.venue.quote("BTCUSDT", [("59990", "1")], [("60000", "0.3"), ("60100", "1")])

    done = desk.place("BUY", "LIMIT", "0.5", price="60000", timeInForce=time_in_force)

    assert (done["status"], done["executedQty"]) == (status, executed)
    assert done.get("expiryReason") == reason


def test_a_resting_order_is_filled_at_its_own_price_as_a_maker() -> None:
    desk = Desk()
    order = desk.place("BUY", "LIMIT", "0.5", price="59000")
    assert desk.balance("USDT") == ("70500", "29500")

    desk.venue.move("BTCUSDT", "58000", depth="0.2")

    found = desk.query(order["orderId"])
    assert (found["status"], found["executedQty"]) == ("PARTIALLY_FILLED", "0.20100000")
    trades = desk.get("/api/v3/myTrades", symbol="BTCUSDT")
    assert {(t["price"], t["isMaker"]) for t in trades} == {("59000.00000000", True)}
    assert desk.balance("USDT")[1] == "17641"


def test_a_stop_waits_for_its_price_and_then_takes_the_book() -> None:
    desk = Desk()
    stop = desk.place("SELL", "STOP_LOSS", "0.1", stopPrice="59000")
    assert desk.query(stop["orderId"])["isWorking"] is False
    assert desk.balance("BTC") == ("1.9", "0.1")

    desk.venue.move("BTCUSDT", "59000.01")
    assert desk.query(stop["orderId"])["status"] == "NEW"
    desk.venue.move("BTCUSDT", "59000")

    found = desk.query(stop["orderId"])
    assert (found["status"], found["isWorking"]) == ("FILLED", True)
    assert [e["x"] for e in desk.events()] == ["NEW", "NEW", "TRADE"]


def test_a_buying_stop_that_has_become_too_dear_expires_as_rejected() -> None:
    """S4: REJECTED: the engine refused a contingent order when it was to be placed."""
    desk = Desk()
    stop = desk.place("BUY", "STOP_LOSS", "1.6", stopPrice="61000")

    desk.venue.move("BTCUSDT", "70000")

    found = desk.query(stop["orderId"])
    assert (found["status"], found["expiryReason"]) == ("EXPIRED", "REJECTED")
    assert desk.balance("USDT") == ("100000", "0")


def test_a_stop_limit_rests_where_the_market_left_its_limit() -> None:
    desk = Desk()
    stop = desk.place("SELL", "STOP_LOSS_LIMIT", "0.1", stopPrice="59000", price="58900")

    desk.venue.quote("BTCUSDT", [("58000", "1")], [("58001", "1")])
    desk.venue.print_trade("BTCUSDT", "58000")

    assert desk.query(stop["orderId"])["status"] == "NEW"
    desk.venue.move("BTCUSDT", "58950")
    assert desk.query(stop["orderId"])["status"] == "FILLED"


@pytest.mark.parametrize(
    ("side", "kind", "stop"),
    [
        ("SELL", "STOP_LOSS", "60000"),
        ("BUY", "STOP_LOSS", "59999"),
        ("SELL", "TAKE_PROFIT", "60000"),
        ("BUY", "TAKE_PROFIT", "60000"),
    ],
)
def test_a_stop_on_the_wrong_side_is_refused(side: str, kind: str, stop: str) -> None:
    refused = Desk().try_place(side, kind, "0.1", stopPrice=stop)

    assert refused.body == {"code": -2010, "msg": "Order would trigger immediately."}


def test_a_trailing_stop_follows_the_price() -> None:
    desk = Desk()
    stop = desk.place("SELL", "STOP_LOSS", "0.1", trailingDelta=100)
    for price in ("61000", "62000", "61400"):
        desk.venue.move("BTCUSDT", price)
    assert desk.query(stop["orderId"])["status"] == "NEW"

    desk.venue.move("BTCUSDT", "61380")

    assert desk.query(stop["orderId"])["status"] == "FILLED"


def test_a_fee_is_paid_in_a_third_asset_with_its_discount() -> None:
    desk = Desk()
    desk.venue.move("BNBUSDT", "600")
    desk.venue.set_commission(desk.name, pays_in_discount_asset=True)

    done = desk.place("SELL", "MARKET", "0.1")

    assert done["fills"][0]["commissionAsset"] == "BNB"
    assert done["fills"][0]["commission"] == "0.00750000"  # 6000 x 0.00075 / 600
    assert desk.balance("USDT") == ("106000", "0")
    assert desk.balance("BNB") == ("4.9925", "0")


def test_without_enough_of_the_third_asset_the_fee_is_what_was_received() -> None:
    desk = Desk()
    desk.venue.withdraw(desk.name, "BNB", "5")
    desk.venue.set_commission(desk.name, pays_in_discount_asset=True)

    done = desk.place("SELL", "MARKET", "0.1")

    assert done["fills"][0]["commissionAsset"] == "USDT"
    assert done["fills"][0]["commission"] == "6.00000000"


def test_tax_and_special_rates_are_added_and_not_discounted() -> None:
    desk = Desk()
    desk.venue.set_commission(desk.name, tax=Rates(taker=Decimal("0.002")))

    assert desk.place("SELL", "MARKET", "0.1")["fills"][0]["commission"] == "18.00000000"
    row = desk.get("/api/v3/account/commission", symbol="BTCUSDT")
    assert row["taxCommission"]["taker"] == "0.00200000"


def test_an_order_by_quote_amount_buys_whole_lots() -> None:
    desk = Desk()
    desk.venue.quote("BTCUSDT", [("60000", "1")], [("60001", "0.001"), ("70000", "1")])

    done = desk.place("BUY", "MARKET", quoteOrderQty="100")

    assert done["status"] == "FILLED"
    assert done["executedQty"] == "0.00157000"
    assert done["origQuoteOrderQty"] == "100.00000000"
    assert desk.events()[-1]["X"] == "FILLED"


def test_an_answer_is_as_long_as_was_asked() -> None:
    """S4, S5: ACK, RESULT and FULL; stops answer ACK unless told otherwise."""
    desk = Desk()
    stop = {"stopPrice": "59000"}

    assert set(desk.place("SELL", "STOP_LOSS", **stop)) == {
        "symbol", "orderId", "orderListId", "clientOrderId", "transactTime",
    }  # fmt: skip
    result = desk.place("SELL", "STOP_LOSS", newOrderRespType="RESULT", **stop)
    assert result["origQuoteOrderQty"] == "0.00000000"
    assert "fills" not in result
    assert "fills" in desk.place("BUY", "MARKET")
    assert "fills" in desk.place("BUY", "LIMIT", price="50000")


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    """Document 5, fact 1: it is no idempotency key; after a fill it is taken again."""
    desk = Desk()
    desk.place("BUY", "LIMIT", price="50000", newClientOrderId="mine")
    refused = desk.try_place("BUY", "MARKET", newClientOrderId="mine")
    assert refused.body == {"code": -2010, "msg": "Duplicate order sent."}

    desk.cancel(origClientOrderId="mine")
    first = desk.place("BUY", "MARKET", newClientOrderId="mine")
    second = desk.place("BUY", "MARKET", newClientOrderId="mine")

    assert first["orderId"] != second["orderId"]
    found = desk.get("/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine")
    assert found["orderId"] == second["orderId"]


def test_order_ids_are_unique_within_a_symbol_only() -> None:
    desk = Desk()
    desk.venue.move("ETHUSDT", "3000")

    here = desk.place("BUY", "MARKET")
    there = desk.place("BUY", "MARKET", symbol="ETHUSDT")

    assert here["orderId"] == there["orderId"]
    assert here["fills"][0]["tradeId"] == there["fills"][0]["tradeId"]


def test_queries_tell_unknown_foreign_and_archived_orders_apart() -> None:
    desk = Desk()
    desk.open("other")
    order = desk.place("BUY", "LIMIT", price="50000", newClientOrderId="mine")
    number = order["orderId"]

    def code(**params: Any) -> int:
        return desk.code(desk.ask("GET", "/api/v3/order", symbol="BTCUSDT", **params))

    assert code(orderId=99) == -2013
    assert code(orderId=number, by="other") == -2013
    assert code(orderId=number, origClientOrderId="not mine") == -2039
    assert code() == -1102
    desk.cancel(orderId=number)
    assert desk.query(number)["status"] == "CANCELED"
    desk.clock.advance(91 * DAY_MS)
    assert code(orderId=number) == -2026
    assert desk.get("/api/v3/allOrders", symbol="BTCUSDT") == []


def test_a_cancel_has_an_id_of_its_own() -> None:
    desk = Desk()
    order = desk.place("BUY", "LIMIT", "0.1", price="50000", newClientOrderId="mine")

    gone = desk.cancel(origClientOrderId="mine", newClientOrderId="away")

    assert (gone["origClientOrderId"], gone["clientOrderId"]) == ("mine", "away")
    event = desk.events()[-1]
    assert (event["x"], event["c"], event["C"]) == ("CANCELED", "away", "mine")
    assert desk.balance("USDT") == ("100000", "0")
    again = desk.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])
    assert again.body == {"code": -2011, "msg": "Unknown order sent."}


def test_a_cancel_may_be_restricted_to_a_status() -> None:
    desk = Desk()
    number = desk.place("BUY", "LIMIT", price="50000")["orderId"]
    ask = {"symbol": "BTCUSDT", "orderId": number}

    wrong = desk.ask("DELETE", "/api/v3/order", cancelRestrictions="ONLY_PARTIALLY_FILLED", **ask)
    assert desk.code(wrong) == -2011
    assert desk.code(desk.ask("DELETE", "/api/v3/order", cancelRestrictions="ONLY", **ask)) == -1145
    assert desk.cancel(orderId=number, cancelRestrictions="ONLY_NEW")["status"] == "CANCELED"


def test_fills_and_orders_come_in_windows_of_a_day_and_in_pages() -> None:
    desk = Desk()
    for _ in range(3):
        desk.place("BUY", "MARKET", "0.01")
        desk.clock.advance(1000)
    start = desk.clock.ms - 10_000
    fills = desk.get("/api/v3/myTrades", symbol="BTCUSDT")
    ids = [fill["id"] for fill in fills]

    def some(**params: Any) -> list[int]:
        return [f["id"] for f in desk.get("/api/v3/myTrades", symbol="BTCUSDT", **params)]

    assert some(limit=2) == ids[1:]
    assert some(limit=2, startTime=start) == ids[:2]
    assert some(fromId=ids[1]) == ids[1:]
    assert some(orderId=fills[0]["orderId"]) == ids[:1]
    wide: dict[str, Any] = {"symbol": "BTCUSDT", "startTime": start, "endTime": start + DAY_MS + 1}
    for path in ("/api/v3/myTrades", "/api/v3/allOrders"):
        assert desk.code(desk.ask("GET", path, **wide)) == -1127


def test_too_little_money_is_refused_by_the_engine() -> None:
    desk = Desk()

    for side, kind, quantity, more in (
        ("BUY", "LIMIT", "2", {"price": "60000"}),
        ("BUY", "MARKET", "2", {}),
        ("SELL", "MARKET", "2.1", {}),
        ("SELL", "STOP_LOSS", "2.1", {"stopPrice": "50000"}),
    ):
        refused = desk.try_place(side, kind, quantity, **more)
        assert refused.body["msg"] == "Account has insufficient balance for requested action."


def test_transfers_are_told_and_listed() -> None:
    desk = Desk()
    desk.venue.deposit(desk.name, "USDT", "12.5")
    desk.venue.withdraw(desk.name, "USDT", "10", "1")
    desk.venue.move_out(desk.name, "MAIN_UMFUTURE", "USDT", "5")

    assert [event["d"] for event in desk.events("balanceUpdate")] == [
        "12.50000000", "-11.00000000", "-5.00000000",
    ]  # fmt: skip
    assert desk.balance("USDT") == ("99996.5", "0")
    assert desk.get("/sapi/v1/capital/deposit/hisrec")[0]["amount"] == "12.5"
    assert desk.get("/sapi/v1/capital/withdraw/history")[0]["transactionFee"] == "1"
    moved = desk.get("/sapi/v1/asset/transfer", type="MAIN_UMFUTURE")
    assert (moved["total"], moved["rows"][0]["amount"]) == (1, "5")
