"""/stream: trade updates over one WebSocket an account; activities by SSE."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from tests.simulators.alpaca.activities import Activity, activity_event
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.gate import KEY, SECRET, Gate
from tests.simulators.alpaca.refusals import RequestRefusedError, malformed
from tests.simulators.alpaca.wording import moment_of
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.streams import Message, Stream

LONGEST: Final = 10_000  # updates that wait for a client


class OrderStream:
    """A11: one connection an account; a second one, and storms of them, are answered 429."""

    def __init__(self, exchange: Exchange, gate: Gate, scene: Scene) -> None:
        self._exchange, self._gate, self._scene = exchange, gate, scene
        self._open = 0
        self._connected: deque[float] = deque()

    def is_refused(self) -> bool:
        """A11: whether a new connection is one too many, now or within the last minute."""
        now = self._exchange.desk.clock.now().timestamp()
        while self._connected and self._connected[0] <= now - 60:
            self._connected.popleft()
        self._connected.append(now)
        return self._open > 0 or len(self._connected) > self._exchange.terms.storm

    async def connect(self, request: web.Request) -> web.StreamResponse:
        if self.is_refused():
            return web.json_response({"message": "too many requests"}, status=429)
        self._open += 1
        try:
            stream = await self._scene.streams.accept(request)
            session = Session(self._exchange, self._gate, stream)
            try:
                await session.run()
            finally:
                socket = self._scene.streams.leave(stream)
        finally:
            self._open -= 1
        return socket

    async def activities(self, request: web.Request) -> web.StreamResponse:
        """GET /v2beta1/events/activities: the past that is asked for, then what happens."""
        query = dict(request.query)
        chosen = _chosen(self._exchange, query)
        ends = "until" in query or "until_id" in query
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        waiting: asyncio.Queue[Activity] = asyncio.Queue(LONGEST)
        listener = waiting.put_nowait
        self._exchange.desk.activities.follow(listener)
        try:
            await answer.prepare(request)
            for activity in chosen:
                await answer.write(_sse(activity))
            while not ends:
                await answer.write(_sse(await waiting.get()))
        finally:
            self._exchange.desk.activities.leave(listener)
        return answer


class Session:
    """One connection's conversation."""

    def __init__(self, exchange: Exchange, gate: Gate, stream: Stream) -> None:
        self._exchange, self._gate, self._stream = exchange, gate, stream
        self._authorized = False
        self._listens = False
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(LONGEST)

    async def run(self) -> None:
        updates = self._exchange.desk.updates
        updates.follow(self._hear)
        try:
            await beside(self._send_updates, self._answer)
        finally:
            updates.leave(self._hear)

    def _hear(self, update: dict[str, Any]) -> None:
        if self._listens and not self._waiting.full():
            self._waiting.put_nowait({"stream": "trade_updates", "data": update})

    async def _send_updates(self) -> None:
        while True:
            update = await self._waiting.get()
            await self._say(update, channel=update["data"]["event"])

    async def _answer(self) -> None:
        async for message in self._stream.asked():
            try:
                asked = json.loads(message)
            except ValueError:
                asked = {}
            if not isinstance(asked, dict):
                continue
            match asked.get("action"):
                case "authenticate" | "auth":
                    await self._authenticate(asked)
                case "listen":
                    await self._listen(asked)
                case _:
                    continue

    async def _authenticate(self, asked: dict[str, Any]) -> None:
        data = asked.get("data") or {}
        key = data.get("key_id", asked.get("key"))
        secret = data.get("secret_key", asked.get("secret"))
        try:
            self._gate.check_keys(key, secret)
            self._authorized = True
        except RequestRefusedError:
            self._authorized = False
        status = "authorized" if self._authorized else "unauthorized"
        await self._say(
            {"stream": "authorization", "data": {"action": "authenticate", "status": status}}
        )

    async def _listen(self, asked: dict[str, Any]) -> None:
        if not self._authorized:
            refused = {"action": "listen", "status": "unauthorized"}
            await self._say({"stream": "authorization", "data": refused})
            await self._stream.close(1008)
            return
        wanted = (asked.get("data") or {}).get("streams") or []
        known = [each for each in wanted if each == "trade_updates"]
        self._listens = bool(known)
        await self._say({"stream": "listening", "data": {"streams": known}})

    async def _say(self, message: dict[str, Any], channel: str = "") -> None:
        """Paper sends binary frames, live sends text."""
        text = json.dumps(message)
        frame: Message = text.encode() if self._exchange.terms.paper else text
        await self._stream.send(frame, channel)


async def beside(
    background: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[None]]
) -> None:
    """Run *work* with *background* beside it, which ends with it."""

    async def run() -> None:
        await background()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run())
        try:
            await work()
        finally:
            task.cancel()


def has_keys(request: web.Request) -> tuple[str | None, str | None]:
    return request.headers.get(KEY), request.headers.get(SECRET)


def _sse(activity: Activity) -> bytes:
    return f"data: {json.dumps(activity_event(activity))}\n\n".encode()


def _chosen(exchange: Exchange, query: dict[str, str]) -> list[Activity]:
    """The activities of the past that are asked for; none without `since` or `since_id`.

    A9: `since_id` catches up without a gap: everything from that event on, it included.
    """
    if ("until" in query and "since" not in query) or (
        "until_id" in query and "since_id" not in query
    ):
        raise malformed("until requires since")
    if "since" in query and "since_id" in query:
        raise malformed("since and since_id exclude each other")
    exchange.catch_up()
    past = exchange.desk.activities.all
    if "since_id" in query:
        until = query.get("until_id", "~")
        return [each for each in past if query["since_id"] <= each.event_id <= until]
    if "since" in query:
        try:
            since = moment_of(query["since"])
            last = moment_of(query["until"]) if "until" in query else None
        except ValueError as error:
            raise malformed(f"invalid date: {error}") from error
        return [each for each in past if each.at >= since and (last is None or each.at <= last)]
    return []
