"""ccxt's Alpaca: crypto alone, over REST."""

import importlib
import sys
from collections.abc import Callable
from typing import Any, Final

from tests.conformance.scripts.steps import Steps, control, http, told

SYMBOL: Final = "BTC/USD"


def main() -> int:
    steps = Steps()
    ccxt = importlib.import_module("ccxt")
    keys = {"apiKey": told()["key"], "secret": told()["secret"]}
    exchange = ccxt.alpaca(keys | {"enableRateLimit": False})
    exchange.urls["api"] = dict.fromkeys(("trader", "market", "broker"), http())
    for check in (markets, market_data, limits, market_orders, refusals):
        with steps.step(check.__name__):
            control("quote", symbol=SYMBOL, bid="60000", ask="60010")
            check(exchange, ccxt)
            exchange.cancel_all_orders()
            control("advance", seconds=60)  # its requests a minute begin anew
    return steps.code


def markets(exchange: Any, _: Any) -> None:
    market = exchange.load_markets()[SYMBOL]
    expect(market["limits"]["amount"]["min"] > 0 and market["active"], market)
    expect(exchange.fetch_time() > 0, "time")
    expect(exchange.fetch_balance()["USD"]["free"] > 0, "balance")


def market_data(exchange: Any, _: Any) -> None:
    minute = exchange.fetch_time() // 60_000 * 60_000
    for number in range(5):
        at = exchange.iso8601(minute - (5 - number) * 60_000)
        figures = {"open": "1", "high": "3", "low": "1", "close": "2", "volume": "0.5"}
        control("bar", symbol="ETH/USD", feed="crypto", at=at, **figures)
    rows = exchange.fetch_ohlcv("ETH/USD", "1m", since=minute - 3_600_000)
    expect(len(rows) == 5 and rows[-1][4] == 2, rows)
    book = exchange.fetch_order_book(SYMBOL)
    expect((book["bids"][0][0], book["asks"][0][0]) == (60000, 60010), book)


def limits(exchange: Any, _: Any) -> None:
    order = exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000)
    expect(order["status"] == "open" and order["clientOrderId"], order)
    expect([each["id"] for each in exchange.fetch_open_orders(SYMBOL)] == [order["id"]], "open")
    edited = exchange.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, 51_000)
    expect(edited["id"] != order["id"], edited)
    exchange.cancel_order(edited["id"])
    expect(exchange.fetch_order(edited["id"])["status"] == "canceled", "cancelled")
    stop = {"triggerPrice": 70_000}
    stopped = exchange.create_order(SYMBOL, "limit", "buy", 0.01, 71_000, stop)
    expect(exchange.fetch_order(stopped["id"])["status"] == "open", stopped)


def market_orders(exchange: Any, _: Any) -> None:
    order = exchange.create_order(SYMBOL, "market", "buy", 0.1)
    filled = exchange.fetch_order(order["id"])
    expect(
        (filled["status"], filled["filled"], filled["average"]) == ("closed", 0.1, 60010), filled
    )
    balance = exchange.fetch_balance()["BTC"]
    expect(balance["total"] == 0.09975, balance)  # the fee is taken from the coin
    (trade,) = [each for each in exchange.fetch_my_trades(SYMBOL) if each["order"] == order["id"]]
    expect((trade["amount"], trade["price"]) == (0.1, 60010), trade)
    exchange.create_order(SYMBOL, "market", "sell", 0.09975)
    expect("BTC" not in exchange.fetch_balance()["total"], "sold")


def refusals(exchange: Any, ccxt: Any) -> None:
    raised(ccxt.InsufficientFunds, lambda: exchange.create_order(SYMBOL, "market", "buy", 1000))
    raised(ccxt.InvalidOrder, lambda: exchange.create_order(SYMBOL, "market", "buy", 0.0001))
    raised(ccxt.InvalidOrder, lambda: exchange.fetch_order("nothing"))
    bad = {"timeInForce": "FOK"}
    raised(
        ccxt.BadRequest, lambda: exchange.create_order(SYMBOL, "limit", "buy", 0.01, 50_000, bad)
    )
    exchange.apiKey, key = "unknown", exchange.apiKey
    try:
        raised(ccxt.PermissionDenied, exchange.fetch_balance)
    finally:
        exchange.apiKey = key


def raised(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        answer = call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}: {answer}")


def expect(so: bool, seen: object) -> None:  # noqa: FBT001
    if not so:
        raise AssertionError(seen)


if __name__ == "__main__":
    sys.exit(main())
