"""One client library, alone in a process: `python -m benchmarks.net_clients http|stream NAME PORT`.

Prints one JSON object. Every client keeps connections alive, follows no redirect and takes no proxy
from the environment, as the daemon's does.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import uvloop

WARM, ALONE, IN_FLIGHT, CALLERS = 100, 800, 1_600, 20
MESSAGES_A_SECOND: Final = 2_000
LISTEN_SECONDS: Final = 2.0
BODY: Final = (
    b"symbol=BTCUSDT&side=SELL&type=LIMIT&quantity=0.010&price=61900.00&signature="
    b"c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
)
HEADERS: Final = {"X-MBX-APIKEY": "key", "Content-Type": "application/x-www-form-urlencoded"}
Post = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Post]:
    """Sockets and nothing else: the floor."""
    host, port = url.removeprefix("http://").split(":")
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    request = (
        f"POST /api/v3/order HTTP/1.1\r\nHost: {host}\r\n{head}Content-Length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY

    async def post() -> bytes:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(host, int(port))
        writer.write(request)
        lines = await reader.readuntil(b"\r\n\r\n")
        size = int(lines.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        body = await reader.readexactly(size)
        idle.append((reader, writer))
        return body

    yield post


@asynccontextmanager
async def httpx_alone(url: str) -> AsyncIterator[Post]:
    import httpx  # noqa: PLC0415 - one client a process, and its import is measured

    limits = httpx.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
    async with httpx.AsyncClient(base_url=url, trust_env=False, limits=limits) as client:
        yield _with_httpx(client)


@asynccontextmanager
async def httpx_aiohttp(url: str) -> AsyncIterator[Post]:
    import httpx  # noqa: PLC0415
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415

    limits = httpx.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
    transport = AiohttpTransport(limits=limits, trust_env=False)
    async with httpx.AsyncClient(base_url=url, trust_env=False, transport=transport) as client:
        yield _with_httpx(client)


def _with_httpx(client: Any) -> Post:
    async def post() -> bytes:
        answer = await client.post("/api/v3/order", content=BODY, headers=HEADERS)
        return bytes(answer.content)

    return post


@asynccontextmanager
async def aiohttp_alone(url: str) -> AsyncIterator[Post]:
    import aiohttp  # noqa: PLC0415

    connector = aiohttp.TCPConnector(limit=CALLERS)
    async with aiohttp.ClientSession(url, connector=connector, trust_env=False) as session:

        async def post() -> bytes:
            sent = session.post("/api/v3/order", data=BODY, headers=HEADERS, allow_redirects=False)
            async with sent as answer:
                return await answer.read()

        yield post


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Post]:
    """`tradebotd.net.http`, with its allow-list, its bounds and its last moment."""
    from tradebotd.net.allow_list import AllowList  # noqa: PLC0415
    from tradebotd.net.http import HttpClient  # noqa: PLC0415

    allowed = AllowList([("POST", "/api/v3/order")])
    async with HttpClient("bench", url, allowed, max_connections=CALLERS) as client:

        async def post() -> bytes:
            answer = await client.request("POST", "/api/v3/order", body=BODY, headers=HEADERS)
            return answer.body

        yield post


CLIENTS: Final = {
    "raw": raw,
    "httpx": httpx_alone,
    "httpx-aiohttp": httpx_aiohttp,
    "aiohttp": aiohttp_alone,
    "ours": ours,
}


async def http(name: str, port: int) -> dict[str, float]:
    before, started = _resident_mb(), time.perf_counter()
    async with CLIENTS[name](f"http://127.0.0.1:{port}") as post:
        await post()
        ready = time.perf_counter() - started
        for _ in range(WARM):
            await post()
        alone, cpu = await _timed(post, ALONE, 1)
        busy, busy_cpu = await _timed(post, IN_FLIGHT, CALLERS)
        return {
            "import_ms": ready * 1e3,
            "rss_mb": _resident_mb() - before,
            **_ranked("alone", alone),
            "alone_cpu_ms": cpu,
            **_ranked("busy", busy),
            "busy_cpu_ms": busy_cpu,
        }


async def _timed(post: Post, count: int, callers: int) -> tuple[list[float], float]:
    """Seconds of each request, and CPU milliseconds a request."""
    taken: list[float] = []

    async def call() -> None:
        for _ in range(count // callers):
            began = time.perf_counter()
            await post()
            taken.append(time.perf_counter() - began)

    cpu = time.process_time()
    await asyncio.gather(*(call() for _ in range(callers)))
    return taken, (time.process_time() - cpu) / count * 1e3


async def raw_stream(url: str, heard: Callable[[bytes], None]) -> None:
    host, port = url.removeprefix("ws://").split("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = "/" + url.split("/", 3)[3]
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    while True:
        head = await reader.readexactly(4)
        heard(await reader.readexactly(int.from_bytes(head[2:4], "big")))


async def websockets_stream(url: str, heard: Callable[[bytes], None]) -> None:
    from websockets.asyncio.client import connect  # noqa: PLC0415

    async with connect(url, compression=None, proxy=None) as connection:
        async for message in connection:
            heard(message if isinstance(message, bytes) else message.encode())


async def aiohttp_stream(url: str, heard: Callable[[bytes], None]) -> None:
    import aiohttp  # noqa: PLC0415

    async with aiohttp.ClientSession(trust_env=False) as session:
        connection = await session.ws_connect(url, compress=0)
        while True:
            message = await connection.receive()
            heard(message.data.encode())


async def picows_stream(url: str, heard: Callable[[bytes], None]) -> None:
    import picows  # noqa: PLC0415

    class Listener(picows.WSListener):  # type: ignore[misc,unused-ignore]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:  # noqa: ARG002
            heard(frame.get_payload_as_bytes())

    transport, _ = await picows.ws_connect(Listener, url)
    await transport.wait_disconnected()


async def our_stream(url: str, heard: Callable[[bytes], None]) -> None:
    from tradebotd.net.websocket import connect  # noqa: PLC0415

    async with connect("bench", url) as connection:
        while True:
            for message in await connection.receive_all():
                heard(message)


STREAMS: Final = {
    "raw": raw_stream,
    "websockets": websockets_stream,
    "aiohttp": aiohttp_stream,
    "picows": picows_stream,
    "ours": our_stream,
}


async def stream(name: str, port: int) -> dict[str, float]:
    before, started = _resident_mb(), time.perf_counter()
    ready = 0.0
    delays: list[float] = []

    def heard(message: bytes) -> None:
        nonlocal ready
        now = time.perf_counter()
        ready = ready or now - started
        delays.append(now - float(message))

    url = f"ws://127.0.0.1:{port}/stream?rate={MESSAGES_A_SECOND}"
    cpu = time.process_time()
    with suppress(TimeoutError):
        await asyncio.wait_for(STREAMS[name](url, heard), LISTEN_SECONDS)
    spent = (time.process_time() - cpu) / len(delays) * 1e3
    return {
        "import_ms": ready * 1e3,
        "rss_mb": _resident_mb() - before,
        **_ranked("delay", delays[len(delays) // 5 :]),
        "cpu_ms": spent,
        "messages": len(delays),
    }


def _ranked(name: str, seconds: list[float]) -> dict[str, float]:
    ranked = sorted(seconds)
    return {
        f"{name}_p50_ms": ranked[len(ranked) // 2] * 1e3,
        f"{name}_p99_ms": ranked[len(ranked) * 99 // 100] * 1e3,
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    work = {"http": http, "stream": stream}[sys.argv[1]]
    print(json.dumps(uvloop.run(work(sys.argv[2], int(sys.argv[3])))))
