"""ccxt's Alpaca over WebSockets: crypto's market data, orders and trades of the account."""

import asyncio
import importlib
import itertools
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.conformance.scripts.steps import Steps, control, http, told, ws

SYMBOL: Final = "BTC/USD"
PATIENCE: Final = 20.0  # seconds
TURN: Final = 0.3  # seconds between two changes of the market, until the client has heard of one
MINUTES = itertools.count()  # a bar of a minute that is known is an update, and not subscribed to


async def main() -> int:
    steps = Steps()
    ccxt = importlib.import_module("ccxt.pro")
    keys = {"apiKey": told()["key"], "secret": told()["secret"]}
    exchange = ccxt.alpaca(keys | {"enableRateLimit": False})
    streams = {"crypto": ws() + "/v1beta3/crypto/us", "trading": ws() + "/stream"}
    exchange.urls["api"] = dict.fromkeys(("trader", "market", "broker"), http()) | {"ws": streams}
    try:
        await exchange.load_markets()
        with steps.step("quotes"):
            ticker = await heard(lambda: exchange.watch_ticker(SYMBOL), quote)
            assert (ticker["bid"], ticker["ask"]) == (61_000, 61_010), ticker
        with steps.step("trades"):
            trades = await heard(lambda: exchange.watch_trades(SYMBOL), trade)
            assert trades[-1]["price"] == 60_500, trades
        with steps.step("candles"):
            candles = await heard(lambda: exchange.watch_ohlcv(SYMBOL), bar)
            assert candles[-1][4] == 2, candles
        with steps.step("orders"):

            async def place() -> None:
                await exchange.create_order(SYMBOL, "market", "buy", 0.1)

            orders = await heard(exchange.watch_orders, place)
            assert orders[-1]["symbol"] == SYMBOL, orders
    finally:
        await exchange.close()
    return steps.code


async def heard(watch: Callable[[], Awaitable[Any]], change: Callable[[], Awaitable[None]]) -> Any:
    """Make *change* again and again until *watch* has heard: a subscription has no answer here."""
    async with asyncio.timeout(PATIENCE):
        watching = asyncio.ensure_future(watch())
        while not watching.done():
            await change()
            await asyncio.wait((watching,), timeout=TURN)
        return await watching


async def quote() -> None:
    await asyncio.to_thread(control, "quote", symbol=SYMBOL, bid="61000", ask="61010")


async def trade() -> None:
    await asyncio.to_thread(control, "trade", symbol=SYMBOL, price="60500", size="1")


async def bar() -> None:
    figures = {"open": "1", "high": "3", "low": "1", "close": "2", "volume": "0.5"}
    at = f"2026-01-05T15:{next(MINUTES):02}:00Z"
    await asyncio.to_thread(control, "bar", symbol=SYMBOL, feed="crypto", at=at, **figures)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
