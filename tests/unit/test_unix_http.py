"""The client of `tradebotctl` against answers byte by byte, as a server may send or cut them."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.cli import unix_http
from tradebotd.cli.client import Client
from tradebotd.cli.errors import EXIT_UNREACHABLE, CommandError
from tradebotd.cli.unix_http import Connection, ProtocolError, Response

T = TypeVar("T")

CUT_SHORT = [
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
]
NO_ANSWERS = [
    b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    b"HTTP/2 200\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 2x0 OK\r\n\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n12345\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n12345\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" + b"Y: " + b"y" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(101)) + b"\r\n",
]


@pytest.fixture
def path() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tb-") as short:
        yield Path(short) / "d.sock"


def answered(path: Path, answer: Iterable[bytes], ask: Callable[[], T]) -> tuple[T, bytes]:
    """What *ask* brought from a server that sends *answer* in pieces, and what it had sent."""
    asked: list[bytes] = []

    def serve(door: socket.socket) -> None:
        caller, _ = door.accept()
        with caller:
            request = b""
            while b"\r\n\r\n" not in request:
                request += caller.recv(65_536)
            head, _, body = request.partition(b"\r\n\r\n")
            length = next(
                (int(h.split(b":")[1]) for h in head.split(b"\r\n") if b"Content-Length" in h), 0
            )
            while len(body) < length:
                body += caller.recv(65_536)
            asked.append(head + b"\r\n\r\n" + body)
            with suppress(BrokenPipeError):  # it has understood enough
                for piece in answer:
                    caller.sendall(piece)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(str(path))
        door.listen(1)
        server = threading.Thread(target=serve, args=(door,))
        server.start()
        try:
            return ask(), asked[0]
        finally:
            server.join(30)
            path.unlink()


def read(path: Path) -> tuple[int, bytes, str | None]:
    with Connection(path, 30) as connection:
        response = connection.ask("GET", "/v1/status")
        return response.status, response.read(), response.header("X-Now")


def lines(path: Path) -> list[bytes]:
    with Connection(path, 30) as connection:
        return list(connection.ask("POST", "/v1/flatten").lines())


def test_a_request_is_what_a_server_understands(path: Path) -> None:
    def ask() -> bytes:
        with Connection(path, 30) as connection:
            return connection.ask("POST", "/v1/halt", b'{"reason": "lunch"}').read()

    got, sent = answered(path, [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"], ask)

    assert got == b"{}"
    assert sent == (
        b"POST /v1/halt HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
        b"Connection: close\r\nContent-Type: application/json\r\nContent-Length: 19\r\n\r\n"
        b'{"reason": "lunch"}'
    )


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 5", b"12345 and more"),
        (b"content-length:5", b"12345"),
        (b"Transfer-Encoding: chunked", b"2\r\n12\r\n3;a=b\r\n345\r\n0\r\nTrailer: x\r\n\r\n"),
        (b"transfer-encoding: Chunked", b"2\r\n12\r\n003\r\n345\r\n0\r\n\r\n"),
        (b"Server: old", b"12345"),
    ],
)
def test_a_body_has_one_of_three_lengths(path: Path, head: bytes, body: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nx-now: 3\r\n" + head + b"\r\n\r\n" + body

    assert answered(path, [answer], lambda: read(path))[0] == (200, b"12345", "3")


def test_an_interim_answer_is_none_yet(path: Path) -> None:
    answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 404\r\n\r\nno"

    assert answered(path, [answer], lambda: read(path))[0] == (404, b"no", None)


@pytest.mark.parametrize("answer", [*CUT_SHORT, *NO_ANSWERS])
def test_half_an_answer_is_none(path: Path, answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        answered(path, [answer], lambda: read(path))


@pytest.mark.parametrize("answer", [*CUT_SHORT, *NO_ANSWERS])
def test_half_an_answer_is_a_lost_daemon(path: Path, answer: bytes) -> None:
    """Interface 3.1: 3, and no traceback; nobody is told that an act was done."""
    with pytest.raises(CommandError) as refused:
        answered(path, [answer], lambda: Client(path).post("resume"))

    assert refused.value.exit_code == EXIT_UNREACHABLE
    assert refused.value.message.startswith(f"lost the daemon on {path} (")


def test_a_body_has_an_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix_http, "LONGEST_BODY", 1000)
    answer = [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1001]

    for ask in (partial(read, path), partial(lines, path)):
        with pytest.raises(ProtocolError, match="more than 1000 bytes"):
            answered(path, answer, ask)


def test_a_line_is_there_before_the_next_is_sent(path: Path) -> None:
    """Progress is told while it is made: each line when it comes, however it is packed."""
    go_on = threading.Event()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def ask() -> list[bytes]:
        seen = []
        with Connection(path, 30) as connection:
            for line in connection.ask("POST", "/v1/flatten").lines():
                seen.append(line)
                go_on.set()
        return seen

    def pieces() -> Iterator[bytes]:
        yield head + b"3\r\none\r\n3\r\n\ntw\r\n"
        go_on.wait(30)
        yield b"2\r\no\n\r\n0\r\n\r\n"

    assert answered(path, pieces(), ask)[0] == [b"one", b"two"]


@given(
    st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_however_it_is_cut_into_packets_and_chunks_it_is_the_same(
    chunks: list[bytes], sizes: list[int]
) -> None:
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent += b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for size in cycle(sizes):
            theirs.sendall(sent[:size])
            sent = sent[size:]
            if not sent:
                break
        theirs.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as file:
            response: Response = unix_http._response(file)
            whole = response.read()

    assert whole == b"".join(chunks)


def test_nobody_at_the_socket_is_the_systems_own_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Connection(path, 1)
