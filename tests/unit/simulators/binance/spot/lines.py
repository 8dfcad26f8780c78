"""The served simulator with a client that shares nothing with the daemon: REST and WebSockets."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from tests.simulators.binance import ed25519
from tests.simulators.binance.signing import websocket_payload
from tests.simulators.binance.spot.demo import (
    ED25519_KEY,
    ED25519_SECRET,
    HMAC_KEY,
    HMAC_SECRET,
    furnish,
)
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.server import Server, served

PATIENCE = 20.0  # seconds of real time
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Line:
    """A WebSocket to the simulator."""

    socket: aiohttp.ClientWebSocketResponse
    asked: int = 0

    async def next(self) -> dict[str, Any]:
        return await self.until(lambda _: True)

    async def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Read past pings and what is not *wanted*."""
        async with asyncio.timeout(PATIENCE):
            while True:
                frame = await self.socket.receive()
                if frame.type is aiohttp.WSMsgType.PING:
                    continue
                message: dict[str, Any] = json.loads(frame.data)
                if wanted(message):
                    return message

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the WebSocket API; the answer, which is this request's or nobody's."""
        self.asked += 1
        number = self.asked
        await self.socket.send_json({"id": number, "method": method, "params": params})
        return await self.until(lambda m: "status" in m and m["id"] in {number, None})

    async def tell(self, method: str, *params: Any) -> dict[str, Any]:
        """Ask for market streams; the answer."""
        await self.socket.send_json({"method": method, "params": list(params), "id": 1})
        return await self.until(lambda message: "result" in message or "code" in message)

    async def closed(self) -> int | None:
        """Read until the connection has ended: its close code."""
        async with asyncio.timeout(PATIENCE):
            while not self.socket.closed:
                await self.socket.receive()
        return self.socket.close_code


@dataclass
class Exchange:
    simulator: SpotSimulator
    server: Server
    client: aiohttp.ClientSession

    def now_ms(self) -> int:
        return self.server.clock.now_ms()

    def signed(self, *, ed: bool = False, **params: Any) -> dict[str, Any]:
        """Sign parameters of the WebSocket API."""
        name = ED25519_KEY if ed else HMAC_KEY
        all_params = {"apiKey": name, "timestamp": self.now_ms()} | params
        payload = websocket_payload(all_params)
        if ed:
            signature = base64.b64encode(ed25519.sign(ED25519_SECRET, payload)).decode()
        else:
            signature = hmac.new(HMAC_SECRET.encode(), payload, hashlib.sha256).hexdigest()
        return all_params | {"signature": signature}

    async def rest(
        self, method: str, path: str, *, ed: bool = False, **params: Any
    ) -> tuple[int, bytes]:
        """Send a signed REST request: parameters of POST in the body, of others in the query."""
        text = urlencode({"timestamp": self.now_ms()} | params)
        if ed:
            raw = base64.b64encode(ed25519.sign(ED25519_SECRET, text.encode())).decode()
            signature = quote(raw, safe="")
        else:
            signature = hmac.new(HMAC_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        text += f"&signature={signature}"
        headers = {"X-MBX-APIKEY": ED25519_KEY if ed else HMAC_KEY}
        url, data = self.server.http + path, None
        if method == "POST":
            data, headers = text, headers | {"Content-Type": "application/x-www-form-urlencoded"}
        else:
            url += "?" + text
        async with self.client.request(
            method, URL(url, encoded=True), data=data, headers=headers
        ) as answer:
            return answer.status, await answer.read()

    async def order(self, **params: Any) -> dict[str, Any]:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
        status, body = await self.rest("POST", "/api/v3/order", **(order | params))
        assert status == 200, body
        placed: dict[str, Any] = json.loads(body)
        return placed

    @asynccontextmanager
    async def line(self, path: str) -> AsyncIterator[Line]:
        async with self.client.ws_connect(self.server.ws + path, autoping=False) as socket:
            yield Line(socket)

    def user_line(self) -> Any:
        return self.line("/ws-api/v3")


@asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    """Serve the simulator with the demo account; its clock stands."""
    simulator = SpotSimulator()
    clock = SimulatorClock(NOON, running=False)
    async with served(simulator.build, clock=clock) as server, aiohttp.ClientSession() as client:
        furnish(simulator.venue)
        yield Exchange(simulator, server, client)
