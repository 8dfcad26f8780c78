"""ccxt: USDT-M futures ("linear") by REST, stops by algoOrder."""

import sys
from typing import Any

import ccxt

from tests.conformance.scripts.steps import Steps, control, http, same, told

SYMBOL = "BTC/USDT:USDT"
MARKET = "BTCUSDT"


def client(kind: str = "hmac") -> ccxt.binance:
    name, secret = told()["keys"][kind]
    options = {"defaultType": "swap", "fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False, "fetchMargins": False, "warnOnFetchOpenOrdersWithoutSymbol": False}  # fmt: skip
    made = ccxt.binance({"apiKey": name, "secret": secret, "options": options})
    made.urls["api"] = addressed(made.urls["api"])
    return made


def addressed(urls: Any) -> Any:
    """Every URL of the futures venue on loopback; the others stay, and are not asked."""
    if isinstance(urls, dict):
        return {name: addressed(url) for name, url in urls.items()}
    return str(urls).replace("https://fapi.binance.com", http())


def refused(code: int, act: object) -> bool:
    """Whether the venue's code came through.

    ccxt chooses its exception by the host of the URL, so on loopback most are plain ExchangeErrors.
    """
    assert callable(act)
    try:
        act()
    except ccxt.ExchangeError as error:
        return f'"code": {code}' in str(error) or f'"code":{code}' in str(error)
    return False


def market(steps: Steps, it: ccxt.binance) -> None:
    with steps.step("markets and their limits"):
        rules = it.load_markets()[SYMBOL]
        assert (rules["linear"], rules["settle"], rules["contractSize"]) == (True, "USDT", 1.0)
        same(rules["limits"]["cost"]["min"], 50)
        same(rules["precision"]["price"], "0.1")
    with steps.step("prices, book, candles, trades, funding"):
        same(it.fetch_ticker(SYMBOL)["last"], 60000)
        same(it.fetch_order_book(SYMBOL, 5)["bids"][0][0], 60000)
        assert len(it.fetch_ohlcv(SYMBOL, "1h", limit=24)) == 24
        control("price", symbol=MARKET, price="60000")
        same(it.fetch_trades(SYMBOL)[-1]["price"], 60000)
        same(it.fetch_funding_rate(SYMBOL)["markPrice"], 60000)


def settings(steps: Steps, it: ccxt.binance) -> None:
    with steps.step("position mode, margin mode, leverage"):
        assert it.fetch_position_mode(SYMBOL)["hedged"] is False
        it.set_margin_mode("isolated", SYMBOL)
        same(it.set_leverage(10, SYMBOL)["leverage"], 10)
        assert it.fetch_leverages([SYMBOL])[SYMBOL]["marginMode"] == "isolated"
        assert it.fetch_leverage_tiers([SYMBOL])[SYMBOL][0]["maxLeverage"]


def orders(steps: Steps, it: ccxt.binance) -> None:
    with steps.step("market order, its trade, the position"):
        done = it.create_order(SYMBOL, "market", "buy", 0.01)
        found = it.fetch_order(done["id"], SYMBOL)
        assert (found["status"], found["filled"]) == ("closed", 0.01)
        trade = it.fetch_my_trades(SYMBOL)[-1]
        same(trade["fee"]["cost"], "0.24")
        held = it.fetch_positions([SYMBOL])[0]
        assert (held["side"], held["contracts"]) == ("long", 0.01)
    with steps.step("limit order: place, edit, cancel"):
        order = it.create_order(SYMBOL, "limit", "buy", 0.01, 58000, {"clientOrderId": "ccxt-1"})
        assert [row["clientOrderId"] for row in it.fetch_open_orders(SYMBOL)] == ["ccxt-1"]
        moved = it.edit_order(order["id"], SYMBOL, "limit", "buy", 0.01, 58500)
        same(moved["price"], 58500)
        assert it.cancel_order(moved["id"], SYMBOL)["status"] == "canceled"
        assert refused(-2011, lambda: it.cancel_order(moved["id"], SYMBOL))
    with steps.step("stop: place, list, trigger"):
        stop = it.create_order(SYMBOL, "market", "sell", 0.01, None, {"stopLossPrice": 59000, "reduceOnly": True})  # fmt: skip
        assert it.fetch_open_orders(SYMBOL) == []
        assert [row["id"] for row in it.fetch_open_orders(SYMBOL, params={"trigger": True})] == [stop["id"]]  # fmt: skip
        control("price", symbol=MARKET, price="58990")
        assert it.fetch_open_orders(SYMBOL, params={"trigger": True}) == []
        assert not [row for row in it.fetch_positions([SYMBOL]) if row["contracts"]]
        control("price", symbol=MARKET, price="60000")
    with steps.step("stop: cancel"):
        stop = it.create_order(SYMBOL, "market", "sell", 0.01, None, {"triggerPrice": 50000})
        it.cancel_order(stop["id"], SYMBOL, {"trigger": True})
        assert it.fetch_open_orders(SYMBOL, params={"trigger": True}) == []
    with steps.step("refusals with the venue's codes"):
        assert refused(-2019, lambda: it.create_order(SYMBOL, "market", "buy", 10))
        assert refused(-2022, lambda: it.create_order(SYMBOL, "market", "buy", 0.01, None, {"reduceOnly": True}))  # fmt: skip
        assert refused(-5022, lambda: it.create_order(SYMBOL, "limit", "buy", 0.01, 61000, {"postOnly": True}))  # fmt: skip


def money(steps: Steps, it: ccxt.binance) -> None:
    with steps.step("balance and funding history"):
        it.create_order(SYMBOL, "market", "buy", 0.01)
        control("funding", symbol=MARKET, rate="0.0001")
        same(it.fetch_funding_history(SYMBOL)[-1]["amount"], "-0.06")
        balance = it.fetch_balance()["USDT"]
        assert 0 < balance["free"] < balance["total"] < 10000


def main() -> int:
    steps = Steps()
    it = client()
    for part in (market, settings, orders, money):
        part(steps, it)
    with steps.step("an Ed25519 key"):
        other = client("ed25519")
        other.load_markets()
        assert other.fetch_position_mode(SYMBOL)["hedged"] is False
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
