"""ccxt, Binance spot over REST."""

import sys
from collections.abc import Callable
from typing import Any

import ccxt

from tests.conformance.scripts.steps import Steps, control, http, same, told

SYMBOL = "BTC/USDT"


def exchange() -> Any:
    name, secret = told()["keys"]["hmac"]
    options = {
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
    }
    made = ccxt.binance({"apiKey": name, "secret": secret, "options": options})
    for word, url in made.urls["api"].items():
        if isinstance(url, str):
            made.urls["api"][word] = http() + url[url.index("/", len("https://")) :]
    return made


def market(steps: Steps, it: Any) -> None:
    with steps.step("markets, with limits and precision"):
        there = it.load_markets()[SYMBOL]
        assert there["spot"]
        same(there["limits"]["amount"]["min"], "0.00001")
        same(there["precision"]["price"], "0.01")
    with steps.step("ticker, book, candles, trades, bids and asks"):
        same(it.fetch_ticker(SYMBOL)["last"], "60000")
        assert it.fetch_order_book(SYMBOL)["bids"]
        assert len(it.fetch_ohlcv(SYMBOL, "1m")[-1]) == 6
        assert it.fetch_trades(SYMBOL)
        same(it.fetch_bids_asks([SYMBOL])[SYMBOL]["bid"], "60000")
        assert it.fetch_time() > 0


def orders(steps: Steps, it: Any) -> None:
    with steps.step("balance, market order, its trades"):
        assert it.fetch_balance()["USDT"]["free"] > 0
        done = it.create_order(SYMBOL, "market", "buy", 0.01)
        assert done["status"] == "closed"
        mine = it.fetch_my_trades(SYMBOL)
        assert mine[-1]["order"] == done["id"]
        assert mine[-1]["fee"]["currency"] == "BTC"
    with steps.step("limit order: fetch, open orders, cancel"):
        order = it.create_order(SYMBOL, "limit", "buy", 0.01, 50000)
        assert it.fetch_order(order["id"], SYMBOL)["status"] == "open"
        assert [each["id"] for each in it.fetch_open_orders(SYMBOL)] == [order["id"]]
        assert it.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    with steps.step("stop order, triggered"):
        stop = it.create_order(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": 55000})
        control("move", symbol="BTCUSDT", price="54990")
        assert it.fetch_order(stop["id"], SYMBOL)["status"] == "closed"
        control("move", symbol="BTCUSDT", price="60000")
    with steps.step("edit an order: cancel and replace"):
        order = it.create_order(SYMBOL, "limit", "buy", 0.01, 50000)
        edited = it.edit_order(order["id"], SYMBOL, "limit", "buy", 0.01, 49000)
        same(edited["price"], "49000")
        assert len(it.cancel_all_orders(SYMBOL)) == 1
    with steps.step("all orders, trading fee"):
        assert len(it.fetch_orders(SYMBOL)) >= 5
        assert it.fetch_closed_orders(SYMBOL)


def errors(steps: Steps, it: Any) -> None:
    with steps.step("errors as ccxt's own"):
        acts: tuple[tuple[Callable[[], Any], Any], ...] = (
            (lambda: it.fetch_order("999999", SYMBOL), ccxt.OrderNotFound),
            (lambda: it.cancel_order("999999", SYMBOL), ccxt.OrderNotFound),
            (lambda: it.create_order(SYMBOL, "market", "buy", 9), ccxt.InsufficientFunds),
        )
        for act, kind in acts:
            try:
                act()
            except kind:
                continue
            raise AssertionError(f"not {kind.__name__}")


def wallet(steps: Steps, it: Any) -> None:
    with steps.step("deposits, withdrawals, transfers"):
        account = told()["account"]
        control("deposit", account=account, asset="USDT", amount="12.5")
        control("withdraw", account=account, asset="USDT", amount="10", fee="1")
        control("transfer", account=account, type="MAIN_UMFUTURE", asset="USDT", amount="-5")
        same(it.fetch_deposits("USDT")[0]["amount"], "12.5")
        same(it.fetch_withdrawals("USDT")[0]["fee"]["cost"], "1")
        moved = it.fetch_transfers(
            "USDT", None, None, {"fromAccount": "spot", "toAccount": "linear"}
        )
        same(moved[0]["amount"], "5")


def main() -> int:
    steps, it = Steps(), exchange()
    market(steps, it)
    orders(steps, it)
    errors(steps, it)
    wallet(steps, it)
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
