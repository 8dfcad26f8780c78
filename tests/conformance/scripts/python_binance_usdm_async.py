"""python-binance, the asynchronous client: USDT-M user stream, market streams and WebSocket API."""

import asyncio
import sys
from typing import Any

from binance import AsyncClient, BinanceSocketManager

from tests.conformance.scripts.steps import Steps, control, http, same, told, ws

SYMBOL = "BTCUSDT"
PATIENCE = 30.0  # seconds


async def heard(socket: Any, wanted: Any) -> Any:
    """Read until an event is *wanted*, within its time."""
    async with asyncio.timeout(PATIENCE):
        while True:
            event = await socket.recv()
            if wanted(event.get("data", event) if isinstance(event, dict) else event):
                return event.get("data", event)


async def tell_price(price: str) -> None:
    await asyncio.to_thread(control, "price", symbol=SYMBOL, price=price)


async def rest(steps: Steps, client: AsyncClient) -> None:
    with steps.step("REST: order, query, cancel"):
        order = await client.futures_create_order(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price="58000")  # fmt: skip
        found = await client.futures_get_order(symbol=SYMBOL, orderId=order["orderId"])
        assert found["status"] == "NEW"
        gone = await client.futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert gone["status"] == "CANCELED"


async def user_stream(steps: Steps, client: AsyncClient, manager: BinanceSocketManager) -> None:
    with steps.step("user stream: a stop from NEW to FINISHED, and its order"):
        async with manager.futures_user_socket() as user:
            await client.futures_create_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.010")  # fmt: skip
            fill = await heard(user, lambda e: e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["X"] == "FILLED")  # fmt: skip
            same(fill["o"]["L"], "60000")
            stop = await client.futures_create_order(symbol=SYMBOL, side="SELL", type="STOP_MARKET", stopPrice="59000", quantity="0.010", reduceOnly="true")  # fmt: skip
            new = await heard(user, lambda e: e["e"] == "ALGO_UPDATE")
            assert (new["o"]["aid"], new["o"]["X"]) == (stop["algoId"], "NEW")
            await tell_price("58990")
            sold = await heard(user, lambda e: e["e"] == "ORDER_TRADE_UPDATE" and e["o"]["X"] == "FILLED")  # fmt: skip
            assert (sold["o"]["c"], sold["o"]["ot"]) == (stop["clientAlgoId"], "STOP_MARKET")
            ended = await heard(user, lambda e: e["e"] == "ALGO_UPDATE" and e["o"]["X"] == "FINISHED")  # fmt: skip
            assert ended["o"]["ai"] == str(sold["o"]["i"])
            await asyncio.to_thread(control, "transfer", amount="10")
            paid = await heard(user, lambda e: e["e"] == "ACCOUNT_UPDATE" and e["a"]["m"] == "DEPOSIT")  # fmt: skip
            same(paid["a"]["B"][0]["bc"], "10")
            await tell_price("60000")


async def market_streams(steps: Steps, manager: BinanceSocketManager) -> None:
    with steps.step("market streams: trades, candles, marks"):
        async with manager.aggtrade_futures_socket(SYMBOL) as trades:
            await tell_price("60010")
            same((await heard(trades, lambda e: e["e"] == "aggTrade"))["p"], "60010")
        async with manager.kline_futures_socket(SYMBOL) as candles:
            await tell_price("60020")
            await heard(candles, lambda e: e["e"] == "continuous_kline")
        async with manager.symbol_mark_price_socket(SYMBOL) as marks:
            await heard(marks, lambda e: e["e"] == "markPriceUpdate")
    with steps.step("public streams: books"):
        async with manager.futures_depth_socket(SYMBOL) as books:
            await tell_price("60030")
            await heard(books, lambda e: e["e"] == "depthUpdate")


async def websocket_api(steps: Steps, client: AsyncClient) -> None:
    with steps.step("WebSocket API: ticker, order, query, cancel"):
        assert (await client.ws_futures_get_order_book(symbol=SYMBOL))["bids"]
        order = await client.ws_futures_create_order(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.010", price="58000")  # fmt: skip
        found = await client.ws_futures_get_order(symbol=SYMBOL, orderId=order["orderId"])
        assert found["status"] == "NEW"
        gone = await client.ws_futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert gone["status"] == "CANCELED"
    with steps.step("WebSocket API: a stop goes to algoOrder.place"):
        stop = await client.ws_futures_create_order(symbol=SYMBOL, side="SELL", type="STOP_MARKET", triggerPrice="50000", quantity="0.010")  # fmt: skip
        assert stop["algoStatus"] == "NEW"


async def run(steps: Steps) -> None:
    name, secret = told()["keys"]["hmac"]
    client = AsyncClient(name, secret)
    client.FUTURES_URL = http() + "/fapi"
    client.ws_future._url = ws() + "/ws-fapi/v1"
    manager = BinanceSocketManager(client)
    manager.FSTREAM_URL = ws() + "/"
    try:
        await rest(steps, client)
        await user_stream(steps, client, manager)
        await market_streams(steps, manager)
        await websocket_api(steps, client)
    finally:
        await client.close_connection()


def main() -> int:
    steps = Steps()
    asyncio.run(run(steps))
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
