"""One WebSocket stream: read at once into a bounded queue, watched by pings, ended with a reason.

websockets knows the protocol (its part without sockets), this moves the bytes. Nothing is
compressed, no redirect is followed, no proxy is used. Whoever reads too slowly loses the stream,
and is told: a queue that grows would only hide that what is read is old.
"""

import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import anyio
from anyio.abc import ByteStream
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from tradebotd.net.dialling import dial, origin_of
from tradebotd.net.errors import LostBecause, NotSentError, StreamLostError, StreamRefusedError
from tradebotd.net.rate_limit import Priority, Window
from tradebotd.net.redaction import Redactor

CHUNK_BYTES: Final = 64 * 1024
MESSAGE: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_BROKEN: Final = (
    anyio.BrokenResourceError,
    anyio.BusyResourceError,  # TLS has something of its own to say just while we write
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    OSError,
)


class StreamLimits(NamedTuple):
    """Bounds of a stream. Seconds, bytes, messages.

    `sends` a second leave at most, pings and our answers to the other side's pings among them.
    """

    connect: float = 5.0
    handshake: float = 5.0
    ping_every: float = 10.0
    ping_within: float = 10.0  # a half-open connection is lost after the sum of both
    queue_messages: int = 20_000
    queue_bytes: int = 32 * 1024 * 1024
    message_bytes: int = 8 * 1024 * 1024
    sends: int = 4
    send_wait: float = 30.0


