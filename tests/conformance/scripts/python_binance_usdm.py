"""python-binance, the synchronous client: USDT-M futures by REST; it sends stops to algoOrder by itself."""

import sys

from binance import Client
from binance.exceptions import BinanceAPIException

from tests.conformance.scripts.steps import Steps, control, http, same, told

SYMBOL = "BTCUSDT"


def client(kind: str) -> Client:
    name, secret = told()["keys"][kind]
    given = {"private_key": secret} if kind == "ed25519" else {"api_secret": secret}
    made = Client(name, ping=False, **given)
    made.FUTURES_URL = http() + "/fapi"
    return made


def code_of(act: object) -> int:
    assert callable(act)
    try:
        act()
    except BinanceAPIException as error:
        return int(error.code)
    return 0


def market(steps: Steps, it: Client) -> None:
    with steps.step("time and rules"):
        assert it.futures_time()["serverTime"] > 0
        assert it.futures_ping() == {}
        rules = {row["symbol"]: row for row in it.futures_exchange_info()["symbols"]}
        filters = {row["filterType"]: row for row in rules[SYMBOL]["filters"]}
        same(filters["MIN_NOTIONAL"]["notional"], "50")
        assert rules["TSLAUSDT"]["contractType"] == "TRADIFI_PERPETUAL"
    with steps.step("prices, book, candles, trades"):
        same(it.futures_symbol_ticker(symbol=SYMBOL)["price"], "60000")
        same(it.futures_orderbook_ticker(symbol=SYMBOL)["bidPrice"], "60000")
        assert len(it.futures_orderbook_ticker()) == 4
        same(it.futures_mark_price(symbol=SYMBOL)["markPrice"], "60000")
        assert it.futures_order_book(symbol=SYMBOL, limit=5)["bids"]
        assert len(it.futures_klines(symbol=SYMBOL, interval="1m")[-1]) == 12
        assert len(it.futures_historical_klines(SYMBOL, "1h", "2 days ago UTC")) >= 47
        control("price", symbol=SYMBOL, price="60000")
        assert it.futures_aggregate_trades(symbol=SYMBOL)[-1]["p"]
        assert it.futures_ticker(symbol=SYMBOL)["count"] >= 1
        assert isinstance(it.futures_funding_rate(symbol=SYMBOL), list)


def settings(steps: Steps, it: Client) -> None:
    with steps.step("position mode, margin type, leverage, brackets"):
        assert it.futures_get_position_mode() == {"dualSidePosition": False}
        assert code_of(lambda: it.futures_change_position_mode(dualSidePosition="false")) == -4059
        it.futures_change_margin_type(symbol=SYMBOL, marginType="ISOLATED")
        again = code_of(lambda: it.futures_change_margin_type(symbol=SYMBOL, marginType="ISOLATED"))
        assert again == -4046
        assert it.futures_change_leverage(symbol=SYMBOL, leverage=10)["leverage"] == 10
        assert it.futures_leverage_bracket(symbol=SYMBOL)[0]["brackets"][0]["initialLeverage"]
        assert it.futures_symbol_config(symbol=SYMBOL)[0]["marginType"] == "ISOLATED"
        same(it.futures_commission_rate(symbol=SYMBOL)["takerCommissionRate"], "0.0004")


