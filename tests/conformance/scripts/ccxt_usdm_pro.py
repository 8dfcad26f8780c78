"""ccxt.pro: USDT-M streams on their routes, the user stream, orders by the WebSocket API."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import Any

import ccxt.pro

from tests.conformance.scripts.steps import Steps, control, http, same, told, ws

SYMBOL = "BTC/USDT:USDT"
MARKET = "BTCUSDT"
PATIENCE = 15.0  # seconds


def client() -> ccxt.pro.binance:
    name, secret = told()["keys"]["hmac"]
    options = {"defaultType": "swap", "fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False, "fetchMargins": False}  # fmt: skip
    made = ccxt.pro.binance({"apiKey": name, "secret": secret, "options": options})
    made.urls["api"] = addressed(made.urls["api"])
    return made


def addressed(urls: Any) -> Any:
    if isinstance(urls, dict):
        return {name: addressed(url) for name, url in urls.items()}
    rest = str(urls).replace("https://fapi.binance.com", http())
    return rest.replace("wss://fstream.binance.com", ws()).replace("wss://ws-fapi.binance.com", ws())  # fmt: skip


async def while_moving(waiting: Awaitable[Any], *prices: str) -> Any:
    """Wait for a stream's next word while the price moves."""
    task = asyncio.ensure_future(waiting)
    for turn in range(100):
        await asyncio.to_thread(control, "price", symbol=MARKET, price=prices[turn % len(prices)])
        done, _ = await asyncio.wait({task}, timeout=0.1)
        if done:
            return task.result()
    raise TimeoutError


async def streams(steps: Steps, it: ccxt.pro.binance) -> None:
    with steps.step("trades and candles (market route)"):
        trades = await while_moving(it.watch_trades(SYMBOL), "60010", "60020")
        assert trades[-1]["price"] in {60010.0, 60020.0}
        candles = await while_moving(it.watch_ohlcv(SYMBOL, "1m"), "60010", "60020")
        assert len(candles[-1]) == 6
    with steps.step("order book, snapshot and updates (public route)"):
        book = await while_moving(it.watch_order_book(SYMBOL), "60010", "60020")
        assert book["bids"][0][0] <= book["asks"][0][0]


async def user_stream(steps: Steps, it: ccxt.pro.binance) -> None:
    with steps.step("orders and trades of the account (private route)"):
        watching = asyncio.ensure_future(it.watch_my_trades(SYMBOL))
        await asyncio.sleep(1)  # until the stream stands: ccxt does not tell
        await it.create_order(SYMBOL, "market", "buy", 0.01)
        trades = await asyncio.wait_for(watching, PATIENCE)
        same(trades[-1]["amount"], "0.01")
        watching = asyncio.ensure_future(it.watch_balance())
        await asyncio.sleep(0.5)
        await asyncio.to_thread(control, "transfer", amount="10")
        balance = await asyncio.wait_for(watching, PATIENCE)
        assert balance["USDT"]["total"] > 10_000


async def websocket_api(steps: Steps, it: ccxt.pro.binance) -> None:
    with steps.step("WebSocket API: order, query, cancel"):
        order = await it.create_order_ws(SYMBOL, "limit", "buy", 0.01, 58000)
        found = await it.fetch_order_ws(order["id"], SYMBOL)
        assert found["status"] == "open"
        assert (await it.cancel_order_ws(order["id"], SYMBOL))["status"] == "canceled"


async def run(steps: Steps) -> None:
    it = client()
    try:
        with steps.step("markets"):
            assert (await it.load_markets())[SYMBOL]["linear"]
        for part in (streams, user_stream, websocket_api):
            await part(steps, it)
    finally:
        await it.close()


def main() -> int:
    steps = Steps()
    asyncio.run(run(steps))
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
