"""python-binance, the synchronous client: REST with both kinds of keys."""

import sys

from binance import Client
from binance.exceptions import BinanceAPIException

from tests.conformance.scripts.steps import Steps, control, http, same, told

SYMBOL = "BTCUSDT"


def client(kind: str) -> Client:
    name, secret = told()["keys"][kind]
    given = {"private_key": secret} if kind == "ed25519" else {"api_secret": secret}
    made = Client(name, ping=False, **given)
    made.API_URL = http() + "/api"
    made.MARGIN_API_URL = http() + "/sapi"
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
        assert it.get_server_time()["serverTime"] > 0
        rules = it.get_symbol_info(SYMBOL)
        assert rules["status"] == "TRADING"
        assert {row["filterType"] for row in rules["filters"]} >= {"LOT_SIZE", "NOTIONAL"}
    with steps.step("prices, book, candles, trades"):
        same(it.get_symbol_ticker(symbol=SYMBOL)["price"], "60000")
        same(it.get_orderbook_ticker(symbol=SYMBOL)["bidPrice"], "60000")
        assert len(it.get_all_tickers()) == 4
        assert it.get_order_book(symbol=SYMBOL, limit=5)["bids"]
        assert len(it.get_klines(symbol=SYMBOL, interval="1m")[-1]) == 12
        assert it.get_historical_klines(SYMBOL, "1m", "1 hour ago UTC")
        assert it.get_aggregate_trades(symbol=SYMBOL)[-1]["p"]
        same(it.get_avg_price(symbol=SYMBOL)["price"], "60000")
        assert it.get_ticker(symbol=SYMBOL)["count"] >= 1


def orders(steps: Steps, it: Client) -> None:
    with steps.step("market order, its fills, the balance"):
        before = it.get_asset_balance("BTC")["free"]
        done = it.order_market_buy(symbol=SYMBOL, quantity="0.01")
        assert done["status"] == "FILLED"
        fee = done["fills"][0]["commission"]
        fills = it.get_my_trades(symbol=SYMBOL, orderId=done["orderId"])
        same(fills[0]["qty"], "0.01")
        gained = float(it.get_asset_balance("BTC")["free"]) - float(before)
        assert abs(gained - 0.01 + float(fee)) < 1e-12
    with steps.step("market order by quote amount"):
        done = it.create_order(symbol=SYMBOL, side="BUY", type="MARKET", quoteOrderQty="300")
        assert 299 < float(done["cummulativeQuoteQty"]) <= 300
    with steps.step("limit order: place, find by both ids, cancel"):
        mine = "conformance-1"
        order = it.order_limit_buy(
            symbol=SYMBOL, quantity="0.01", price="50000", newClientOrderId=mine
        )
        assert it.get_order(symbol=SYMBOL, orderId=order["orderId"])["status"] == "NEW"
        assert it.get_order(symbol=SYMBOL, origClientOrderId=mine)["orderId"] == order["orderId"]
        assert [each["clientOrderId"] for each in it.get_open_orders(symbol=SYMBOL)] == [mine]
        gone = it.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert (gone["status"], gone["origClientOrderId"]) == ("CANCELED", mine)
    with steps.step("stop with RESULT, triggered by the price"):
        stop = it.create_order(
            symbol=SYMBOL, side="SELL", type="STOP_LOSS", quantity="0.01", stopPrice="55000",
            newOrderRespType="RESULT",
        )  # fmt: skip
        assert stop["status"] == "NEW"
        control("move", symbol=SYMBOL, price="54990")
        assert it.get_order(symbol=SYMBOL, orderId=stop["orderId"])["status"] == "FILLED"
        control("move", symbol=SYMBOL, price="60000")
    with steps.step("OCO: place, one leg fills, the other expires"):
        pair = it.create_oco_order(
            symbol=SYMBOL, side="SELL", quantity="0.01",
            aboveType="LIMIT_MAKER", abovePrice="61000",
            belowType="STOP_LOSS_LIMIT", belowStopPrice="55000", belowPrice="54900",
            belowTimeInForce="GTC",
        )  # fmt: skip
        assert len(it.get_open_oco_orders()) == 1
        control("move", symbol=SYMBOL, price="61000.5")
        ids = [each["orderId"] for each in pair["orders"]]
        states = [it.get_order(symbol=SYMBOL, orderId=each)["status"] for each in ids]
        assert sorted(states) == ["EXPIRED", "FILLED"], states
        control("move", symbol=SYMBOL, price="60000")
    with steps.step("cancel and replace"):
        order = it.order_limit_buy(symbol=SYMBOL, quantity="0.01", price="50000")
        both = it.cancel_replace_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", cancelReplaceMode="STOP_ON_FAILURE",
            timeInForce="GTC", quantity="0.01", price="49000", cancelOrderId=order["orderId"],
        )  # fmt: skip
        assert both["newOrderResult"] == "SUCCESS"
        assert len(it.cancel_all_open_orders(symbol=SYMBOL)) == 1
    with steps.step("histories"):
        assert len(it.get_all_orders(symbol=SYMBOL)) >= 7
        assert it.get_current_order_count()[0]["rateLimitType"] == "ORDERS"
        assert it.get_prevented_matches(symbol=SYMBOL, orderId=1) == []


def errors(steps: Steps, it: Client) -> None:
    with steps.step("errors by their codes"):
        assert code_of(lambda: it.get_order(symbol=SYMBOL, orderId=999_999)) == -2013
        assert code_of(lambda: it.cancel_order(symbol=SYMBOL, orderId=999_999)) == -2011
        assert code_of(lambda: it.order_market_buy(symbol=SYMBOL, quantity="0.000001")) == -1013
        assert code_of(lambda: it.order_market_buy(symbol=SYMBOL, quantity="9")) == -2010
        assert code_of(lambda: it.get_symbol_ticker(symbol="NONE")) == -1121
    with steps.step("client ids: refused while open, taken again after a fill"):
        it.order_limit_buy(symbol=SYMBOL, quantity="0.01", price="50000", newClientOrderId="twice")
        again = {"symbol": SYMBOL, "quantity": "0.01", "newClientOrderId": "twice"}
        assert code_of(lambda: it.order_market_buy(**again)) == -2010
        it.cancel_order(symbol=SYMBOL, origClientOrderId="twice")
        first, second = it.order_market_buy(**again), it.order_market_buy(**again)
        assert first["orderId"] != second["orderId"]


def wallet(steps: Steps, it: Client) -> None:
    with steps.step("the key's restrictions, deposits, withdrawals, transfers"):
        allowed = it.get_account_api_permissions()
        assert len(allowed) == 13
        assert allowed["enableWithdrawals"] is False
        account = told()["account"]
        control("deposit", account=account, asset="USDT", amount="12.5")
        control("withdraw", account=account, asset="USDT", amount="10", fee="1")
        control("transfer", account=account, type="MAIN_UMFUTURE", asset="USDT", amount="-5")
        same(it.get_deposit_history(coin="USDT")[0]["amount"], "12.5")
        same(it.get_withdraw_history(coin="USDT")[0]["transactionFee"], "1")
        moved = it.query_universal_transfer_history(type="MAIN_UMFUTURE")
        same(moved["rows"][0]["amount"], "5")


def main() -> int:
    steps = Steps()
    market(steps, client("hmac"))
    for kind in ("hmac", "ed25519"):
        with steps.step(f"account with a key of {kind}"):
            assert client(kind).get_account()["accountType"] == "SPOT"
    orders(steps, client("ed25519"))
    errors(steps, client("hmac"))
    wallet(steps, client("hmac"))
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
