"""Servers by hand, byte for byte: what a venue sends on its worst days, and no library would."""

import base64
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
GONE = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    anyio.IncompleteRead,
)


@dataclass
class Seen:
    """Requests and connections as the server saw them; `open_now` and the most at once."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    stirred: anyio.Event = field(default_factory=anyio.Event)

    def stir(self) -> None:
        self.stirred.set()
        self.stirred = anyio.Event()

    async def until(self, condition: Callable[["Seen"], bool]) -> None:
        while not condition(self):
            await self.stirred.wait()


class Peer:
    """One accepted connection."""

    def __init__(self, stream: SocketStream, seen: Seen) -> None:
        self.stream = stream
        self.number = seen.connections
        self._seen = seen
        self._reading = BufferedByteReceiveStream(stream)

    async def request(self) -> bytes:
        """The next request, head and body; b"" once the client has closed."""
        try:
            head = await self._reading.receive_until(b"\r\n\r\n", 1 << 20)
            size = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    size = int(line.split(b":")[1])
            body = await self._reading.receive_exactly(size) if size else b""
        except GONE:
            return b""
        self._seen.requests.append(head + b"\r\n\r\n" + body)
        self._seen.stir()
        return self._seen.requests[-1]

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of a client, which masks it: its opcode and what it says."""
        first, second = await self._reading.receive_exactly(2)
        size = second & 127
        if size == 126:
            size = int.from_bytes(await self._reading.receive_exactly(2), "big")
        mask = await self._reading.receive_exactly(4)
        data = await self._reading.receive_exactly(size) if size else b""
        return first & 15, bytes(each ^ mask[n % 4] for n, each in enumerate(data))

    async def say(self, data: bytes) -> None:
        await self.stream.send(data)

    async def answer(self, body: bytes, status: str = "200 OK", heads: bytes = b"") -> None:
        size = b"Content-Length: %d\r\n" % len(body)
        await self.say(b"HTTP/1.1 " + status.encode() + b"\r\n" + heads + size + b"\r\n" + body)

    async def switch(self, at_once: bytes = b"") -> None:
        """Take the handshake of a WebSocket, and say *at_once* in one breath with the answer."""
        key = next(
            line.split(b":", 1)[1].strip()
            for line in (await self.request()).split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key:")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 - RFC 6455
        await self.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + at_once
        )

    async def reset(self) -> None:
        """Close with RST in place of FIN: nothing of what is on its way is to be believed."""
        raw = self.stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not SQL
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await anyio.aclose_forcefully(self.stream)

    async def until_closed(self) -> None:
        """Until the client has closed, whatever it sends before."""
        try:
            while True:
                await self.stream.receive()
        except GONE:
            return


def frame(data: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """A frame of a server: not masked."""
    size = len(data)
    first = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return first + bytes([size]) + data
    if size < 1 << 16:
        return first + b"\x7e" + size.to_bytes(2, "big") + data
    return first + b"\x7f" + size.to_bytes(8, "big") + data


Serve = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def raw_server(serve: Serve) -> AsyncIterator[Seen]:
    """A server on loopback; *serve* is awaited with each connection, which is closed behind it."""
    seen = Seen()

    async def handle(stream: SocketStream) -> None:
        seen.connections += 1
        seen.open_now += 1
        seen.most_open = max(seen.most_open, seen.open_now)
        seen.stir()
        try:
            await serve(Peer(stream, seen))
        except GONE:
            pass
        finally:
            seen.open_now -= 1
            seen.stir()
            await anyio.aclose_forcefully(stream)

    async def listen(*, task_status: TaskStatus[None]) -> None:
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            seen.port = listener.extra(SocketAttribute.local_port)  # noqa: S610
            task_status.started()
            await listener.serve(handle)

    async with anyio.create_task_group() as tasks:
        await tasks.start(listen)
        yield seen
        tasks.cancel_scope.cancel()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # held, and not listening
        yield held.getsockname()[1]


@contextmanager
def full_port() -> Iterator[int]:
    """A port whose backlog is full: who connects waits for ever."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)  # noqa: FBT003
            each.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for each in waiting:
                each.close()
