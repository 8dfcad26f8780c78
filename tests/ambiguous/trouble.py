"""What goes wrong as the order of a case is sent, once; a listener's fault lasts for five seconds."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from anyio.abc import SocketAttribute

from tests.ambiguous.cases import Case, FaultName, Truth
from tests.simulators.shared.faults import Executed, Fault, Kind
from tests.simulators.shared.listener import reset
from tests.simulators.shared.server import Server
from tradebotd.net.http_wire import Answer, HttpWire

LATER: Final = timedelta(seconds=5)
LASTS: Final = 5.0
TURNS: Final = 100  # of the loop, in which a connection is taken
UNKNOWN: Final = "Unknown error, please check your request or try again later."
EXECUTED: Final = {
    Truth.PLACED: Executed.NOW,
    Truth.LATER: Executed.LATER,
    Truth.NEVER: Executed.NEVER,
}
HTML: Final = "<html><body>502 Bad Gateway</body></html>"
LISTENING: Final = {
    FaultName.CONNECT_REFUSED: Kind.REFUSED,
    FaultName.CONNECT_TIMEOUT: Kind.BACKLOG_FULL,
}


def answered(status: int, body: Any = "") -> Fault:
    return Fault(kind=Kind.ANSWER, status=status, body=body)


def refused(code: int, text: str) -> dict[str, Any]:
    return {"code": code, "msg": text}


BY_BINANCE: Final = {
    FaultName.UNKNOWN_ERROR: answered(503, refused(-1000, UNKNOWN)),
    FaultName.TIMED_OUT: answered(
        504, refused(-1007, "Timeout waiting for response from backend.")
    ),
    FaultName.UNEXPECTED: answered(500, refused(-1006, "An unexpected response was received.")),
}
BY_ALPACA: Final = {
    FaultName.UNKNOWN_ERROR: answered(503, "service unavailable"),
    FaultName.TIMED_OUT: answered(504),
    FaultName.UNEXPECTED: answered(500, {"code": 50010000, "message": "internal server error"}),
}
BY_ALL: Final = {
    FaultName.RESET_AFTER: Fault(kind=Kind.RESET),
    FaultName.READ_TIMEOUT: Fault(kind=Kind.NO_ANSWER),
    FaultName.BAD_GATEWAY: answered(502, HTML),
    FaultName.TRUNCATED: Fault(kind=Kind.TRUNCATED),
    FaultName.INVALID_JSON: Fault(kind=Kind.INVALID_JSON),
    FaultName.EMPTY: Fault(kind=Kind.EMPTY),
}


async def strike(case: Case, server: Server, patched: pytest.MonkeyPatch) -> None:
    """Have it go wrong with the next order that is placed; what is *patched* ends with the case."""
    if case.fault is FaultName.RESET_BEFORE:
        cut_the_next_send(server, patched)
        return
    if case.fault in LISTENING:
        server.faults.set(Fault(kind=LISTENING[case.fault], lasts=LASTS))
        await server.met()
        return
    vendors = BY_ALPACA if case.venue == "alpaca" else BY_BINANCE
    fault = (BY_ALL | vendors)[case.fault]
    server.faults.set(replace(fault, operation="place", executed=EXECUTED[case.truth], after=LATER))


def cut_the_next_send(server: Server, patched: pytest.MonkeyPatch) -> None:
    """Reset the connection that the next order is to leave by, as it is to leave: no byte arrives."""
    real: Any = HttpWire.exchange

    async def exchange(self: Any, request: bytes, *, max_body: int) -> Answer:
        if is_order(request):
            patched.undo()
            await _reset(self, server)
        answer: Answer = await real(self, request, max_body=max_body)
        return answer

    patched.setattr(HttpWire, "exchange", exchange)


def is_order(request: bytes) -> bool:
    line = request.split(b"\r\n", 1)[0]
    return line.startswith(b"POST") and b"order" in line.lower()


async def _reset(wire: Any, server: Server) -> None:
    """Reset it at the venue's end, which may not have taken it yet."""
    ours = wire._stream.extra(SocketAttribute.raw_socket).getsockname()  # noqa: S610
    for _ in range(TURNS):
        taken = server.listener._runner.server
        for handler in [] if taken is None else taken.connections:
            transport = handler.transport
            if transport is not None and transport.get_extra_info("peername") == ours:
                reset(transport)
                return
        await asyncio.sleep(0)
    raise AssertionError("the connection is not there")
