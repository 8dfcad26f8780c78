"""python-binance, the asynchronous client: REST, the WebSocket API, user stream and market streams."""

import asyncio
import sys
from typing import Any

from binance import AsyncClient, BinanceSocketManager

from tests.conformance.scripts.steps import Steps, control, http, same, told, ws

SYMBOL = "BTCUSDT"
PATIENCE = 30.0  # seconds


async def made(kind: str) -> AsyncClient:
    name, secret = told()["keys"][kind]
    given = {"private_key": secret} if kind == "ed25519" else {"api_secret": secret}
    client = AsyncClient(name, **given)
    client.API_URL = http() + "/api"
    client.ws_api._url = ws() + "/ws-api/v3"
    return client


async def heard(socket: Any, wanted: Any) -> Any:
    """Read until an event is *wanted*, within its time."""
    async with asyncio.timeout(PATIENCE):
        while True:
            event = await socket.recv()
            if wanted(event):
                return event


async def told_price(price: str) -> None:
    await asyncio.to_thread(control, "move", symbol=SYMBOL, price=price)


async def rest(steps: Steps, client: AsyncClient) -> None:
    with steps.step("REST: rules, order, query, cancel"):
        assert (await client.get_exchange_info())["symbols"]
        order = await client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price="50000")
        assert (await client.get_order(symbol=SYMBOL, orderId=order["orderId"]))["status"] == "NEW"
        gone = await client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert gone["status"] == "CANCELED"


async def websocket_api(steps: Steps, client: AsyncClient) -> None:
    with steps.step("WebSocket API: time, depth, account"):
        assert (await client.ws_get_time())["serverTime"] > 0
        assert (await client.ws_get_order_book(symbol=SYMBOL))["bids"]
        assert (await client.ws_get_account())["accountType"] == "SPOT"
    with steps.step("WebSocket API: order, query, cancel, OCO"):
        order = await client.ws_order_limit_buy(symbol=SYMBOL, quantity="0.01", price="50000")
        found = await client.ws_get_order(symbol=SYMBOL, orderId=order["orderId"])
        assert found["status"] == "NEW"
        gone = await client.ws_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert gone["status"] == "CANCELED"
        pair = await client.ws_create_oco_order(
            symbol=SYMBOL, side="SELL", quantity="0.01", aboveType="LIMIT_MAKER",
            abovePrice="65000", belowType="STOP_LOSS", belowStopPrice="55000",
        )  # fmt: skip
        gone = await client.ws_cancel_oco_order(symbol=SYMBOL, orderListId=pair["orderListId"])
        assert gone["listOrderStatus"] == "ALL_DONE"


async def streams(steps: Steps, client: AsyncClient) -> None:
    manager = BinanceSocketManager(client)
    manager.STREAM_URL = ws() + "/"
    with steps.step("user stream: a limit order from NEW to FILLED, and the balances"):
        async with manager.user_socket() as user:
            order = await client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price="59000")
            number = order["orderId"]
            new = await heard(user, lambda e: e.get("x") == "NEW")
            assert (new["i"], new["X"]) == (number, "NEW")
            await told_price("58990")
            fill = await heard(user, lambda e: e.get("x") == "TRADE")
            assert (fill["i"], fill["X"], fill["m"]) == (number, "FILLED", True)
            same(fill["L"], "59000")
            balances = await heard(user, lambda e: e["e"] == "outboundAccountPosition")
            assert {row["a"] for row in balances["B"]} >= {"BTC"}
            account = told()["account"]
            await asyncio.to_thread(control, "deposit", account=account, asset="ETH", amount="1")
            same((await heard(user, lambda e: e["e"] == "balanceUpdate"))["d"], "1")
    with steps.step("market streams: trade, kline, bookTicker, depth, several at once"):
        for socket, kind in (
            (manager.trade_socket(SYMBOL), "trade"),
            (manager.kline_socket(SYMBOL), "kline"),
            (manager.depth_socket(SYMBOL), "depthUpdate"),
        ):
            async with socket as one:
                await told_price("60000")
                await told_price("60010")
                assert (await heard(one, lambda e, k=kind: e.get("e") == k))["s"] == SYMBOL
        both = manager.multiplex_socket(["btcusdt@bookTicker", "btcusdt@aggTrade"])
        async with both as many:
            await told_price("60020")
            same(
                (await heard(many, lambda e: e["stream"].endswith("bookTicker")))["data"]["b"],
                "60020",
            )
            await heard(many, lambda e: e["stream"].endswith("aggTrade"))


async def run() -> int:
    steps = Steps()
    for kind in ("hmac", "ed25519"):
        client = await made(kind)
        try:
            await rest(steps, client)
            await websocket_api(steps, client)
            await streams(steps, client)
        finally:
            await client.close_connection()
    return steps.code


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
