"""WebSocket connections: market and user streams on their routes, and the WebSocket API."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.signing import as_text, websocket_payload
from tests.simulators.binance.usdm.calls import Security
from tests.simulators.binance.usdm.gate import Incoming
from tests.simulators.binance.usdm.hub import MOST_MESSAGES, Connection
from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.binance.usdm.routes import Route
from tests.simulators.binance.usdm.simulator import Simulator
from tests.simulators.shared.streams import Stream

METHODS = {
    "ping": ("GET", "/fapi/v1/ping"),
    "time": ("GET", "/fapi/v1/time"),
    "depth": ("GET", "/fapi/v1/depth"),
    "ticker.price": ("GET", "/fapi/v1/ticker/price"),
    "ticker.book": ("GET", "/fapi/v1/ticker/bookTicker"),
    "order.place": ("POST", "/fapi/v1/order"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "account.status": ("GET", "/fapi/v2/account"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
}


class Sockets:
    """The WebSocket side of a simulator, for aiohttp."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.streams = simulator.scene.streams

    def add_routes(self, app: web.Application) -> None:
        for route in Route:
            prefix = f"/{route.value}" if route.value else ""
            app.router.add_get(f"{prefix}/ws", self._stream_handler(route, combined=False))
            app.router.add_get(f"{prefix}/ws/{{names:.+}}", self._stream_handler(route, combined=False))  # fmt: skip
            app.router.add_get(f"{prefix}/stream", self._stream_handler(route, combined=True))
        app.router.add_get("/ws-fapi/v1", self._api)

    def _stream_handler(
        self, route: Route, *, combined: bool
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._stream(request, route, combined=combined)

        return handle

    async def _stream(self, request: web.Request, route: Route, *, combined: bool) -> web.StreamResponse:  # fmt: skip
        """F11: any route takes any name; which ones come is another matter."""
        hub = self.simulator.hub
        stream = await self.streams.accept(request)
        connection = Connection(stream, route, combined, self.simulator.venue.now_ms())
        connection.channels |= named_channels(request)
        hub.connections.append(connection)
        writer = asyncio.get_running_loop().create_task(connection.write())
        try:
            await self._converse(connection, stream)
        finally:
            writer.cancel()
            hub.connections.remove(connection)
            await asyncio.gather(writer, return_exceptions=True)
        return self.streams.leave(stream)

    async def _converse(self, connection: Connection, stream: Stream) -> None:
        second, count = 0, 0
        async for message in stream.asked():
            now = self.simulator.venue.now_ms() // 1000
            count = count + 1 if now == second else 1
            second = now
            if count > MOST_MESSAGES:
                await stream.close(1008, b"Too many requests")
                return
            self.simulator.hub.answer(connection, message if isinstance(message, str) else message.decode())  # fmt: skip

    async def _api(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket API: the same operations as REST, answered by id."""
        stream = await self.streams.accept(request)
        session = ApiSession(self.simulator, request.remote or "")
        async for message in stream.asked():
            await stream.send(json.dumps(session.answer(message)))
        return self.streams.leave(stream)


class ApiSession:
    """One connection of the WebSocket API; `session.logon` keeps its key for later requests."""

    def __init__(self, simulator: Simulator, address: str) -> None:
        self.simulator, self.address = simulator, address
        self.key: str | None = None

    def answer(self, message: str | bytes) -> dict[str, object]:
        number: object = None
        try:
            told = json.loads(message)
            number, method = told.get("id"), told["method"]
            given = dict(told.get("params") or {})
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"id": number, "status": 400, "error": {"code": -1135, "msg": "Invalid JSON Request"}}  # fmt: skip
        try:
            status, result = self._run(method, given)
        except VenueError as refused:
            status, result = refused.status, refused.body()
        word = "result" if status == 200 else "error"
        limits = self.simulator.gate.limits.rows(self.address)
        return {"id": number, "status": status, word: result, "rateLimits": limits}

    def _run(self, method: str, given: dict[str, object]) -> tuple[int, object]:
        if method.startswith("session."):
            return 200, self._session(method, given)
        if method not in METHODS:
            raise RefusalError(-1020, "This operation is not supported.")
        endpoint = self.simulator.endpoints[METHODS[method]]
        signature = str(given.pop("signature", ""))
        params = {name: as_text(value) for name, value in given.items()}
        key = params.get("apiKey") or self.key
        signed: tuple[bytes, str] | None = None
        if endpoint.security is Security.SIGNED and signature:
            signed = websocket_payload(given), signature
        now = self.simulator.venue.now_ms()
        outcome = self.simulator.gate.run(endpoint, Incoming(params, key, self.address, now, signed, self.key is not None))  # fmt: skip
        return outcome.status, outcome.body

    def _session(self, method: str, given: dict[str, object]) -> dict[str, object]:
        now = self.simulator.venue.now_ms()
        if method == "session.logon":
            signature = str(given.pop("signature", ""))
            key = self.simulator.keys.get(str(given.get("apiKey", "")), self.address, "enableFutures")  # fmt: skip
            if not key.public_key or not key.accepts(websocket_payload(given), signature):
                raise RefusalError(-1022)
            self.key = key.name
        elif method == "session.logout":
            self.key = None
        return {"apiKey": self.key, "authorizedSince": now if self.key else None, "connectedSince": now, "returnRateLimits": True, "serverTime": now}  # fmt: skip


def named_channels(request: web.Request) -> set[str]:
    """The streams of a URL: /ws/NAME, /stream?streams=A/B, and ?listenKey=KEY."""
    names = request.match_info.get("names", "").split("/")
    names += request.query.get("streams", "").split("/")
    names.append(request.query.get("listenKey", ""))
    return {name for name in names if name}
