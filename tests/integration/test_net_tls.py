"""TLS: whom a client trusts, what a broken handshake is, and an end without a farewell."""

import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import which

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from tradebotd.net.allow_list import AllowList
from tradebotd.net.errors import NoAnswerError, NotSentError
from tradebotd.net.http import HttpClient

ALLOWED = AllowList([("POST", "/order")])
Serve = Callable[[TLSStream], Awaitable[None]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that nobody trusts, and its key; made anew, never stored."""
    openssl = which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=venue", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(made)),
        ],
        check=True,
        capture_output=True,
    )
    return made, key


@asynccontextmanager
async def tls_server(certificate: tuple[Path, Path], serve: Serve) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    async def handle(stream: SocketStream) -> None:
        try:
            secured = await TLSStream.wrap(
                stream, server_side=True, ssl_context=context, standard_compatible=False
            )
            await serve(secured)
        except (anyio.BrokenResourceError, anyio.EndOfStream, ssl.SSLError):
            pass
        finally:
            await anyio.aclose_forcefully(stream)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        yield listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not SQL
        tasks.cancel_scope.cancel()


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


async def answers(stream: TLSStream) -> None:
    while True:
        await stream.receive()
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def test_a_connection_is_kept_and_its_end_seen(certificate: tuple[Path, Path]) -> None:
    async with tls_server(certificate, answers) as port:
        url = f"https://127.0.0.1:{port}"
        async with HttpClient("binance", url, ALLOWED, tls=trusting(certificate)) as client:
            for _ in range(5):
                assert (await client.request("POST", "/order")).body == b"{}"
            assert len(client._idle) == 1
            assert not client._idle[0].is_closed_by_peer()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_whom_nobody_vouches_for_is_sent_nothing(
    certificate: tuple[Path, Path], host: str
) -> None:
    """The machine's own trust does not know the certificate; and it is not of `localhost`."""
    tls = None if host == "127.0.0.1" else trusting(certificate)
    async with (
        tls_server(certificate, answers) as port,
        HttpClient("binance", f"https://{host}:{port}", ALLOWED, tls=tls) as client,
    ):
        with pytest.raises(NotSentError, match="binance: POST /order: no TLS"):
            await client.request("POST", "/order")


async def test_plain_http_behind_a_secure_url_is_sent_nothing() -> None:
    async def handle(stream: SocketStream) -> None:
        async with stream:
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handle)
        port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's, not SQL
        async with HttpClient("binance", f"https://127.0.0.1:{port}", ALLOWED) as client:
            with pytest.raises(NotSentError):
                await client.request("POST", "/order")
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "head", [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n", b""]
)
async def test_an_answer_that_is_cut_is_no_answer(
    certificate: tuple[Path, Path], head: bytes
) -> None:
    """Without TLS's own farewell, as many servers close: nothing cut is taken for whole."""

    async def cuts(stream: TLSStream) -> None:
        await stream.receive()
        await stream.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"2\r\n{}\r\n")

    async with tls_server(certificate, cuts) as port:
        url = f"https://127.0.0.1:{port}"
        async with HttpClient("binance", url, ALLOWED, tls=trusting(certificate)) as client:
            with pytest.raises(NoAnswerError):
                await client.request("POST", "/order")
