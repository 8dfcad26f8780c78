"""One request, one answer, on real sockets: every fault ends in the error that is true of it."""

import gzip
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.raw_server import Peer, closed_port, full_port, raw_server
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import Source
from tradebotd.net.errors import MisshapenError, NoAnswerError, NotSentError, PathNotAllowedError
from tradebotd.net.http import HttpClient, Timeouts, Unsigned
from tradebotd.net.redaction import Redactor

ORDER = "/api/v3/order"
ALLOWED = AllowList([("POST", ORDER), ("GET", ORDER), ("DELETE", ORDER), ("GET", "/v2/orders/{}")])
HASTY = Timeouts(pool=0.3, connect=0.3, answer=0.5)
PATIENT = Timeouts(pool=20, connect=20, answer=20)
BODY = b"symbol=BTCUSDT&side=SELL"


def client(port: int, timeouts: Timeouts = PATIENT, *, connections: int = 4) -> HttpClient:
    return HttpClient(
        "binance",
        f"http://127.0.0.1:{port}",
        ALLOWED,
        headers={"X-MBX-APIKEY": "key-of-the-account"},
        timeouts=timeouts,
        max_body=100_000,
        max_connections=connections,
        redact=Redactor(["key-of-the-account"]),
    )


async def served(peer: Peer) -> None:
    while await peer.request():
        await peer.answer(b'{"orderId":28}')


async def test_an_answer_is_returned_whole_and_the_connection_kept() -> None:
    async with raw_server(served) as seen, client(seen.port) as asking:
        first = await asking.request("POST", ORDER, body=BODY)
        second = await asking.request("GET", ORDER, query={"symbol": "A B&C"})

    assert first == second
    assert first.status == 200
    assert first.body == b'{"orderId":28}'
    assert first.headers["content-length"] == "14"
    assert seen.connections == 1
    assert seen.requests[0].startswith(b"POST /api/v3/order HTTP/1.1\r\n")
    assert seen.requests[0].endswith(b"content-length: 24\r\n\r\n" + BODY)
    assert b"x-mbx-apikey: key-of-the-account" in seen.requests[0]
    assert seen.requests[1].startswith(b"GET /api/v3/order?symbol=A%20B%26C HTTP/1.1\r\n")


@pytest.mark.parametrize("where", [closed_port, full_port])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_where_nobody_answers_the_call_nothing_has_left(
    where: Callable[[], AbstractContextManager[int]], method: str
) -> None:
    """Faults 1 and 2: refused, and a backlog that is full."""
    signed = list[Unsigned]()

    def sign(unsigned: Unsigned) -> Unsigned:
        signed.append(unsigned)
        return unsigned

    with where() as port:
        async with client(port, HASTY) as asking:
            with pytest.raises(NotSentError, match=f"binance: {method} {ORDER}: no connection"):
                await asking.request(method, ORDER, sign_now=sign)

    assert not signed


async def reset_before(peer: Peer) -> None:
    await peer.reset()


async def reset_after(peer: Peer) -> None:
    await peer.request()
    await peer.reset()


async def closed_after(peer: Peer) -> None:
    await peer.request()


async def mute(peer: Peer) -> None:
    await peer.request()
    await peer.until_closed()


