"""binance-sdk-spot, WebSocket API (sessions, orders, user data) and market streams."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from binance_common.configuration import (
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot

from tests.conformance.scripts.sdk_models import known
from tests.conformance.scripts.steps import Steps, control, same, told, ws

SYMBOL = "BTCUSDT"
PATIENCE = 30.0  # seconds


class Heard:
    """Events of a stream, in order."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    def __call__(self, event: Any) -> None:
        self.events.put_nowait(getattr(event, "actual_instance", event))

    async def wait(self, wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await self.events.get()
                if wanted(event):
                    return event


async def told_price(price: str) -> None:
    await asyncio.to_thread(control, "move", symbol=SYMBOL, price=price)


async def websocket_api(steps: Steps, kind: str) -> None:
    name, secret = told()["keys"][kind]
    given = {"private_key": secret} if kind == "ed25519" else {"api_secret": secret}
    settings = ConfigurationWebSocketAPI(api_key=name, stream_url=ws() + "/ws-api/v3", **given)
    api = Spot(config_ws_api=settings).websocket_api
    connection = await api.create_connection()
    try:
        if kind == "ed25519":
            with steps.step("session: log on, status"):
                logged = (await connection.session_logon()).data()
                assert known(logged).result.api_key == name
                known((await connection.session_status()).data())
        await _orders(steps, connection, kind)
        await _user_data(steps, connection, kind)
        if kind == "ed25519":
            with steps.step("session: log out"):
                assert (await connection.session_logout()).data().result.api_key is None
    finally:
        await connection.close_connection()


async def _orders(steps: Steps, connection: Any, kind: str) -> None:
    with steps.step(f"calls with a key of {kind}: market, account, order, OCO"):
        # The SDK's model of this answer has no place for the envelope.
        rules = (await connection.exchange_info(symbol=SYMBOL)).data()
        assert rules.additional_properties["result"]["symbols"]
        known((await connection.depth(symbol=SYMBOL, limit=5)).data())
        known((await connection.account_status()).data())
        order = (
            await connection.order_place(
                SYMBOL, "BUY", "LIMIT", time_in_force="GTC", quantity=0.01, price=50000
            )
        ).data()
        number = known(order).result.order_id
        known((await connection.order_status(SYMBOL, order_id=number)).data())
        gone = (await connection.order_cancel(SYMBOL, order_id=number)).data()
        assert known(gone).result.status == "CANCELED"
        pair = (
            await connection.order_list_place_oco(
                SYMBOL, "SELL", 0.01, "LIMIT_MAKER", "STOP_LOSS", above_price=65000,
                below_stop_price=55000,
            )
        ).data()  # fmt: skip
        list_id = known(pair).result.order_list_id
        known((await connection.order_list_cancel(SYMBOL, order_list_id=list_id)).data())


async def _user_data(steps: Steps, connection: Any, kind: str) -> None:
    with steps.step(f"user data with a key of {kind}: fills, balances, transfers"):
        if kind == "ed25519":
            answer = await connection.user_data_stream_subscribe()
        else:
            answer = await connection.user_data_stream_subscribe_signature()
        heard = Heard()
        answer.stream.on("message", heard)
        await connection.order_place(SYMBOL, "BUY", "MARKET", quantity=0.01)
        fill = await heard.wait(lambda e: getattr(e, "x", "") == "TRADE")
        assert known(fill).X == "FILLED"
        moved = await heard.wait(lambda e: type(e).__name__ == "OutboundAccountPosition")
        known(moved)
        account = told()["account"]
        await asyncio.to_thread(control, "deposit", account=account, asset="ETH", amount="1")
        balance = await heard.wait(lambda e: type(e).__name__ == "BalanceUpdate")
        same(known(balance).d, "1")
        await connection.order_list_place_oco(
            SYMBOL,
            "SELL",
            0.01,
            "LIMIT_MAKER",
            "STOP_LOSS",
            above_price=61000,
            below_stop_price=55000,
        )
        known(await heard.wait(lambda e: type(e).__name__ == "ListStatus"))
        await told_price("61000.5")
        expired = await heard.wait(lambda e: getattr(e, "x", "") == "EXPIRED")
        known(expired)
        await told_price("60000")
        await connection.user_data_stream_unsubscribe()


async def market_streams(steps: Steps) -> None:
    settings = ConfigurationWebSocketStreams(stream_url=ws() + "/stream")
    streams = Spot(config_ws_streams=settings).websocket_streams
    connection = await streams.create_connection()
    try:
        for name in (
            "trade",
            "agg_trade",
            "book_ticker",
            "diff_book_depth",
            "mini_ticker",
            "ticker",
        ):
            with steps.step(f"stream {name}"):
                heard = Heard()
                stream = await getattr(connection, name)(symbol=SYMBOL.lower())
                stream.on("message", heard)
                await told_price("60000")
                await told_price("60010")
                event = await heard.wait(lambda _: True)
                assert known(event).s == SYMBOL
                await stream.unsubscribe()
        with steps.step("stream kline"):
            heard = Heard()
            stream = await connection.kline(symbol=SYMBOL.lower(), interval="1m")
            stream.on("message", heard)
            await told_price("60020")
            known(await heard.wait(lambda e: e.k.i == "1m"))
        with steps.step("stream reference price"):
            heard = Heard()
            stream = await connection.reference_price(symbol=SYMBOL.lower())
            stream.on("message", heard)
            await asyncio.to_thread(control, "reference", symbol=SYMBOL, price="60000")
            known(await heard.wait(lambda e: e.s == SYMBOL))
    finally:
        await connection.close_connection(close_session=True)


async def run() -> int:
    steps = Steps()
    await websocket_api(steps, "ed25519")
    await websocket_api(steps, "hmac")
    await market_streams(steps)
    return steps.code


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
