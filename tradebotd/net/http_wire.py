"""One HTTP/1.1 connection that is kept: h11 knows the protocol, this moves the bytes.

A request is written once and never again. Everything about an answer has a bound: the bytes of its
head, of its body as sent and as unpacked, and how many interim answers come before it.
"""

import select
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

import anyio
import h11
from anyio.abc import ByteStream, SocketAttribute

from tradebotd.net.errors import NoAnswerError, NotSentError

HEAD_BYTES: Final = 64 * 1024  # of a status line and all headers
INTERIM_ANSWERS: Final = 8  # 1xx, before the true one
CHUNK_BYTES: Final = 64 * 1024
WITHOUT_BODY: Final = frozenset({204, 304})
GZIP: Final = 16 + zlib.MAX_WBITS
_BROKEN: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


class Answer(NamedTuple):
    """Answer of any status. Header names are lower case; one that is repeated is joined by `, `."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpWire:
    """A connection; `is_reusable` until something about it was out of order."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES)
        self._poll = select.poll()
        socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not SQL
        self._poll.register(socket, select.POLLIN)
        self.is_reusable = True
        self.idle_since = 0.0

    def is_closed_by_peer(self) -> bool:
        """Whether an idle connection has something to read: its end, or what nobody asked for."""
        return bool(self._poll.poll(0))

    def write(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
        """Return the request as bytes. Raises NotSentError where it is no HTTP."""
        self.is_reusable = False
        try:
            return b"".join(
                self._h11.send(event) or b""
                for event in (
                    h11.Request(method=method, target=target, headers=headers),
                    h11.Data(body),
                    h11.EndOfMessage(),
                )
            )
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            raise NotSentError(f"it cannot be written as HTTP: {error}") from error

    async def exchange(self, request: bytes, *, max_body: int) -> Answer:
        """Send *request* and read its answer. Raises NoAnswerError."""
        try:
            await self._stream.send(request)
            return await self._answer(max_body)
        except _BROKEN as error:
            raise NoAnswerError(f"the connection broke: {_described(error)}") from error
        except h11.RemoteProtocolError as error:
            raise NoAnswerError(f"the answer is no HTTP: {error}") from error

    async def _answer(self, max_body: int) -> Answer:
        interim = 0
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                break
            interim += 1
            if interim > INTERIM_ANSWERS or not isinstance(event, h11.InformationalResponse):
                raise NoAnswerError("too many interim answers")
        headers = _joined(event)
        body = await self._body(event.status_code, headers, max_body)
        states = self._h11.our_state, self._h11.their_state
        if states == (h11.DONE, h11.DONE) and not self._h11.trailing_data[0]:
            self._h11.start_next_cycle()
            self.is_reusable = True
        return Answer(event.status_code, headers, body)

    async def _body(self, status: int, headers: Mapping[str, str], max_body: int) -> bytes:
        coding = headers.get("content-encoding", "identity")
        if coding not in {"identity", "gzip"}:
            raise NoAnswerError(f"the answer is packed as {coding[:20]!r}", status)
        told = "content-length" in headers or "chunked" in headers.get("transfer-encoding", "")
        if not told and status not in WITHOUT_BODY:
            raise NoAnswerError("the answer does not tell where it ends", status)
        raw, size = [], 0
        while isinstance(event := await self._next(), h11.Data):
            size += len(event.data)
            if size > max_body:
                raise NoAnswerError(f"the answer has more than {max_body:,} bytes", status)
            raw.append(bytes(event.data))
        body = b"".join(raw)
        return _unpacked(body, max_body, status) if coding == "gzip" and body else body

    async def _next(self) -> h11.Event:
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                try:
                    self._h11.receive_data(await self._stream.receive(CHUNK_BYTES))
                except anyio.EndOfStream:
                    if self._h11.their_state is h11.SEND_RESPONSE:
                        raise NoAnswerError("the connection was closed before an answer") from None
                    self._h11.receive_data(b"")
                continue
            if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
                return event
            raise NoAnswerError("something else came than an answer")

    async def close(self) -> None:
        """Close at once, without a farewell; also where the caller is being cancelled."""
        self.is_reusable = False
        await anyio.aclose_forcefully(self._stream)


def _joined(response: h11.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _unpacked(packed: bytes, max_body: int, status: int) -> bytes:
    unpacking = zlib.decompressobj(GZIP)
    try:
        body = unpacking.decompress(packed, max_body + 1)
    except zlib.error as error:
        raise NoAnswerError(f"the answer cannot be unpacked: {error}", status) from error
    if len(body) > max_body:
        raise NoAnswerError(f"the answer unpacks to more than {max_body:,} bytes", status)
    if not unpacking.eof or unpacking.unused_data:
        raise NoAnswerError("the packed answer does not end where it should", status)
    return body


def _described(error: Exception) -> str:
    return f"{type(error).__name__} {error.__cause__ or error}".strip()
