"""Connections of the streams: subscriptions, and what is sent to whom."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.simulators.binance.usdm.routes import Route, delivers
from tests.simulators.shared.streams import Stream

MOST_CHANNELS = 1024
MOST_MESSAGES = 10  # that a client may send within a second
LIFE_MS = 24 * 60 * 60 * 1000
WAITING = 10_000  # events that one connection may be behind


@dataclass
class Connection:
    """One WebSocket with its subscriptions.

    Attributes:
        combined: events come as {"stream": …, "data": …}, as /stream has it.
    """

    stream: Stream
    route: Route
    combined: bool
    opened_ms: int
    channels: set[str] = field(default_factory=set)
    queue: "asyncio.Queue[tuple[str, str]]" = field(default_factory=lambda: asyncio.Queue(WAITING))

    def takes(self, channel: str) -> bool:
        return channel in self.channels and delivers(self.route, channel)

    def put(self, channel: str, text: str) -> None:
        """Queue what is to be sent; a client that is too far behind loses the newest."""
        if not self.queue.full():
            self.queue.put_nowait((channel, text))

    async def write(self) -> None:
        """Send what is queued, in order, until cancelled."""
        while True:
            channel, text = await self.queue.get()
            await self.stream.send(text, channel)


class Hub:
    """All stream connections of one simulator."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.connections: list[Connection] = []

    def channels(self) -> set[str]:
        """The channels that somebody would get."""
        return {
            channel
            for connection in self.connections
            for channel in connection.channels
            if connection.takes(channel)
        }

    def publish(self, channel: str, payload: object, name: str = "") -> None:
        """Send to all that have subscribed; *name* is what faults know the event by."""
        text = ""
        for connection in list(self.connections):
            if not connection.takes(channel):
                continue
            text = text or json.dumps(payload, separators=(",", ":"))
            whole = f'{{"stream":"{channel}","data":{text}}}' if connection.combined else text
            connection.put(name or channel, whole)

    def answer(self, connection: Connection, message: str) -> None:
        """Answer SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS, which know no wrong stream."""
        connection.put("", json.dumps(self._answer(connection, message)))

    def too_old(self) -> Iterator[Connection]:
        """Connections whose 24 hours are over."""
        for connection in list(self.connections):
            if self._now_ms() - connection.opened_ms >= LIFE_MS:
                yield connection

    def _answer(self, connection: Connection, message: str) -> dict[str, object]:
        try:
            told = json.loads(message)
            method, number, params = told["method"], told.get("id"), told.get("params", [])
        except (ValueError, KeyError, TypeError, AttributeError):
            return {"error": {"code": 2, "msg": "Invalid request: request must be JSON with a method"}}  # fmt: skip
        if method == "SUBSCRIBE":
            if len(connection.channels | set(params)) > MOST_CHANNELS:
                return {"error": {"code": 4, "msg": "Too many subscriptions"}, "id": number}
            connection.channels |= set(params)
        elif method == "UNSUBSCRIBE":
            connection.channels -= set(params)
        elif method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(connection.channels), "id": number}
        elif method == "SET_PROPERTY":
            connection.combined = bool(params[1])
        else:
            return {"error": {"code": 2, "msg": f"Invalid request: unknown variant {method}"}, "id": number}  # fmt: skip
        return {"result": None, "id": number}
