"""Plain server for the clients of `net_clients`: HTTP and WebSocket by hand, nothing of a library.

`python -m benchmarks.net_server` prints its port and serves until it is terminated. A request for
`/stream?rate=N` becomes a WebSocket that sends N messages a second, one for `/trades/N/stream` such
that sends N trades as Binance does, of 200 symbols, once something was subscribed to; every other
one is answered at once with the same body.
"""

import asyncio
import base64
import hashlib
import time
from typing import Final, cast

import uvloop

BODY: Final = (
    b'{"symbol":"BTCUSDT","orderId":28,"clientOrderId":"tb01h2x9","status":"NEW"'
    b',"price":"61900.00000000","origQty":"0.01000000","fills":[]}'
)
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-MBX-USED-WEIGHT-1M: 12\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MESSAGE_BYTES: Final = 200
TEXT_FRAME: Final = 0x81
EXTENDED: Final = 126  # the length is in the two bytes that follow
SYMBOLS: Final = 200  # of trades
SUBSCRIBED: Final = 4  # SUBSCRIBE messages: 100 streams each, two of each symbol
ANSWERS_EVERY: Final = 0.3  # seconds: no answer before its question


class Answering(asyncio.Protocol):
    """One connection. It counts no bytes of a body but those that Content-Length announces."""

    def __init__(self) -> None:
        self._held = b""
        self._transport: asyncio.Transport | None = None
        self._sending: asyncio.Task[None] | None = None
        self._subscribed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._sending is not None:
            self._sending.cancel()

    def data_received(self, data: bytes) -> None:
        if self._sending is not None:
            self._subscribed.set()
            return  # pongs of a stream, or what is subscribed to
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end]
            size = _content_length(head)
            if len(self._held) < end + 4 + size:
                return
            self._held = self._held[end + 4 + size :]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if self._transport is None:
            return
        if b"upgrade: websocket" not in head.lower():
            self._transport.write(ANSWER)
            return
        self._transport.write(_switching(head))
        if b"/trades/" in head:
            rate = int(head.split(b"/trades/")[1].split(b"/")[0])
            sending = _trade(self._transport, rate, self._subscribed)
        else:
            rate = int(head.split(b"rate=")[1].split(b" ")[0])
            sending = _send(self._transport, rate)
        self._sending = asyncio.get_running_loop().create_task(sending)


async def _send(transport: asyncio.Transport, rate: int) -> None:
    """Send *rate* messages a second in bursts of 5 ms; each begins with the instant it left."""
    burst = max(1, rate // 200)
    due = time.perf_counter()
    while not transport.is_closing():
        for _ in range(burst):
            payload = b"%.6f" % time.perf_counter()
            payload = payload.ljust(MESSAGE_BYTES, b" ")
            transport.write(bytes([TEXT_FRAME, 126]) + len(payload).to_bytes(2, "big") + payload)
        due += burst / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


async def _trade(transport: asyncio.Transport, rate: int, subscribed: asyncio.Event) -> None:
    """Send *rate* trades a second in bursts of 5 ms, with prices that turn within 0.1 %."""
    await subscribed.wait()
    for number in range(1, SUBSCRIBED + 1):
        transport.write(_frame(b'{"result":null,"id":%d}' % number))
        await asyncio.sleep(ANSWERS_EVERY)
    burst, sent = max(1, rate // 200), 0
    due = time.perf_counter()
    while not transport.is_closing():
        now_ms = time.time_ns() // 1_000_000
        for _ in range(burst):
            transport.write(_frame(_trade_of(sent, now_ms)))
            sent += 1
        due += burst / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


def _trade_of(number: int, now_ms: int) -> bytes:
    symbol, price = b"SYM%04d" % (number % SYMBOLS), b"%.2f" % (100 + number % 11 * 0.01)
    told = (
        b'{"stream":"%b@aggTrade","data":{"e":"aggTrade","E":%d,"s":"%b","a":%d,"p":"%b",'
        b'"q":"0.12300000","f":%d,"l":%d,"T":%d,"m":true,"M":true}}'
    )
    return told % (symbol.lower(), now_ms, symbol, number, price, number, number, now_ms)


def _frame(payload: bytes) -> bytes:
    """Return a text frame of fewer than 65,536 bytes."""
    if len(payload) < EXTENDED:
        return bytes([TEXT_FRAME, len(payload)]) + payload
    return bytes([TEXT_FRAME, EXTENDED]) + len(payload).to_bytes(2, "big") + payload


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n")[0]) if found else 0


def _switching(head: bytes) -> bytes:
    key = next(
        line.split(b":", 1)[1].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 - RFC 6455
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
