"""A stream on real sockets: what ends it, who is told, and what stays bounded meanwhile."""

from collections.abc import Awaitable, Callable
from random import Random

import anyio
import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.raw_server import Peer, closed_port, frame, full_port, raw_server
from tradebotd.net.backoff import Backoff
from tradebotd.net.errors import (
    LostBecause,
    NetError,
    NotSentError,
    StreamLostError,
    StreamRefusedError,
)
from tradebotd.net.reconnecting import stay_connected
from tradebotd.net.redaction import Redactor
from tradebotd.net.websocket import Connection, StreamLimits, connect

PING, PONG, CLOSE, BINARY, CONTINUED = 9, 10, 8, 2, 0
SMALL = StreamLimits(queue_messages=100, queue_bytes=1_000_000, message_bytes=10_000)
IMPATIENT = SMALL._replace(ping_every=0.1, ping_within=0.2, handshake=0.3, connect=0.3)


def url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/market/stream?apikey=key-of-the-account"


async def test_messages_come_in_order_text_and_binary_whole_or_in_parts() -> None:
    async def tells(peer: Peer) -> None:
        await peer.switch()
        await peer.say(frame(b'{"a":1}') + frame(b"\x81\xa1a", BINARY))
        await peer.say(frame(b'{"b"', fin=False) + frame(b"?", PING))
        await peer.say(frame(b":", CONTINUED, fin=False) + frame(b"2}", CONTINUED))
        assert await peer.frame() == (PONG, b"?")
        await peer.say(frame(b"the last"))
        await peer.until_closed()

    async with raw_server(tells) as seen, connect("binance", url(seen.port)) as stream:
        heard = [await stream.receive() for _ in range(4)]

    assert heard == [b'{"a":1}', b"\x81\xa1a", b'{"b":2}', b"the last"]
    assert seen.requests[0].startswith(b"GET /market/stream?apikey=key-of-the-account HTTP/1.1\r\n")
    assert b"permessage-deflate" not in seen.requests[0]


async def test_what_comes_together_with_the_handshake_is_told_at_once() -> None:
    """M3.10: a server that speaks first, and then waits for us, would be mute for ever."""

    async def greets(peer: Peer) -> None:
        await peer.switch(frame(b"welcome"))
        assert await peer.frame() == (1, b"thanks")
        await peer.say(frame(b"more"))
        await peer.until_closed()

    async with raw_server(greets) as seen, connect("alpaca", url(seen.port)) as stream:
        assert await stream.receive() == b"welcome"
        await stream.send("thanks")
        assert await stream.receive() == b"more"


async def _say_for_ever(stream: Connection) -> None:
    while True:
        await stream.send("please")


async def test_words_for_a_stream_that_is_closing_are_lost_with_it() -> None:
    """M3.10: its close frame has come, and nobody has read why; what it said before is told."""

    async def dismisses(peer: Peer) -> None:
        await peer.switch(frame(b"no") + frame(b"\x03\xe8enough", CLOSE))
        await peer.until_closed()

    async with raw_server(dismisses) as seen, connect("alpaca", url(seen.port)) as stream:
        with pytest.raises(StreamLostError):
            await _say_for_ever(stream)
        assert await stream.receive() == b"no"
        with pytest.raises(StreamLostError, match="enough"):
            await stream.receive()


async def test_what_is_sent_arrives_masked_and_in_order() -> None:
    heard: list[tuple[int, bytes]] = []

    async def listens(peer: Peer) -> None:
        await peer.switch()
        heard.extend([await peer.frame(), await peer.frame()])
        await peer.say(frame(b"ok"))
        await peer.until_closed()

    async with raw_server(listens) as seen, connect("binance", url(seen.port)) as stream:
        await stream.send('{"method":"SUBSCRIBE"}')
        await stream.send("ü" * 100)
        assert await stream.receive_all() == [b"ok"]

    assert heard == [(1, b'{"method":"SUBSCRIBE"}'), (1, ("ü" * 100).encode())]


