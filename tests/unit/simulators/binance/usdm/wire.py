"""A client of a served simulator, for its own tests: it signs, and it reads streams."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from tests.simulators.binance.usdm.app import serving
from tests.simulators.binance.usdm.simulator import KEY, Simulator
from tests.simulators.shared.server import Server

PATIENCE = 10.0


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> int | None:
        return self.body.get("code") if isinstance(self.body, dict) else None


@dataclass
class Wire:
    server: Server
    simulator: Simulator
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, *, signed: bool = True, **params: Any) -> Answer:
        sent = {name: str(value) for name, value in params.items()}
        headers = {"X-MBX-APIKEY": KEY.name}
        text = urlencode(sent)
        if signed:
            sent.setdefault("timestamp", str(self.server.clock.now_ms()))
            text = urlencode(sent)
            digest = hmac.new(KEY.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
            text += f"&signature={digest}"
        # As it is: of a text, aiohttp would turn %3A back to a colon, which is not what was signed.
        url = URL(f"{self.server.http}{path}?{text}", encoded=True)
        async with self.session.request(method, url, headers=headers) as answer:
            return Answer(answer.status, await answer.json(content_type=None), {k.upper(): v for k, v in answer.headers.items()})  # fmt: skip

    async def order(self, side: str, quantity: str, price: str = "", **params: Any) -> Answer:
        kind: dict[str, Any] = {"type": "LIMIT", "price": price, "timeInForce": "GTC"} if price else {"type": "MARKET"}  # fmt: skip
        asked: dict[str, Any] = (
            {"symbol": "BTCUSDT", "side": side, "quantity": quantity} | kind | params
        )
        return await self.ask("POST", "/fapi/v1/order", **asked)

    async def stop(self, side: str, trigger: str, **params: Any) -> Answer:
        asked: dict[str, Any] = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": side, "type": "STOP_MARKET", "triggerPrice": trigger}  # fmt: skip
        return await self.ask("POST", "/fapi/v1/algoOrder", **(asked | params))

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator["Listening"]:
        async with self.session.ws_connect(self.server.ws + path) as socket:
            yield Listening(socket)

    @asynccontextmanager
    async def user_stream(self) -> AsyncIterator["Listening"]:
        started = await self.ask("POST", "/fapi/v1/listenKey", signed=False)
        async with self.stream(f"/private/ws/{started.body['listenKey']}") as listening:
            yield listening

    def price(self, price: str, symbol: str = "BTCUSDT") -> None:
        self.simulator.venue.market.set_price(symbol, Decimal(price))


@dataclass
class Listening:
    socket: aiohttp.ClientWebSocketResponse

    async def next(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.socket.receive_str())

    async def until(self, kind: str) -> Any:
        """The next event of that kind; others are passed over."""
        while True:
            event = await self.next()
            if isinstance(event, dict) and event.get("e") == kind:
                return event

    async def subscribe(self, *channels: str) -> Any:
        await self.socket.send_str(json.dumps({"method": "SUBSCRIBE", "params": channels, "id": 1}))
        return await self.next()

    async def marked(self) -> list[Any]:
        """All that has come before the answer to a question that is asked now."""
        await self.socket.send_str(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 99}))
        found: list[Any] = []
        while True:
            event = await self.next()
            if isinstance(event, dict) and event.get("id") == 99:
                return found
            found.append(event)


@asynccontextmanager
async def wired() -> AsyncIterator[Wire]:
    """A served simulator with a client."""
    async with serving() as (server, simulator), aiohttp.ClientSession() as session:
        yield Wire(server, simulator, session)
