"""WebSocket connections of a simulator, with what goes wrong on them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from aiohttp import WSMsgType, web

from tests.simulators.shared.faults import STREAM, Asked, Fault, Kind, matches
from tests.simulators.shared.listener import reset

LONGEST: Final = 10_000  # events that a stalled stream keeps; the oldest go first
LARGEST: Final = 4 * 2**20  # bytes of a message that is received

POLL: Final = 0.02  # seconds of the loop between two looks at the simulator's clock, or at a socket

Message = str | bytes


class Stream:
    """One connection. A vendor sends through it, and reads what is asked from it.

    *path*: of its URL. A `channel` is what an event belongs to (a symbol's subscription, a topic).
    """

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._transport = request.transport
        self.path = request.path
        self.look = POLL
        self.faults: list[Fault] = []
        self._held: deque[Message] = deque(maxlen=LONGEST)
        self.sent = 0  # events that left

    async def send(self, event: Message, channel: str = "") -> None:
        """Send *event* (text as a text frame, bytes as a binary one), unless a fault has it otherwise.

        One for a connection that is gone is lost, as events are.
        """
        fault = self._fault(channel)
        if fault is None:
            await self._send(event)
        elif fault.kind is Kind.STALL:
            self._held.append(event)
        elif fault.kind is Kind.GAP:
            self.faults.remove(fault)
            if fault.times > 1:
                self.faults.append(replace(fault, times=fault.times - 1))

    async def asked(self) -> AsyncIterator[Message]:
        """Each message of the client, until the connection ends. Pings are answered, closing, too."""
        async for message in self._socket:
            if self._is_half_open:
                continue
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                yield message.data
        while self._is_half_open and not _is_over(self._transport):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(self.look)
        if not _is_over(self._transport):
            await self._socket.close(drain=False)

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping, as a venue does; a half-open connection sends none."""
        if not self._is_half_open and not self._socket.closed:
            await self._socket.ping(payload)

    async def close(self, code: int = 1000, reason: bytes = b"") -> None:
        """End it with a close frame; without one (an RST) if *code* is 0."""
        if code == 0:
            reset(self._transport)
        else:
            await self._socket.close(code=code, message=reason, drain=False)

    async def met(self, fault: Fault) -> None:
        if not matches(replace(fault, channel="", operation="", method=""), Asked(path=self.path)):
            return
        if fault.kind is Kind.DISCONNECT:
            await self.close(fault.code)
        else:
            self.faults.append(fault)

    async def lifted(self, fault: Fault | None = None) -> None:
        """End *fault*, or all of them; what a stall held back is sent."""
        self.faults = [] if fault is None else [each for each in self.faults if each != fault]
        while self._held and not self.faults:
            await self._send(self._held.popleft())

    @property
    def _is_half_open(self) -> bool:
        return any(each.kind is Kind.HALF_OPEN for each in self.faults)

    def _fault(self, channel: str) -> Fault | None:
        asked = Asked(path=self.path, channel=channel)
        return next((each for each in self.faults if matches(each, asked)), None)

    async def _send(self, event: Message) -> None:
        try:
            if isinstance(event, str):
                await self._socket.send_str(event)
            else:
                await self._socket.send_bytes(event)
            self.sent += 1
        except ConnectionError:
            return


class Streams:
    """All open connections of a simulator."""

    def __init__(self) -> None:
        self.open: list[Stream] = []
        self.opened = 0
        self.look = POLL  # of each that is opened from now on
        self._lasting: list[Fault] = []

    async def accept(self, request: web.Request) -> Stream:
        """Take the WebSocket that *request* asks for; `leave` when its conversation is over."""
        socket = web.WebSocketResponse(autoping=False, autoclose=False, max_msg_size=LARGEST)
        await socket.prepare(request)
        stream = Stream(socket, request)
        stream.look = self.look
        for fault in self._lasting:
            await stream.met(fault)
        self.open.append(stream)
        self.opened += 1
        return stream

    def leave(self, stream: Stream) -> web.WebSocketResponse:
        """Forget *stream*; what its handler returns."""
        self.open.remove(stream)
        return stream._socket

    async def met(self, fault: Fault) -> None:
        if fault.kind not in STREAM:
            return
        if fault.also_new:
            self._lasting.append(fault)
        await asyncio.gather(*(each.met(fault) for each in list(self.open)))

    async def lifted(self, fault: Fault | None = None) -> None:
        self._lasting = [] if fault is None else [each for each in self._lasting if each != fault]
        await asyncio.gather(*(each.lifted(fault) for each in list(self.open)))


def _is_over(transport: asyncio.Transport | None) -> bool:
    return transport is None or transport.is_closing()
