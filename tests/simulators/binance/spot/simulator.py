"""Binance spot on a port: REST, WebSocket API and market streams of one venue."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiohttp import web

from tests.simulators.binance.connections import Attempts
from tests.simulators.binance.errors import VenueError, engine_refusal, refusal
from tests.simulators.binance.spot.controls import controls_of
from tests.simulators.binance.spot.feed import Feed
from tests.simulators.binance.spot.gateway import BY_PATH, Gateway, merged, read_rest
from tests.simulators.binance.spot.market_streams import MarketStreams
from tests.simulators.binance.spot.symbols import Symbol
from tests.simulators.binance.spot.venue import USUAL, Venue
from tests.simulators.binance.spot.websocket_api import WebSocketApi
from tests.simulators.shared.answers import ARRIVED, Scene

TICK = 0.02  # seconds of real time between two looks at the candles
LIMITED = (
    -1003,
    -1015,
)  # REST tells in the header Retry-After what WebSocket errors have in `data`


class SpotSimulator:
    """The simulator of Binance spot; `served(simulator.build)` puts it on a port.

    Tests hold *venue* to open accounts and to move prices, *streams* and *socket_api* for what
    happens on connections.
    """

    venue: Venue
    streams: MarketStreams
    socket_api: WebSocketApi

    def __init__(self, symbols: Iterable[Symbol] = USUAL, tick: float = TICK) -> None:
        self._symbols, self._tick = tuple(symbols), tick

    def build(self, scene: Scene) -> web.Application:
        self.venue = Venue(scene.clock, self._symbols)
        self._gateway = Gateway(self.venue)
        self._feed = Feed(self.venue)
        attempts = Attempts(self.venue.now_ms)
        self.streams = MarketStreams(self._feed, scene.streams, attempts)
        self.socket_api = WebSocketApi(self._gateway, scene, attempts)
        scene.operation_of = operation_of
        scene.not_found = _not_found
        scene.controls |= controls_of(self.venue) | {
            "shutdown": self._shut_down,
            "ping": self._ping,
        }
        app = web.Application()
        app.router.add_get("/ws-api/v3", self.socket_api.handle)
        for path in ("/ws", "/ws/{names:.*}", "/stream"):
            app.router.add_get(path, self.streams.handle)
        app.router.add_route("*", "/{path:.*}", self._rest)
        app.cleanup_ctx.append(self._ticking)
        return app

    def shut_down(self) -> None:
        """S7: announce on every connection that the server will go."""
        self.streams.shut_down()
        self.socket_api.shut_down()

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        body = (await request.read()).decode()
        address = request.remote or ""
        try:
            asked = read_rest(
                request.method, path, query, body, request.headers, address, request.get(ARRIVED)
            )
        except VenueError as error:
            headers = self.venue.limits.weight_headers(address)
            return _json(error.body(), error.status, headers)
        if asked is None:
            return web.Response(status=404, text="<html><body><h2>404 Not found</h2></body></html>")
        answer = self._gateway.answer(asked)
        shown = answer.body
        if answer.error is not None and answer.error.code in LIMITED:
            shown = {"code": answer.body["code"], "msg": answer.body["msg"]}
        return _json(shown, answer.status, dict(answer.headers))

    async def _ticking(self, _: web.Application) -> AsyncIterator[None]:
        async def tick() -> None:
            while True:
                await asyncio.sleep(self._tick)
                self._feed.tick()

        task = asyncio.ensure_future(tick())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _shut_down(self, _: dict[str, Any]) -> None:
        self.shut_down()

    async def _ping(self, _: dict[str, Any]) -> None:
        await self.streams.ping()
        await self.socket_api.ping()


async def operation_of(request: web.Request) -> str:
    """Name what a REST request asks: `place.market`, `place.list`, `cancel`, `query`, `fills` …"""
    path, _, query = request.raw_path.partition("?")
    endpoint = BY_PATH.get((request.method, path))
    if endpoint is None or endpoint.word not in {"place", "replace"}:
        return endpoint.word if endpoint else ""
    try:
        params = merged(query, (await request.read()).decode())
    except (VenueError, UnicodeDecodeError):
        return endpoint.word
    return f"{endpoint.word}.{params.get('type', '').lower()}"


async def _not_found(request: web.Request) -> web.StreamResponse:
    """Deny an order: in the words of a query, or of a cancel."""
    if request.method == "GET":
        return _json(refusal(-2013).body(), 400, {})
    return _json(engine_refusal("Unknown order sent.", -2011).body(), 400, {})


def _json(body: Any, status: int, headers: dict[str, str]) -> web.Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(
        text=text, status=status, headers=headers, content_type="application/json", charset="UTF-8"
    )