def orders(steps: Steps, it: Client) -> None:
    with steps.step("market order, its trade, the position"):
        mine = it.futures_create_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.010", newOrderRespType="RESULT")  # fmt: skip
        assert mine["status"] == "FILLED"
        assert "avgPrice" not in mine
        fills = it.futures_account_trades(symbol=SYMBOL, orderId=mine["orderId"])
        same(fills[0]["commission"], "0.24")
        held = it.futures_position_information(symbol=SYMBOL)[0]
        same(held["positionAmt"], "0.010")
    with steps.step("limit order: place, find by both ids, modify, cancel"):
        order = it.futures_create_order(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price="58000", newClientOrderId="mine-1")  # fmt: skip
        found = it.futures_get_order(symbol=SYMBOL, origClientOrderId="mine-1")
        assert (found["orderId"], found["status"]) == (order["orderId"], "NEW")
        moved = it.futures_modify_order(symbol=SYMBOL, orderId=order["orderId"], side="BUY", quantity="0.010", price="58500")  # fmt: skip
        same(moved["price"], "58500")
        assert [row["clientOrderId"] for row in it.futures_get_open_orders(symbol=SYMBOL)] == ["mine-1"]  # fmt: skip
        assert it.futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])["status"] == "CANCELED"  # fmt: skip
        assert code_of(lambda: it.futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])) == -2011  # fmt: skip
    with steps.step("stop: sent to algoOrder, listed there only, triggered by the price"):
        stop = it.futures_create_order(symbol=SYMBOL, side="SELL", type="STOP_MARKET", stopPrice="59000", quantity="0.010", reduceOnly="true")  # fmt: skip
        assert stop["algoStatus"] == "NEW"
        assert it.futures_get_open_orders(symbol=SYMBOL) == []
        assert len(it.futures_get_open_algo_orders(symbol=SYMBOL)) == 1
        control("price", symbol=SYMBOL, price="58990")
        ended = it.futures_get_algo_order(algoId=stop["algoId"])
        assert ended["algoStatus"] == "FINISHED"
        actual = it.futures_get_order(symbol=SYMBOL, orderId=ended["actualOrderId"])
        assert (actual["status"], actual["origType"]) == ("FILLED", "STOP_MARKET")
        control("price", symbol=SYMBOL, price="60000")
    with steps.step("stop: cancelled by its client id"):
        it.futures_create_algo_order(symbol=SYMBOL, side="SELL", type="STOP_MARKET", triggerPrice="50000", quantity="0.010", clientAlgoId="stop-1")  # fmt: skip
        assert it.futures_cancel_algo_order(clientAlgoId="stop-1")["msg"] == "success"
        statuses = {row["clientAlgoId"]: row["algoStatus"] for row in it.futures_get_all_algo_orders(symbol=SYMBOL)}  # fmt: skip
        assert statuses["stop-1"] == "CANCELED"
    with steps.step("several orders at once, and all cancelled"):
        rows = [
            {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": p}
            for p in ("57000", "1")
        ]  # fmt: skip
        made = it.futures_place_batch_order(batchOrders=rows)
        assert (made[0]["status"], made[1]["code"]) == ("NEW", -4164)
        it.futures_cancel_all_open_orders(symbol=SYMBOL)
        assert it.futures_get_open_orders(symbol=SYMBOL) == []
    with steps.step("refusals by their codes"):
        plain = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET"}
        assert code_of(lambda: it.futures_create_order(**plain, quantity="0.0001")) == -1111
        assert code_of(lambda: it.futures_create_order(**plain, quantity="10")) == -2019
        assert code_of(lambda: it.futures_create_order(**plain, quantity="0.010", reduceOnly="true")) == -2022  # fmt: skip
        assert code_of(lambda: it.futures_get_order(symbol=SYMBOL, orderId=1)) == -2013


def money(steps: Steps, it: Client) -> None:
    with steps.step("balances, account, incomes"):
        control("transfer", amount="100")
        usdt = next(row for row in it.futures_account_balance() if row["asset"] == "USDT")
        account = it.futures_account()
        same(account["totalWalletBalance"], usdt["balance"])
        kinds = {row["incomeType"] for row in it.futures_income_history()}
        assert kinds >= {"TRANSFER", "COMMISSION", "REALIZED_PNL"}
        assert it.futures_account_config()["dualSidePosition"] is False


def main() -> int:
    steps = Steps()
    it = client("hmac")
    for part in (market, settings, orders, money):
        part(steps, it)
    with steps.step("an Ed25519 key"):
        assert client("ed25519").futures_get_position_mode() == {"dualSidePosition": False}
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
