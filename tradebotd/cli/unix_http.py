"""HTTP/1.1 over a Unix socket, as much of it as the daemon speaks: one request a connection.

The standard library's client would take half of the time of `tradebotctl status`: it imports TLS
and the parsers of e-mail.
"""

import socket
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

LONGEST_LINE = 65_536  # bytes, of the head and of a chunk's size
MOST_HEADERS = 100
LONGEST_BODY = 256 * 1024 * 1024  # bytes; of a stream, each line
LONGEST_NUMBER = 15  # digits
DIGITS = {10: frozenset("0123456789"), 16: frozenset("0123456789abcdefABCDEF")}


class ProtocolError(Exception):
    """An answer is not HTTP, or ended too early."""


class Connection:
    """Closed when the block is left. Raises OSError, TimeoutError after *seconds* of silence."""

    def __init__(self, path: Path, seconds: float | None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(seconds)
            self._socket.connect(str(path))
        except BaseException:
            self._socket.close()
            raise
        self._file: BufferedReader = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, method: str, target: str, body: bytes | None = None) -> "Response":
        """Send a request, *body* as JSON; returns when the head of the answer is there."""
        lines = [
            f"{method} {target} HTTP/1.1",
            "Host: localhost",
            "Accept: application/json",
            "Connection: close",
        ]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        elif method == "POST":
            lines.append("Content-Length: 0")
        head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
        self._socket.sendall(head.encode("ascii") + (body or b""))
        return _response(self._file)


class Response:
    """The head of an answer; its body is read once, whole or line by line."""

    def __init__(self, status: int, headers: Mapping[str, str], file: BufferedReader) -> None:
        self.status = status
        self._headers = headers
        self._file = file

    def header(self, name: str) -> str | None:
        return self._headers.get(name.lower())

    def read(self) -> bytes:
        """The whole body. Raises ProtocolError when it is cut short, or longer than allowed."""
        parts: list[bytes] = []
        size = 0
        for part in self._parts():
            size += len(part)
            if size > LONGEST_BODY:
                raise ProtocolError(f"an answer of more than {LONGEST_BODY} bytes")
            parts.append(part)
        return b"".join(parts)

    def lines(self) -> Iterator[bytes]:
        """Each line as soon as it is there, the last one also without its end."""
        rest = b""
        for part in self._parts():
            *whole, rest = (rest + part).split(b"\n")
            yield from whole
            if len(rest) > LONGEST_BODY:
                raise ProtocolError(f"a line of more than {LONGEST_BODY} bytes")
        if rest:
            yield rest

    def _parts(self) -> Iterator[bytes]:
        coding = self._headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked":
                raise ProtocolError(f"transfer coding {coding!r} is not spoken here")
            return self._chunks()
        length = self._headers.get("content-length")
        if length is None:
            return self._until_it_closes()
        return self._counted(_whole_number(length, 10))

    def _chunks(self) -> Iterator[bytes]:
        while size := _whole_number(_line(self._file).partition(";")[0].strip(), 16):
            yield from self._counted(size)
            if _line(self._file):
                raise ProtocolError("a chunk is longer than it said")
        _headers(self._file)  # trailers

    def _counted(self, size: int) -> Iterator[bytes]:
        while size:
            part = self._file.read1(min(size, LONGEST_LINE))
            if not part:
                raise ProtocolError(f"it hung up, {size} bytes before the end")
            size -= len(part)
            yield part

    def _until_it_closes(self) -> Iterator[bytes]:
        while part := self._file.read1(LONGEST_LINE):
            yield part


def _response(file: BufferedReader) -> Response:
    while True:
        version, _, rest = _line(file).partition(" ")
        code = rest.partition(" ")[0]
        if not version.startswith("HTTP/1.") or len(code) != 3:
            raise ProtocolError("it does not speak HTTP/1.1")
        status, headers = _whole_number(code, 10), _headers(file)
        if status >= 200:  # below: the answer itself is still to come
            return Response(status, headers, file)


def _headers(file: BufferedReader) -> dict[str, str]:
    """Return the headers by their names in lower case."""
    headers: dict[str, str] = {}
    while line := _line(file):
        name, colon, value = line.partition(":")
        if not colon or len(headers) == MOST_HEADERS:
            raise ProtocolError("the head of its answer is none of HTTP")
        headers[name.lower()] = value.strip()
    return headers


def _line(file: BufferedReader) -> str:
    """Return the next line without its end. Raises ProtocolError when it has none."""
    line = file.readline(LONGEST_LINE + 1)
    if not line.endswith(b"\n"):
        raise ProtocolError("it hung up" if len(line) <= LONGEST_LINE else "a line has no end")
    return line.rstrip(b"\r\n").decode("latin-1")


def _whole_number(text: str, base: int) -> int:
    if not 0 < len(text) <= LONGEST_NUMBER or not DIGITS[base].issuperset(text):
        raise ProtocolError(f"{text[:LONGEST_NUMBER]!r} is not a number")
    return int(text, base)
