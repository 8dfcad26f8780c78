"""The vendor's own SDK: USDT-M streams on all three routes, the user stream, the WebSocket API."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

from tests.conformance.scripts.sdk_models import strangers
from tests.conformance.scripts.steps import Steps, control, http, same, told, ws

SYMBOL = "BTCUSDT"
PATIENCE = 30.0  # seconds


def client(kind: str = "hmac") -> DerivativesTradingUsdsFutures:
    name, secret = told()["keys"][kind]
    given = {"private_key": secret} if kind == "ed25519" else {"api_secret": secret}
    return DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(api_key=name, base_path=http(), timeout=5000, **given),
        config_ws_api=ConfigurationWebSocketAPI(api_key=name, stream_url=ws() + "/ws-fapi/v1", **given),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=ws()),
    )  # fmt: skip


class Heard:
    """What a stream's callback was given."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Any] = asyncio.Queue()

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await self.events.get()
                event = getattr(event, "actual_instance", event)
                if wanted(event):
                    assert not list(strangers(event)), list(strangers(event))
                    return event


async def listen(handle: Any) -> Heard:
    heard = Heard()
    handle.on("message", heard.events.put_nowait)
    return heard


async def tell(word: str, **words: Any) -> None:
    await asyncio.to_thread(control, word, **words)


async def streams(steps: Steps) -> None:
    connection = await client().websocket_streams.create_connection()
    try:
        asked: tuple[tuple[str, Callable[[], Awaitable[Any]], Callable[[Any], bool]], ...] = (
            ("market route: trades", lambda: connection.aggregate_trade_streams(symbol="btcusdt"), lambda e: e.st == 1),
            ("market route: candles", lambda: connection.kline_candlestick_streams(symbol="btcusdt", interval="1m"), lambda e: e.k.c == "60010"),
            ("market route: marks", lambda: connection.mark_price_stream(symbol="btcusdt"), lambda e: e.i == "60010.00000000"),
            ("public route: best prices", lambda: connection.individual_symbol_book_ticker_streams(symbol="btcusdt"), lambda e: e.st == 1),
            ("public route: book updates", lambda: connection.diff_book_depth_streams(symbol="btcusdt", update_speed="100ms"), lambda e: e.pu < e.u),
        )  # fmt: skip
        for name, subscribe, wanted in asked:
            with steps.step(name):
                heard = await listen(await subscribe())
                await asyncio.sleep(0)
                await tell("price", symbol=SYMBOL, price="60010")
                await heard.until(wanted)
        with steps.step("market route: all marks, coin-margined ones too"):
            heard = await listen(
                await connection.mark_price_stream_for_all_market(update_speed="1s")
            )
            rows = await heard.until(lambda e: isinstance(e, list))
            assert {row.st for row in rows} == {1, 2}
    finally:
        await connection.close_connection(close_session=True)


async def user_stream(steps: Steps) -> None:
    it = client()
    connection = await it.websocket_streams.create_connection()
    try:
        with steps.step("private route: orders, stops, balances"):
            key = it.rest_api.start_user_data_stream().data().listen_key
            heard = await listen(await connection.user_data(key))
            await asyncio.to_thread(
                it.rest_api.new_order, symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01
            )
            fill = await heard.until(
                lambda e: type(e).__name__ == "OrderTradeUpdate" and e.o.X == "FILLED"
            )
            assert (fill.o.x, fill.o.N, fill.o.er) == ("TRADE", "USDT", "0")
            stop = await asyncio.to_thread(
                it.rest_api.new_algo_order,
                algo_type="CONDITIONAL",
                symbol=SYMBOL,
                side="SELL",
                type="STOP_MARKET",
                trigger_price=59000.0,
                quantity=0.01,
                reduce_only="true",
            )
            new = await heard.until(lambda e: type(e).__name__ == "AlgoUpdate")
            assert (new.o.aid, new.o.X) == (stop.data().algo_id, "NEW")
            await tell("price", symbol=SYMBOL, price="58990")
            ended = await heard.until(
                lambda e: type(e).__name__ == "AlgoUpdate" and e.o.X == "FINISHED"
            )
            assert ended.o.ai
            await tell("transfer", amount="10")
            paid = await heard.until(
                lambda e: type(e).__name__ == "AccountUpdate" and e.a.m == "DEPOSIT"
            )
            same(paid.a.B[0].bc, "10")
            await tell("expire_listen_keys")
            gone = await heard.until(lambda e: type(e).__name__ == "ListenKeyExpired")
            assert gone.listen_key == key
    finally:
        await tell("price", symbol=SYMBOL, price="60000")
        await connection.close_connection(close_session=True)  # fmt: skip


async def websocket_api(steps: Steps, kind: str) -> None:
    connection = await client(kind).websocket_api.create_connection()
    try:
        with steps.step(f"WebSocket API with {kind}: prices, order, stop, account"):
            price = await connection.symbol_price_ticker(symbol=SYMBOL)
            same(price.data().actual_instance.result.price, "60000")
            order = await connection.new_order(
                symbol=SYMBOL,
                side="BUY",
                type="LIMIT",
                time_in_force="GTC",
                quantity=0.01,
                price=58000.0,
            )
            number = order.data().result.order_id
            found = await connection.query_order(symbol=SYMBOL, order_id=number)
            assert found.data().result.status == "NEW"
            gone = await connection.cancel_order(symbol=SYMBOL, order_id=number)
            assert gone.data().result.status == "CANCELED"
            stop = await connection.new_algo_order(
                algo_type="CONDITIONAL",
                symbol=SYMBOL,
                side="SELL",
                type="STOP_MARKET",
                trigger_price=50000.0,
                quantity=0.01,
            )
            await connection.cancel_algo_order(algo_id=stop.data().result.algo_id)
            balances = await connection.futures_account_balance_v2()
            assert {row.asset for row in balances.data().result} >= {"USDT"}
    finally:
        await connection.close_connection(close_session=True)  # fmt: skip


async def run(steps: Steps) -> None:
    await streams(steps)
    await user_stream(steps)
    await websocket_api(steps, "hmac")
    await websocket_api(steps, "ed25519")


def main() -> int:
    steps = Steps()
    asyncio.run(run(steps))
    return steps.code


if __name__ == "__main__":
    sys.exit(main())