async def ends(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before") + frame(b"\x03\xe9going away", CLOSE))


async def breaks_off(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before"))


async def resets(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before"))
    await peer.frame()
    await peer.reset()


async def half_open(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before"))
    await anyio.sleep_forever()


async def silent(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before"))
    await peer.until_closed()


async def larger_than_agreed(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before") + b"\x81\x7f" + (1 << 40).to_bytes(8, "big"))
    while True:
        await peer.say(b" " * 65_536)


async def larger_in_parts(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before") + frame(b" " * 5000, fin=False))
    while True:
        await peer.say(frame(b" " * 5000, CONTINUED, fin=False))


async def no_frames(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before") + b"HTTP/1.1 500 Oops\r\n\r\n" * 9)
    await peer.until_closed()


async def masked(peer: Peer) -> None:
    await peer.switch()
    await peer.say(frame(b"before") + b"\x81\x85abcdhello")
    await peer.until_closed()


@pytest.mark.parametrize(
    ("fault", "because"),
    [
        (ends, LostBecause.CLOSED),
        (breaks_off, LostBecause.CLOSED),
        (resets, LostBecause.CLOSED),
        (half_open, LostBecause.PING_UNANSWERED),
        (larger_than_agreed, LostBecause.BAD_FRAME),
        (larger_in_parts, LostBecause.BAD_FRAME),
        (no_frames, LostBecause.BAD_FRAME),
        (masked, LostBecause.BAD_FRAME),
    ],
)
async def test_what_came_before_the_end_is_told_and_then_why_it_ended(
    fault: Callable[[Peer], Awaitable[None]], because: LostBecause
) -> None:
    """Half-open: the socket is there, and nobody answers a ping."""
    async with (
        raw_server(fault) as seen,
        connect("binance", url(seen.port), limits=IMPATIENT) as stream,
    ):
        assert await stream.receive() == b"before"
        for _ in range(2):
            with pytest.raises(StreamLostError, match=r"^binance: stream lost") as raised:
                await stream.receive()
            assert raised.value.because is because
        with pytest.raises(StreamLostError):
            await stream.send("anything")


async def test_a_stream_that_answers_pings_is_kept_however_mute_it_is() -> None:
    """Silence is the detector's matter (test_net_silence): it knows which stream is too quiet."""
    pings = 0

    async def mute(peer: Peer) -> None:
        nonlocal pings
        await peer.switch()
        while pings < 4:
            opcode, said = await peer.frame()
            assert opcode == PING
            pings += 1
            await peer.say(frame(said, PONG))
        await peer.say(frame(b"alive"))
        await peer.until_closed()

    limits = SMALL._replace(ping_every=0.01, ping_within=20.0)
    async with (
        raw_server(mute) as seen,
        connect("binance", url(seen.port), limits=limits) as stream,
    ):
        assert await stream.receive() == b"alive"


async def test_whoever_reads_too_slowly_is_told_and_disconnected() -> None:
    """Memory does not grow, and what is old is not taken for news."""

    async def floods(peer: Peer) -> None:
        await peer.switch()
        while True:
            await peer.say(frame(b"tick") * 50)

    async with raw_server(floods) as seen:
        async with connect("binance", url(seen.port), limits=SMALL) as stream:
            while stream.lost is None:
                await anyio.lowlevel.checkpoint()
            with pytest.raises(StreamLostError, match="slow consumer") as raised:
                await stream.receive()
        await seen.until(lambda each: each.open_now == 0)

    assert raised.value.because is LostBecause.SLOW_CONSUMER
    assert not stream._queue


async def test_the_queue_is_bounded_in_bytes_too() -> None:
    async def floods(peer: Peer) -> None:
        await peer.switch()
        while True:
            await peer.say(frame(b" " * 9000))

    limits = SMALL._replace(queue_messages=1_000_000, queue_bytes=100_000)
    async with (
        raw_server(floods) as seen,
        connect("binance", url(seen.port), limits=limits) as stream,
    ):
        while stream.lost is None:
            await anyio.lowlevel.checkpoint()

    assert stream.lost.because is LostBecause.SLOW_CONSUMER


async def test_a_peer_that_takes_nothing_loses_the_stream() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.switch()
        await anyio.sleep_forever()

    limits = IMPATIENT._replace(ping_every=20.0, sends=100_000)
    async with (
        raw_server(deaf) as seen,
        connect("binance", url(seen.port), limits=limits) as stream,
    ):
        with pytest.raises(StreamLostError, match="it takes nothing any more"):
            await stream.send("x" * 100_000_000)


async def test_more_than_the_rate_allows_is_not_sent() -> None:
    heard: list[tuple[int, bytes]] = []

    async def listens(peer: Peer) -> None:
        await peer.switch()
        while True:
            heard.append(await peer.frame())

    limits = SMALL._replace(sends=3, send_wait=0.05)
    async with (
        raw_server(listens) as seen,
        connect("binance", url(seen.port), limits=limits) as stream,
    ):
        for _ in range(3):
            await stream.send("subscribe")
        with pytest.raises(NotSentError, match="more to send on a stream than it takes"):
            await stream.send("subscribe")

    assert len(heard) <= 3


async def refuses(peer: Peer) -> None:
    await peer.request()
    await peer.answer(b"key-of-the-account", "429 Too Many Requests", b"Retry-After: 7\r\n")


async def redirects(peer: Peer) -> None:
    await peer.request()
    await peer.answer(b"", "301 Moved Permanently", b"Location: ws://127.0.0.1:1/\r\n")


async def wrong_key(peer: Peer) -> None:
    await peer.request()
    await peer.say(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    )
    await peer.until_closed()


async def not_http(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"SSH-2.0-OpenSSH\r\n\r\n")
    await peer.until_closed()


async def head_flood(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await peer.say(b"X-Another: 1\r\n" * 100)


@pytest.mark.parametrize(
    ("fault", "status"),
    [(refuses, 429), (redirects, 301), (wrong_key, None), (not_http, None), (head_flood, None)],
)
async def test_a_handshake_that_fails_is_told_with_its_status_and_not_repeated(
    fault: Callable[[Peer], Awaitable[None]], status: int | None
) -> None:
    """A11: a storm of reconnects is answered 429. A redirect is not followed."""
    redact = Redactor(["key-of-the-account"])
    async with raw_server(fault) as seen:
        with pytest.raises(StreamRefusedError, match=r"^binance: stream refused") as raised:
            async with connect("binance", url(seen.port), redact=redact, limits=SMALL):
                pass
        await seen.until(lambda each: each.open_now == 0)

    assert raised.value.status == status
    assert "key-of-the-account" not in str(raised.value)
    assert len(seen.requests) == 1
    if status == 429:
        assert raised.value.headers["retry-after"] == "7"


async def test_a_handshake_that_nobody_answers_ends() -> None:
    async def mute(peer: Peer) -> None:
        await peer.request()
        await peer.until_closed()

    async with raw_server(mute) as seen:
        with pytest.raises(StreamLostError, match=r"no handshake within 0\.3 s"):
            async with connect("binance", url(seen.port), limits=IMPATIENT):
                pass
        await seen.until(lambda each: each.open_now == 0)


async def test_where_nobody_listens_nothing_was_sent() -> None:
    told = "binance: stream /market/stream: no connection"
    with closed_port() as port, pytest.raises(NotSentError, match=told):
        async with connect("binance", url(port)):
            pass
    with full_port() as port, pytest.raises(NotSentError, match=rf"{told} within 0\.3 s"):
        async with connect("binance", url(port), limits=IMPATIENT):
            pass


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    async with raw_server(silent) as seen:
        with pytest.raises(ZeroDivisionError):
            async with connect("binance", url(seen.port)):
                raise ZeroDivisionError
        await seen.until(lambda each: each.open_now == 0)


async def test_a_stream_whose_reader_is_cancelled_is_closed() -> None:
    async with raw_server(silent) as seen:

        async def follow() -> None:
            async with connect("binance", url(seen.port)) as stream:
                while True:
                    await stream.receive()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await seen.until(lambda each: len(each.requests) == 1)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        await seen.until(lambda each: each.open_now == 0)

    assert seen.connections == 1


async def test_a_stream_is_opened_again_with_pauses_that_grow() -> None:
    host, lost, heard = ShiftedHost(), list[NetError](), list[bytes]()

    async def follow(stream: Connection) -> None:
        while True:
            heard.append(await stream.receive())

    async def note(error: NetError) -> None:
        lost.append(error)
        if len(lost) == 6:
            scope.cancel()

    async with raw_server(breaks_off) as seen:
        with anyio.CancelScope() as scope:
            await stay_connected(
                lambda: connect("binance", url(seen.port)),
                follow,
                lost=note,
                backoff=Backoff(Random(7), first=1.0, longest=8.0),
                host=host,
            )

    assert heard == [b"before"] * 6
    assert all(isinstance(each, StreamLostError) for each in lost)
    assert [0.5 <= each / 2.0**n <= 1.0 for n, each in enumerate(host.slept[:4])] == [True] * 4
    assert all(4.0 <= each <= 8.0 for each in host.slept[4:])


async def test_a_stream_that_was_used_up_is_opened_again_at_once() -> None:
    """After the venue's 24 hours, or for other subscriptions."""
    host, opened = ShiftedHost(), 0

    async def follow(stream: Connection) -> None:
        nonlocal opened
        await stream.receive()
        opened += 1
        if opened == 3:
            raise ZeroDivisionError

    async def note(error: NetError) -> None:
        raise AssertionError(error)

    async with raw_server(silent) as seen:
        with pytest.raises(ZeroDivisionError):
            await stay_connected(
                lambda: connect("binance", url(seen.port)),
                follow,
                lost=note,
                backoff=Backoff(Random(7)),
                host=host,
            )

    assert seen.connections == 3
    assert not host.slept
