"""ccxt.pro: USDT-M streams on their routes, the user stream, orders by the WebSocket API."""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro

from tests.conformance.scripts.steps import Steps, control, http, same, told, ws

SYMBOL = "BTC/USDT:USDT"
MARKET = "BTCUSDT"
PATIENCE = 30.0  # seconds
TURN = 0.25  # seconds between two changes


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


async def heard(watching: Awaitable[Any], change: Callable[[], Awaitable[Any]]) -> Any:
    """Make *change* again and again until a stream's word came: ccxt does not tell when it stands."""
    task = asyncio.ensure_future(watching)
    async with asyncio.timeout(PATIENCE):
        while not task.done():
            await change()
            await asyncio.wait({task}, timeout=TURN)
        return await task


async def while_moving(watching: Awaitable[Any], *prices: str) -> Any:
    """Wait for a stream's next word while the price moves."""
    turns = itertools.cycle(prices)
    return await heard(
        watching, lambda: asyncio.to_thread(control, "price", symbol=MARKET, price=next(turns))
    )


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
        trades = await heard(
            it.watch_my_trades(SYMBOL), lambda: it.create_order(SYMBOL, "market", "buy", 0.01)
        )
        same(trades[-1]["amount"], "0.01")
        balance = await heard(
            it.watch_balance(), lambda: asyncio.to_thread(control, "transfer", amount="10")
        )
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
