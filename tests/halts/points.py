"""The points on an entry's way, from the decision to the wire: where it waits, and who hears of it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from tests.venue_core.daemon import Daemon
from tradebotd.net import dialling, http
from tradebotd.net import gate as gates
from tradebotd.net.http_wire import Answer, HttpWire

ORDER: ContextVar[bool] = ContextVar("ORDER", default=False)  # an order is on its way in this task


class Points:
    """*waits*: seconds at each, once; *reached* is told of each, once. Nothing before `begin`."""

    def __init__(self, waits: Mapping[str, float], reached: Callable[[str], None]) -> None:
        self._waits, self._reached = dict(waits), reached
        self._begun = False
        self.seen: list[str] = []

    def begin(self) -> None:
        """The bot has decided."""
        self._begun = True
        self.touch("decided")

    def touch(self, point: str) -> None:
        if self._begun and point not in self.seen:
            self.seen.append(point)
            self._reached(point)

    async def reach(self, point: str) -> None:
        if not self._begun or point in self.seen:
            return
        self.touch(point)
        await asyncio.sleep(self._waits.get(point, 0.0))


def watch_adapter(points: Points, daemon: Daemon) -> None:
    """What an entry asks before its row is written."""
    adapter = daemon.adapter
    for point, call in (("set-up", "set_up"), ("prices", "quotes"), ("account", "account")):
        setattr(adapter, call, _awaited(points, point, getattr(adapter, call)))


def _awaited(points: Points, point: str, call: Any) -> Any:
    async def waits(*values: Any, **named: Any) -> Any:
        await points.reach(point)
        return await call(*values, **named)

    return waits


@contextmanager
def watched_network(  # noqa: C901 - one patch beside the other
    points: Points,
) -> Iterator[None]:
    """What an order passes once it is handed over; each has a connection of its own."""
    client, wire, gate = http.HttpClient, HttpWire, gates.Gate
    real: dict[tuple[Any, str], Any] = {
        (client, "_request"): client._request,
        (client, "_exchange"): client._exchange,
        (wire, "exchange"): wire.exchange,
        (gate, "wait_for_room"): gate.wait_for_room,
        (http, "dial"): dialling.dial,
        (http, "IDLE_SECONDS"): http.IDLE_SECONDS,
    }

    async def request(self: Any, method: str, path: str, *rest: Any) -> Answer:
        token = ORDER.set(method == "POST" and "order" in path.lower())
        try:
            answer: Answer = await real[client, "_request"](self, method, path, *rest)
            return answer
        finally:
            ORDER.reset(token)

    async def dial(*values: Any, **named: Any) -> Any:
        if ORDER.get():
            await points.reach("dial")
        stream = await real[http, "dial"](*values, **named)
        if ORDER.get():
            await points.reach("dialled")
        return stream

    async def exchange(
        self: Any, a_wire: Any, method: str, path: str, unsigned: Any, sign_now: Any, bounds: Any
    ) -> Answer:
        def signing(what: Any) -> Any:
            points.touch("signing")
            signed = what if sign_now is None else sign_now(what)
            points.touch("signed")
            return signed

        sign = signing if ORDER.get() else sign_now
        answer: Answer = await real[client, "_exchange"](
            self, a_wire, method, path, unsigned, sign, bounds
        )
        return answer

    async def sent(self: Any, request: bytes, *, max_body: int) -> Answer:
        if ORDER.get():
            points.touch("leaving")
        answer: Answer = await real[wire, "exchange"](self, request, max_body=max_body)
        return answer

    async def wait_for_room(self: Any, *values: Any, acts: bool) -> None:
        if acts:
            await points.reach("limits")
        await real[gate, "wait_for_room"](self, *values, acts=acts)

    changed = {
        (client, "_request"): request,
        (client, "_exchange"): exchange,
        (wire, "exchange"): sent,
        (gate, "wait_for_room"): wait_for_room,
        (http, "dial"): dial,
        (http, "IDLE_SECONDS"): -1.0,
    }
    with pytest.MonkeyPatch.context() as patched:
        for (owner, name), value in changed.items():
            patched.setattr(owner, name, value)
        yield
