"""ccxt.pro, Binance spot: what its `watch` calls subscribe to and keep."""

import asyncio
import sys
from typing import Any

import ccxt.pro

from tests.conformance.scripts.steps import Steps, control, http, same, told, ws

SYMBOL = "BTC/USDT"
PATIENCE = 30.0  # seconds


def exchange() -> Any:
    name, secret = told()["keys"]["hmac"]
    options = {
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
    }
    made = ccxt.pro.binance({"apiKey": name, "secret": secret, "options": options})
    for word, url in made.urls["api"].items():
        if isinstance(url, str):
            made.urls["api"][word] = http() + url[url.index("/", len("https://")) :]
    made.urls["api"]["ws"]["spot"] = ws() + "/ws"
    made.urls["api"]["ws"]["ws-api"]["spot"] = ws() + "/ws-api/v3"
    return made


async def told_price(price: str) -> None:
    await asyncio.to_thread(control, "move", symbol="BTCUSDT", price=price)


async def watched(watch: Any, act: Any) -> Any:
    """Watch, let *act* happen when the subscription stands, and give what is seen then."""
    waiting = asyncio.ensure_future(watch())
    for _ in range(40):
        await asyncio.sleep(0.25)
        if waiting.done():
            break
        await act()
    async with asyncio.timeout(PATIENCE):
        return await waiting


async def run() -> int:
    steps, it = Steps(), exchange()
    try:
        with steps.step("markets"):
            await it.load_markets()
        with steps.step("watch ticker, trades, candles"):
            move = lambda: told_price("60010")  # noqa: E731 - short, and once
            same((await watched(lambda: it.watch_ticker(SYMBOL), move))["last"], "60010")
            assert await watched(lambda: it.watch_trades(SYMBOL), move)
            assert await watched(lambda: it.watch_ohlcv(SYMBOL, "1m"), move)
        with steps.step("watch the order book: snapshot and updates"):
            prices = iter(range(60_000, 60_100))
            book = await watched(
                lambda: it.watch_order_book(SYMBOL), lambda: told_price(str(next(prices)))
            )
            assert book["bids"]
            await told_price("60200")
            for _ in range(600):
                if book["bids"] and book["bids"][0][0] == 60200:
                    break
                await asyncio.sleep(0.05)
            same(book["bids"][0][0], "60200")
        with steps.step("watch orders, trades and balance of the account"):
            order = lambda: it.create_order(SYMBOL, "market", "buy", 0.001)  # noqa: E731
            seen = await watched(lambda: it.watch_orders(SYMBOL), order)
            assert seen[-1]["symbol"] == SYMBOL
            assert await watched(lambda: it.watch_my_trades(SYMBOL), order)
            assert (await watched(it.watch_balance, order))["USDT"]["total"] > 0
    finally:
        await it.close()
    return steps.code


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
