"""HTTP requests of a simulator on their way through the faults that are set."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import Asked, Fault, Faults, Kind
from tests.simulators.shared.listener import reset
from tests.simulators.shared.streams import Streams

CONTROL: Final = "/_control"
SILENCE: Final = 120.0  # seconds for which a request without an answer is kept open, at most
ARRIVED: Final = web.RequestKey("arrived_ms", int)  # of the simulator's clock

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Control = Callable[[dict[str, Any]], Awaitable[Any]]


async def _no_operation(_: web.Request) -> str:
    return ""


async def _not_found(_: web.Request) -> web.Response:
    return web.json_response({"error": "not found"}, status=404)


class Scene:
    """Everything that a simulator shares with its server: clock, faults, streams, counts.

    A vendor's builder may set *operation_of* (the word for what a request asks, by which faults match;
    it may read the body: aiohttp keeps it), *not_found* (its answer for an order that it does not know)
    and *controls* (further words of `POST /_control`, such as "price" or "transfer").
    """

    def __init__(self, clock: SimulatorClock | None = None) -> None:
        self.clock = clock or SimulatorClock()
        self.faults = Faults(self.clock)
        self.streams = Streams()
        self.requests: Counter[tuple[str, str]] = Counter()  # by method and path, faults included
        self.operation_of: Callable[[web.Request], Awaitable[str]] = _no_operation
        self.not_found: Handler = _not_found
        self.controls: dict[str, Control] = {}

    def count(self, path: str, method: str = "") -> int:
        """Requests whose path begins with *path*, whatever became of them."""
        return sum(
            number
            for (how, where), number in self.requests.items()
            if where.startswith(path) and method in {"", how}
        )

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The true answer of *handler*, or what a fault makes of it."""
        if request.path == CONTROL:
            return await handler(request)
        await self.clock.run_due()
        self.requests[request.method, request.path] += 1
        request[ARRIVED] = self.clock.now_ms()
        await request.read()
        operation = await self.operation_of(request)
        symbol = await _symbol_of(request)
        fault = self.faults.take(Asked(request.method, request.path, operation, symbol=symbol))
        if fault is None:
            return await handler(request)
        await asyncio.sleep(fault.delay)
        truth = await self.faults.execute(fault, lambda: _answer(handler, request))
        await asyncio.sleep(fault.late)
        if fault.kind is Kind.DELAY:
            return truth if truth is not None else await _silence(request)
        if fault.kind is Kind.FALSE_NOT_FOUND:
            return await self.not_found(request)
        return await _spoilt(request, fault, truth)


async def _symbol_of(request: web.Request) -> str:
    """The symbol that *request* names, in its query or in its body; "" where it names none."""
    text = (await request.read()).decode(errors="replace")
    if not text.startswith("{"):
        return request.query.get("symbol") or parse_qs(text).get("symbol", [""])[0]
    try:
        told = json.loads(text)
    except ValueError:
        return ""
    return str(told.get("symbol", ""))


async def _answer(handler: Handler, request: web.Request) -> web.StreamResponse:
    """The answer of *handler*; a refusal that it raises is an answer, too."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        return web.Response(status=refusal.status, text=refusal.text, headers=refusal.headers)


async def _spoilt(
    request: web.Request, fault: Fault, truth: web.StreamResponse | None
) -> web.StreamResponse:
    match fault.kind:
        case Kind.RESET:
            reset(request.transport)
            return web.Response()
        case Kind.NO_ANSWER:
            return await _silence(request)
        case Kind.TRUNCATED:
            return await _truncated(request, fault, _bytes_of(truth))
        case Kind.INVALID_JSON:
            return _json(_part(_bytes_of(truth), fault.keep), fault)
        case Kind.EMPTY:
            return _json(b"", fault)
        case _:
            return _json(_body(fault.body), fault)


def _json(body: bytes, fault: Fault) -> web.Response:
    return web.Response(
        body=body, status=fault.status, content_type="application/json", headers=fault.headers
    )


def _body(told: Any) -> bytes:
    return told.encode() if isinstance(told, str) else json.dumps(told).encode()


def _bytes_of(truth: web.StreamResponse | None) -> bytes:
    """The true body; of what has none now, one of the same kind."""
    body = truth.body if isinstance(truth, web.Response) else None
    return (
        body if isinstance(body, bytes) and len(body) > 1 else b'{"symbol":"NONE","status":"NONE"}'
    )


def _part(body: bytes, keep: float) -> bytes:
    return body[: max(1, min(int(len(body) * keep), len(body) - 1))]


async def _truncated(request: web.Request, fault: Fault, body: bytes) -> web.StreamResponse:
    """Announce the whole body, send a part, end the connection."""
    head = {"Content-Length": str(len(body)), "Content-Type": "application/json"} | fault.headers
    answer = web.StreamResponse(status=fault.status, headers=head)
    await answer.prepare(request)
    await answer.write(_part(body, fault.keep))
    await asyncio.sleep(0)  # what is written leaves before the connection ends
    if request.transport is not None:
        request.transport.close()
    return answer


async def _silence(request: web.Request) -> web.StreamResponse:
    """Say nothing until the client is gone, or the server ends, or it has been long enough."""
    waited = 0.0
    while waited < SILENCE and request.transport is not None:
        await asyncio.sleep(0.02)
        waited += 0.02
    reset(request.transport)
    return web.Response()