async def truncated(peer: Peer) -> None:
    await peer.request()
    await peer.say(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"orderId":')


async def truncated_chunks(peer: Peer) -> None:
    await peer.request()
    await peer.say(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{"orderId":\r\n')


async def without_an_end(peer: Peer) -> None:
    await peer.request()
    await peer.say(b'HTTP/1.1 200 OK\r\n\r\n{"orderId":28')


async def dripping(peer: Peer) -> None:
    """A byte now and then: no single read is late, the whole of it is."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    while True:
        await peer.say(b" ")
        await anyio.sleep(0.02)


async def huge(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
    for _ in range(1600):
        await peer.say(b" " * 65_536)


async def endless_chunks(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await peer.say(b"1000\r\n" + b" " * 4096 + b"\r\n")


async def one_long_header(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        await peer.say(b"x" * 4096)


async def many_headers(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.say(b"X-Another: 1\r\n" * 100)


async def endless_interim_answers(peer: Peer) -> None:
    await peer.request()
    while True:
        await peer.say(b"HTTP/1.1 103 Early Hints\r\n\r\n")


async def no_http(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


async def two_lengths(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}")


async def gzip_bomb(peer: Peer) -> None:
    await peer.request()
    await peer.answer(gzip.compress(bytes(50_000_000)), heads=b"Content-Encoding: gzip\r\n")


async def broken_gzip(peer: Peer) -> None:
    await peer.request()
    await peer.answer(gzip.compress(b"{}")[:-3], heads=b"Content-Encoding: gzip\r\n")


async def two_gzips(peer: Peer) -> None:
    await peer.request()
    await peer.answer(gzip.compress(b"{}") * 2, heads=b"Content-Encoding: gzip\r\n")


async def no_gzip(peer: Peer) -> None:
    await peer.request()
    await peer.answer(b"{}", heads=b"Content-Encoding: gzip\r\n")


async def brotli(peer: Peer) -> None:
    await peer.request()
    await peer.answer(b"{}", heads=b"Content-Encoding: br\r\n")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (reset_before, "the connection broke"),
        (reset_after, "the connection broke"),
        (closed_after, "the connection was closed before an answer"),
        (mute, "no whole answer within"),
        (truncated, "no HTTP: peer closed connection without sending complete message body"),
        (truncated_chunks, "no HTTP: peer closed connection without sending complete"),
        (without_an_end, "does not tell where it ends"),
        (dripping, "no whole answer within"),
        (huge, "more than 100,000 bytes"),
        (endless_chunks, "more than 100,000 bytes"),
        (one_long_header, "no HTTP: Receive buffer too long"),
        (many_headers, "no HTTP: Receive buffer too long"),
        (endless_interim_answers, "too many interim answers"),
        (no_http, "no HTTP: illegal status line"),
        (two_lengths, "no HTTP: conflicting Content-Length"),
        (gzip_bomb, "unpacks to more than 100,000 bytes"),
        (broken_gzip, "does not end where it should"),
        (two_gzips, "does not end where it should"),
        (no_gzip, "cannot be unpacked"),
        (brotli, "is packed as 'br'"),
    ],
)
async def test_once_it_may_have_left_the_outcome_is_unknown(
    fault: Callable[[Peer], Awaitable[None]], told: str, method: str
) -> None:
    """Faults 3, 4, 5 and 10, and what is no answer: the request went out once, and never again."""
    timeouts = HASTY if fault in {mute, dripping} else PATIENT
    async with raw_server(fault) as seen, client(seen.port, timeouts) as asking:
        with pytest.raises(NoAnswerError, match=f"^binance: {method} {ORDER}: .*({told})"):
            await asking.request(method, ORDER, body=BODY)
        await seen.until(lambda each: each.open_now == 0)

    assert seen.connections == 1
    assert len(seen.requests) <= 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("502 Bad Gateway", b"<html>"),
        ("503 Service Unavailable", b'{"code":-1008,"msg":"busy"}'),
        ("504 Gateway Timeout", b""),
        ("400 Bad Request", b'{"code":-1006,"msg":"unexpected response"}'),
        ("429 Too Many Requests", b"{}"),
        ("301 Moved Permanently", b""),
        ("204 No Content", b""),
        ("999 ", b"{}"),
    ],
)
async def test_an_answer_of_any_status_is_returned(status: str, body: bytes) -> None:
    """Faults 6, 7, 8 and 9. A redirect is an answer, too: it is not followed."""

    async def answers(peer: Peer) -> None:
        while await peer.request():
            where = b"Location: http://127.0.0.1:1/elsewhere\r\n"
            await peer.answer(body, status, where)

    async with raw_server(answers) as seen, client(seen.port) as asking:
        answer = await asking.request("POST", ORDER, body=BODY)

    assert (answer.status, answer.body) == (int(status[:3]), body)
    assert len(seen.requests) == 1


@pytest.mark.parametrize("body", [b"", b'{"orderId":', b"<html>", b"\xff\xfe", b"NaN"])
async def test_what_is_no_json_is_an_error_of_its_own(body: bytes) -> None:
    """Faults 11 and 12: invalid JSON and nothing at all, with status 200."""

    async def answers(peer: Peer) -> None:
        await peer.request()
        await peer.answer(body)

    async with raw_server(answers) as seen, client(seen.port) as asking:
        answer = await asking.request("POST", ORDER, body=BODY)

    with pytest.raises(MisshapenError, match=r"^binance: POST /api/v3/order: answered with status"):
        Source(f"binance: POST {ORDER}", answer.body, answer.status).json()


async def test_gzip_is_unpacked() -> None:
    async def answers(peer: Peer) -> None:
        await peer.request()
        await peer.answer(gzip.compress(b"[1,2]"), heads=b"Content-Encoding: gzip\r\n")

    async with raw_server(answers) as seen, client(seen.port) as asking:
        answer = await asking.request("GET", ORDER)

    assert answer.body == b"[1,2]"
    assert b"accept-encoding: gzip\r\n" in seen.requests[0]


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
async def test_a_kept_connection_that_closes_is_never_written_to_twice(method: str) -> None:
    """Where the venue closes an idle connection just as a request leaves, nobody knows whether it
    was read: it is said, and not sent again. Other clients repeat it silently, DELETE included.
    """

    async def answers_once(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")
        await peer.request()  # and closes in place of an answer

    async with raw_server(answers_once) as seen, client(seen.port) as asking:
        await asking.request("GET", ORDER)
        with pytest.raises(NoAnswerError):
            await asking.request(method, ORDER, body=BODY)
        await asking.request("GET", ORDER)

    assert len(seen.requests) == 3
    assert seen.connections == 2


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_a_connection_that_has_ended_while_idle_is_replaced_before_anything_leaves(
    farewell: bytes,
) -> None:
    async def answers_once(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}")
        if farewell:
            await peer.say(farewell)

    async with raw_server(answers_once) as seen, client(seen.port) as asking:
        await asking.request("GET", ORDER)
        await seen.until(lambda each: each.open_now == 0)
        while asking._idle and not asking._idle[0].is_closed_by_peer():
            await anyio.lowlevel.checkpoint()
        answer = await asking.request("POST", ORDER, body=BODY)

    assert answer.status == 200
    assert seen.connections == 2
    assert len(seen.requests) == 2


async def test_what_the_venue_wants_closed_is_closed() -> None:
    async def answers(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}", heads=b"Connection: close\r\n")
        await peer.until_closed()

    async with raw_server(answers) as seen, client(seen.port) as asking:
        await asking.request("GET", ORDER)
        await seen.until(lambda each: each.open_now == 0)

    assert seen.connections == 1


async def test_it_is_signed_when_nothing_is_waited_for_any_more() -> None:
    """The one connection is taken: the second request is signed once it is free, and not before."""
    log: list[str] = []
    go_on = anyio.Event()

    async def answers(peer: Peer) -> None:
        while await peer.request():
            await go_on.wait()
            log.append("answered")
            await peer.answer(b"{}")

    def sign(unsigned: Unsigned) -> Unsigned:
        log.append("signed")
        return unsigned._replace(query=unsigned.query + "&timestamp=1&signature=s")

    async with raw_server(answers) as seen, client(seen.port, connections=1) as asking:

        async def ask() -> None:
            await asking.request("GET", ORDER, query={"symbol": "A"}, sign_now=sign)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await seen.until(lambda each: len(each.requests) == 1)
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            go_on.set()

    assert log == ["signed", "answered", "signed", "answered"]
    assert all(b"?symbol=A&timestamp=1&signature=s HTTP" in each for each in seen.requests)


async def test_what_may_not_leave_has_not_left_and_costs_no_connection() -> None:
    def refuse(unsigned: Unsigned) -> Unsigned:
        raise VenueUnavailableError("the order is too old")

    async with raw_server(served) as seen, client(seen.port, connections=1) as asking:
        for _ in range(3):
            with pytest.raises(VenueUnavailableError, match="too old"):
                await asking.request("POST", ORDER, body=BODY, sign_now=refuse)
        await asking.request("GET", ORDER)

    assert seen.connections == 1
    assert len(seen.requests) == 1


@pytest.mark.parametrize("bad", ["a\r\nX-Evil: 1", "a\x00", "ü\n"])
async def test_a_header_that_would_smuggle_is_not_sent(bad: str) -> None:
    async with raw_server(served) as seen, client(seen.port) as asking:
        with pytest.raises(NotSentError, match="cannot be written as HTTP"):
            await asking.request("GET", ORDER, headers={"X-Word": bad})
        with pytest.raises(NotSentError, match="cannot be written as HTTP"):
            await asking.request("GET", ORDER, query=f"symbol={bad} HTTP/1.1")

    assert not seen.requests


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/sapi/v1/capital/withdraw/apply"),
        ("PUT", ORDER),
        ("GET", "/v2/orders/../wallets"),
        ("GET", "/v2/orders/%2e%2e"),
        ("GET", "/v2/orders/a/b"),
        ("GET", "/v2/orders/a?b"),
        ("GET", "/v2/orders/a#b"),
        ("GET", "/v2/orders/.."),
        ("GET", "/v2/orders/"),
        ("GET", f"{ORDER}\n"),
        ("get", ORDER),
        ("GET", f"http://elsewhere{ORDER}"),
    ],
)
async def test_a_path_that_is_not_listed_never_leaves(method: str, path: str) -> None:
    async with raw_server(served) as seen, client(seen.port) as asking:
        with pytest.raises(PathNotAllowedError):
            await asking.request(method, path)

    assert seen.connections == 0


async def test_connections_are_bounded_and_their_lack_is_told() -> None:
    """Faults of our own: a pool that is full has provably sent nothing."""
    async with raw_server(mute) as seen, client(seen.port, connections=3) as asking:
        async with anyio.create_task_group() as tasks:

            async def ask() -> None:
                await asking.request("GET", ORDER)

            for _ in range(3):
                tasks.start_soon(ask)
            await seen.until(lambda each: len(each.requests) == 3)
            with pytest.raises(NotSentError, match=r"no connection was free for 0\.3 s"):
                await asking.request("POST", ORDER, timeouts=HASTY)
            tasks.cancel_scope.cancel()
        await seen.until(lambda each: each.open_now == 0)

    assert seen.most_open == 3
    assert len(seen.requests) == 3


async def test_twenty_callers_share_three_connections() -> None:
    async with raw_server(served) as seen, client(seen.port, connections=3) as asking:

        async def ask() -> None:
            await asking.request("GET", ORDER)

        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(ask)

    assert len(seen.requests) == 20
    assert seen.connections == 3


async def in_the_middle(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n ")
    await peer.until_closed()


@pytest.mark.parametrize("fault", [mute, in_the_middle])
async def test_a_call_that_is_cancelled_keeps_no_connection(
    fault: Callable[[Peer], Awaitable[None]],
) -> None:
    async with raw_server(fault) as seen, client(seen.port, connections=2) as asking:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                count = len(seen.requests)
                tasks.start_soon(asking.request, "GET", ORDER)
                await seen.until(lambda each, count=count: len(each.requests) > count)  # type: ignore[misc]
                tasks.cancel_scope.cancel()
            await seen.until(lambda each: each.open_now == 0)

    assert asking._free.value == 2
    assert not asking._idle


async def test_a_call_that_is_cancelled_while_it_connects_keeps_no_socket() -> None:
    counts = []
    with full_port() as port:
        async with client(port, connections=1) as asking:
            for _ in range(4):  # the loop keeps one for itself at the first
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(asking.request, "GET", ORDER)
                    await anyio.wait_all_tasks_blocked()
                    tasks.cancel_scope.cancel()
                open_now = await anyio.to_thread.run_sync(os.listdir, "/proc/self/fd")
                counts.append(len(open_now))

    assert counts[1] == counts[2] == counts[3]
    assert asking._free.value == 1


async def test_cancelled_at_any_step_it_leaves_nothing_in_use() -> None:
    """A call is cancelled after each number of steps of the loop, from the first to the last."""
    async with raw_server(served) as seen, client(seen.port, connections=1) as asking:
        for steps in range(60):
            done = anyio.Event()

            async def ask(done: anyio.Event = done) -> None:
                try:
                    await asking.request("GET", ORDER)
                finally:
                    done.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            assert done.is_set() or steps == 0
            assert asking._free.value == 1
            assert len(asking._idle) <= 1
        answer = await asking.request("POST", ORDER, body=BODY)
        await seen.until(lambda each: each.open_now <= 1)

    assert answer.status == 200