class Connection:
    """An open stream; `connect` makes one. Messages are bytes, of text and binary frames alike."""

    def __init__(
        self, venue: str, stream: ByteStream, protocol: ClientProtocol, limits: StreamLimits
    ) -> None:
        self.venue = venue
        self.lost: StreamLostError | None = None
        self._stream = stream
        self._protocol = protocol
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._parts: list[bytes] = []
        self._news: anyio.Event | None = None
        self._pongs = anyio.Event()
        self._writing = anyio.Lock()
        self._turn = anyio.Lock()
        self._sends = Window(limits.sends, 1.0, reserve=0.0)

    @property
    def waiting(self) -> int:
        """Messages that have come, and were not received yet."""
        return len(self._queue)

    async def receive(self) -> bytes:
        """Return the next message. Raises StreamLostError, once those before its end are taken."""
        while not self._queue:
            await self._wait()
        message = self._queue.popleft()
        self._queued_bytes -= len(message)
        return message

    async def receive_all(self) -> list[bytes]:
        """Return all messages that have come, one at least. Raises as `receive`."""
        while not self._queue:
            await self._wait()
        messages = list(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        return messages

    async def send(self, text: str) -> None:
        """Send a text message, as soon as the rate allows.

        Raises StreamLostError; NotSentError where the rate does not allow it in time.
        """
        try:
            with anyio.fail_after(self._limits.send_wait):
                async with self._turn:
                    while (pause := self._pause()) > 0:  # noqa: ASYNC110 - for time to pass
                        await anyio.sleep(pause)
                    self._sends.spend(1, anyio.current_time())
        except TimeoutError as error:
            raise NotSentError(f"{self.venue}: more to send on a stream than it takes") from error
        if self._protocol.state is not State.OPEN:  # its close frame came before our words
            self.lose(*self._end())
        else:
            self._protocol.send_text(text.encode())
        await self._flush()
        if self.lost is not None:
            raise self.lost

    def _pause(self) -> float:
        """Seconds until a message may be sent. Raises StreamLostError."""
        if self.lost is not None:
            raise self.lost
        now = anyio.current_time()
        return self._sends.free_at(1, Priority.PROTECTIVE, now) - now

    async def _wait(self) -> None:
        if self.lost is not None:
            raise self.lost
        if self._news is None:
            self._news = anyio.Event()
        await self._news.wait()

    async def read(self) -> None:
        """Read until the stream is lost; run beside whoever receives.

        What came together with the answer to the handshake is taken before anything is read.
        """
        await self._take_all()
        while self.lost is None:
            try:
                self._protocol.receive_data(await self._stream.receive(CHUNK_BYTES))
            except _BROKEN as error:
                self.lose(LostBecause.CLOSED, type(error).__name__)
                return
            await self._take_all()

    async def _take_all(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        if writes := self._protocol.data_to_send():
            await self._write(writes)
        if self._protocol.state is not State.OPEN and self.lost is None:
            self.lose(*self._end())

    async def ping(self) -> None:
        """Ping until the stream is lost: a half-open one answers no more."""
        while self.lost is None:
            await anyio.sleep(self._limits.ping_every)
            if self._protocol.state is not State.OPEN:
                return  # it is closing, which `read` sees to
            self._pongs = anyio.Event()
            self._sends.spend(1, anyio.current_time())
            self._protocol.send_ping(b"")
            await self._flush()
            with anyio.move_on_after(self._limits.ping_within):
                await self._pongs.wait()
            if not self._pongs.is_set():
                self.lose(LostBecause.PING_UNANSWERED, f"for {self._limits.ping_within:g} s")

    def lose(self, because: LostBecause, detail: str = "") -> None:
        """End the stream for a reason; whoever receives is told."""
        if self.lost is None:
            text = f"{self.venue}: stream lost: {because}"
            self.lost = StreamLostError(f"{text} ({detail})" if detail else text, because)
        if because is LostBecause.SLOW_CONSUMER:
            self._queue.clear()  # what is older than a gap helps nobody
            self._queued_bytes = 0
        self._stir()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._pongs.set()
        if frame.opcode is Opcode.PING:
            self._sends.spend(1, anyio.current_time())
        if frame.opcode not in MESSAGE or self.lost is not None:
            return
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        message = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        self._queue.append(message)
        self._queued_bytes += len(message)
        if (
            len(self._queue) > self._limits.queue_messages
            or self._queued_bytes > self._limits.queue_bytes
        ):
            self.lose(LostBecause.SLOW_CONSUMER, f"{len(self._queue):,} messages wait")
        else:
            self._stir()

    def _stir(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None

    def _end(self) -> tuple[LostBecause, str]:
        if (error := self._protocol.parser_exc) is not None and not isinstance(error, EOFError):
            return LostBecause.BAD_FRAME, str(error)
        told = self._protocol.close_rcvd  # while it is closing, its code is told by this alone
        if told is not None:
            return LostBecause.CLOSED, f"code {told.code} {told.reason[:100]}".strip()
        return LostBecause.CLOSED, f"code {self._protocol.close_code}"

    async def _flush(self) -> None:
        await self._write(self._protocol.data_to_send())

    async def _write(self, writes: list[bytes]) -> None:
        """Write in the order of the calls. A peer that takes nothing loses the stream."""
        try:
            with anyio.fail_after(self._limits.ping_within):
                async with self._writing:
                    for data in filter(None, writes):  # an empty one would close our half
                        await self._stream.send(data)
        except TimeoutError:
            self.lose(LostBecause.PING_UNANSWERED, "it takes nothing any more")
        except _BROKEN as error:
            self.lose(LostBecause.CLOSED, type(error).__name__)


@asynccontextmanager
async def connect(
    venue: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    limits: StreamLimits = StreamLimits(),  # noqa: B008 - immutable
    redact: Redactor = Redactor(),  # noqa: B008 - immutable
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Connection]:
    """Open a stream and keep it for as long as the block runs.

    Raises NotSentError where nothing could be reached, StreamRefusedError where the handshake was
    answered with something else, StreamLostError where it was not answered.
    """
    secured = url.replace("wss://", "https://", 1).replace("ws://", "http://", 1)
    origin = origin_of(secured.partition("?")[0])
    protocol = ClientProtocol(parse_uri(url), max_size=limits.message_bytes)
    try:
        stream = await dial(origin, seconds=limits.connect, tls=tls)
    except NotSentError as error:
        raise NotSentError(redact(f"{venue}: stream {origin.path}: {error}")) from error
    try:
        await _shake_hands(venue, stream, protocol, headers or {}, limits, redact)
        connection = Connection(venue, stream, protocol, limits)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.read)
            tasks.start_soon(connection.ping)
            yield connection
            tasks.cancel_scope.cancel()
    except ExceptionGroup as group:
        if len(group.exceptions) == 1:  # the block's own: the two tasks raise nothing
            raise group.exceptions[0] from group.exceptions[0].__cause__
        raise
    finally:
        await anyio.aclose_forcefully(stream)


async def _shake_hands(
    venue: str,
    stream: ByteStream,
    protocol: ClientProtocol,
    headers: Mapping[str, str],
    limits: StreamLimits,
    redact: Redactor,
) -> None:
    request = protocol.connect()
    for name, value in headers.items():
        request.headers[name] = value
    protocol.send_request(request)
    try:
        with anyio.fail_after(limits.handshake):
            for data in protocol.data_to_send():
                await stream.send(data)
            while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
                protocol.receive_data(await stream.receive(CHUNK_BYTES))
    except TimeoutError as error:
        text = f"{venue}: no handshake within {limits.handshake:g} s"
        raise StreamLostError(text, LostBecause.CLOSED) from error
    except _BROKEN as error:
        text = f"{venue}: no handshake: {type(error).__name__}"
        raise StreamLostError(text, LostBecause.CLOSED) from error
    if (failed := protocol.handshake_exc) is not None:
        response: Response | None = failed.response if isinstance(failed, InvalidStatus) else None
        status = None if response is None else response.status_code
        told = {} if response is None else {k.lower(): v for k, v in response.headers.raw_items()}
        text = redact(f"{venue}: stream refused: {failed}")
        raise StreamRefusedError(text, status, told) from failed
