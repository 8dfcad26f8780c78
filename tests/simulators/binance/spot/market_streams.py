"""The socket of market streams: raw and combined, subscribed by the URL or by messages."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.simulators.binance.connections import Attempts
from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.outbox import Inflow, Outbox
from tests.simulators.binance.spot.feed import Feed
from tests.simulators.binance.spot.units import event_in_microseconds
from tests.simulators.shared.streams import Streams

MOST_STREAMS = 1024
MESSAGES_A_SECOND = 5
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


@dataclass
class Listener:
    """One connection: its streams, and whether events come in an envelope."""

    feed: Feed
    outbox: Outbox
    combined: bool
    microseconds: bool = False
    streams: list[str] = field(default_factory=list)

    def hear(self, stream: str, event: Any) -> None:
        if self.microseconds and isinstance(event, dict):
            event = event_in_microseconds(event)
        message = {"stream": stream, "data": event} if self.combined else event
        self.outbox.put(json.dumps(message, ensure_ascii=False), stream)

    def shut_down(self, now_ms: int) -> None:
        """S7: tell that the server will go, in the shape of the connection; no lead time is promised."""
        self.hear("!serverShutdown", {"e": "serverShutdown", "E": now_ms})

    def subscribe(self, streams: list[str]) -> bool:
        """Listen to *streams*; False where they would be too many."""
        new = [stream for stream in streams if stream not in self.streams]
        if len(self.streams) + len(new) > MOST_STREAMS:
            return False
        for stream in new:
            self.streams.append(stream)
            self.feed.subscribe(stream, self.hear)
        return True

    def unsubscribe(self, streams: list[str]) -> None:
        for stream in streams:
            if stream in self.streams:
                self.streams.remove(stream)
                self.feed.unsubscribe(stream, self.hear)

    def answer(self, text: str) -> dict[str, Any] | None:
        """Answer one message of the client; None ends the connection."""
        try:
            asked = json.loads(text)
        except ValueError:
            return {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}
        if not isinstance(asked, dict) or "method" not in asked:
            return _invalid(f"missing field `method` at line 1 column {len(text)}")
        request_id, method = asked.get("id"), asked["method"]
        if method not in METHODS:
            known = ", ".join(f"`{each}`" for each in METHODS)
            return _invalid(f"unknown variant `{method}`, expected one of {known}")
        if isinstance(request_id, bool | float | dict | list):
            return _invalid("request ID must be an unsigned integer")
        params = asked.get("params", [])
        return self._perform(method, params, request_id)

    def _perform(self, method: str, params: list[Any], request_id: Any) -> dict[str, Any] | None:
        result: Any = None
        if method == "SUBSCRIBE":
            if not self.subscribe(params):
                return None
        elif method == "UNSUBSCRIBE":
            self.unsubscribe(params)
        elif method == "LIST_SUBSCRIPTIONS":
            result = list(self.streams)
        elif not params or params[0] != "combined":
            return {"code": 0, "msg": "Unknown property", "id": request_id}
        elif method == "GET_PROPERTY":
            result = self.combined
        elif not isinstance(params[-1], bool):
            return {"code": 1, "msg": "Invalid value type: expected Boolean"}
        else:
            self.combined = params[-1]
        return {"result": result, "id": request_id}


@dataclass
class MarketStreams:
    """All connections of market streams."""

    feed: Feed
    sockets: Streams
    attempts: Attempts
    open: list[Listener] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve `/ws`, `/ws/NAME/NAME…` and `/stream?streams=NAME/NAME…` until the connection ends."""
        now_ms = self.feed.venue.now_ms
        try:
            self.attempts.connect(request.remote or "")
        except VenueError as error:
            return web.json_response(error.body(), status=error.status, headers=error.headers)
        stream = await self.sockets.accept(request)
        combined = request.path.startswith("/stream")
        unit = request.query.get("timeUnit", "").upper()
        outbox = Outbox(stream, now_ms)
        listener = Listener(self.feed, outbox, combined, microseconds=unit == "MICROSECOND")
        inflow = Inflow(MESSAGES_A_SECOND, now_ms)
        self.open.append(listener)
        running = [asyncio.ensure_future(each) for each in (outbox.write(), outbox.keep())]
        try:
            if not listener.subscribe(_named(request)):
                await stream.close(1008, b"Too many streams")
            async for message in stream.asked():
                answer = listener.answer(str(message))
                if answer is None or inflow.is_too_much():
                    await stream.close(1008, b"Too many requests")
                    break
                outbox.put(json.dumps(answer), "answer")
        finally:
            listener.unsubscribe(list(listener.streams))
            self.open.remove(listener)
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return self.sockets.leave(stream)

    def shut_down(self) -> None:
        for listener in list(self.open):
            listener.shut_down(self.feed.venue.now_ms())

    async def ping(self) -> None:
        for listener in list(self.open):
            await listener.outbox.stream.ping(str(self.feed.venue.now_ms()).encode())


def _named(request: web.Request) -> list[str]:
    if request.path.startswith("/stream"):
        names = request.query.get("streams", "")
    else:
        names = request.path.removeprefix("/ws").strip("/")
    return [name for name in names.split("/") if name]


def _invalid(text: str) -> dict[str, Any]:
    return {"code": 2, "msg": f"Invalid request: {text}"}
