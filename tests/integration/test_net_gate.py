"""Turns at a venue: who passes first, who waits how long, and nobody during a ban."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.raw_server import Peer, Seen, raw_server
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.venue_ban import FIRST_PAUSE
from tradebotd.net.allow_list import AllowList
from tradebotd.net.errors import NoAnswerError, NotSentError
from tradebotd.net.gate import MOST_WAITING, Gate, Gates
from tradebotd.net.http import HttpClient, Unsigned
from tradebotd.net.limited import Call, LimitedClient, note_bans
from tradebotd.net.rate_limit import Priority

LONG = 1000.0


def gate_of(host: ShiftedHost, limit: int = 10, seconds: float = LONG) -> Gate:
    gate = Gate("binance", host)
    gate.limits.set_limit("weight", limit, seconds)
    return gate


@pytest.fixture
def host() -> ShiftedHost:
    return ShiftedHost()


async def test_the_most_urgent_passes_first(host: ShiftedHost) -> None:
    """However long a read has waited: what protects goes before it, as do exits and entries."""
    gate, passed = gate_of(host), list[Priority]()
    gate.limits.spend({"weight": 10}, host.monotonic())

    async def ask(priority: Priority) -> None:
        async with gate.turn({"weight": 1}, priority, wait=LONG * 2):
            passed.append(priority)

    async with anyio.create_task_group() as tasks:
        for priority in (Priority.READ, Priority.ENTRY, Priority.EXIT, Priority.PROTECTIVE):
            tasks.start_soon(ask, priority)
            await anyio.wait_all_tasks_blocked()
        assert not passed
        for _ in Priority:
            gate.settle({"weight": 3}, {})
            await anyio.wait_all_tasks_blocked()

    assert passed == sorted(Priority)


async def test_a_small_read_does_not_starve_a_large_entry(host: ShiftedHost) -> None:
    """Room that is too small for the most urgent one is kept until there is enough."""
    gate, passed = gate_of(host), list[Priority]()
    gate.limits.spend({"weight": 8}, host.monotonic())

    async def ask(priority: Priority, weight: int) -> None:
        async with gate.turn({"weight": weight}, priority, wait=LONG * 2):
            passed.append(priority)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, Priority.ENTRY, 5)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(ask, Priority.READ, 1)
        await anyio.wait_all_tasks_blocked()
        gate.settle({"weight": 3}, {})
        await anyio.wait_all_tasks_blocked()
        assert not passed
        gate.settle({"weight": 2}, {})
        await anyio.wait_all_tasks_blocked()
        assert passed == [Priority.ENTRY]
        tasks.cancel_scope.cancel()


async def test_what_protects_passes_where_a_read_waits(host: ShiftedHost) -> None:
    """The reserve is there for it, though reads have used all that they may."""
    gate = gate_of(host)
    gate.limits.spend({"weight": 8}, host.monotonic())

    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            async with gate.turn({"weight": 1}, Priority.READ, wait=LONG * 2):
                raise AssertionError("a read has used the reserve")

        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        for _ in range(2):
            async with gate.turn({"weight": 1}, Priority.PROTECTIVE, wait=0):
                pass
        tasks.cancel_scope.cancel()


async def test_a_wait_that_cannot_end_in_time_is_refused_at_once(host: ShiftedHost) -> None:
    gate = gate_of(host)
    gate.limits.spend({"weight": 10}, host.monotonic())

    with pytest.raises(NotSentError, match=r"no room .* in time \(limit weight\)") as raised:
        async with gate.turn({"weight": 1}, Priority.READ, wait=LONG / 2):
            pass

    assert raised.value.until is not None
    assert not raised.value.banned
    assert timedelta(0) < raised.value.until - host.now() <= timedelta(seconds=LONG)


async def test_a_wait_ends_when_room_comes(host: ShiftedHost) -> None:
    gate = gate_of(host, limit=1, seconds=0.02)
    for _ in range(5):
        async with gate.turn({"weight": 1}, Priority.READ, wait=20):
            pass


async def test_who_waits_behind_others_is_refused_at_its_deadline(host: ShiftedHost) -> None:
    """Room that others take first is no room: the wait is bounded all the same."""
    gate = gate_of(host, limit=1, seconds=0.05)
    async with anyio.create_task_group() as tasks:

        async def urgent() -> None:
            while True:
                async with gate.turn({"weight": 1}, Priority.PROTECTIVE, wait=20):
                    pass

        tasks.start_soon(urgent)
        tasks.start_soon(urgent)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(NotSentError, match="no room for a request in time"):
            async with gate.turn({"weight": 1}, Priority.READ, wait=0.3):
                pass
        tasks.cancel_scope.cancel()


async def test_a_venue_without_limits_lets_everything_pass(host: ShiftedHost) -> None:
    gate = Gate("binance", host)
    async with gate.turn({"weight": 1_000_000}, Priority.READ, wait=0) as turn:
        turn.check()


async def test_what_was_not_sent_is_given_back_and_what_may_have_left_is_not(
    host: ShiftedHost,
) -> None:
    gate = gate_of(host)
    window = gate.limits.window("weight")
    assert window is not None

    with pytest.raises(NotSentError):
        async with gate.turn({"weight": 4}, Priority.READ, wait=0):
            raise NotSentError("refused")
    assert window.own(host.monotonic()) == 0

    with pytest.raises(NoAnswerError):
        async with gate.turn({"weight": 4}, Priority.READ, wait=0):
            raise NoAnswerError("reset")
    assert window.own(host.monotonic()) == 4


async def test_what_the_venue_counts_otherwise_is_settled(host: ShiftedHost) -> None:
    """S1: an order that was placed costs no weight, one that was refused does."""
    gate = gate_of(host)
    async with gate.turn({"weight": 4}, Priority.READ, wait=0) as turn:
        turn.settle({})
    window = gate.limits.window("weight")

    assert window is not None
    assert window.own(host.monotonic()) == 0


async def test_nobody_passes_during_a_ban_and_all_who_wait_are_told(host: ShiftedHost) -> None:
    """M6.2: zero requests until it is over, orders included."""
    gate, until = gate_of(host), host.now() + timedelta(minutes=2)
    gate.limits.spend({"weight": 10}, host.monotonic())
    told = list[NotSentError]()

    async def ask(priority: Priority) -> None:
        try:
            async with gate.turn({"weight": 1}, priority, wait=LONG * 2):
                raise AssertionError("it has passed into a ban")
        except NotSentError as error:
            told.append(error)

    async with anyio.create_task_group() as tasks:
        for priority in Priority:
            tasks.start_soon(ask, priority)
        await anyio.wait_all_tasks_blocked()
        gate.ban("status 418", until)
    for priority in Priority:
        await ask(priority)

    assert len(told) == 8
    assert all(each.banned and each.until == until for each in told)
    host.shift += timedelta(minutes=2, seconds=LONG)
    for _ in range(3):
        async with gate.turn({"weight": 1}, Priority.READ, wait=0) as turn:
            turn.check()


async def test_behind_a_ban_without_an_end_one_call_asks_and_the_others_wait(
    host: ShiftedHost,
) -> None:
    gate = gate_of(host)
    gate.ban("status 403")
    with pytest.raises(NotSentError, match="says no end"):
        gate.check_ban()
    host.shift += FIRST_PAUSE

    async with gate.turn({"weight": 1}, Priority.READ, wait=0) as turn:
        turn.check()  # its own probe does not stand in its way
        with pytest.raises(NotSentError):
            async with gate.turn({"weight": 1}, Priority.READ, wait=0):
                pass
        gate.answered()
    async with gate.turn({"weight": 1}, Priority.READ, wait=0):
        pass


async def test_whoever_is_cancelled_while_it_waits_leaves_no_trace(host: ShiftedHost) -> None:
    gate = gate_of(host)
    gate.limits.spend({"weight": 8}, host.monotonic())
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            async with gate.turn({"weight": 1}, Priority.READ, wait=LONG * 2):
                pass

        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    window = gate.limits.window("weight")

    assert window is not None
    assert window.own(host.monotonic()) == 8
    assert not gate._queue


async def test_room_and_a_ban_at_once_are_a_ban(host: ShiftedHost) -> None:
    """Those that had their turn, and did not know it yet, give it back."""
    gate = gate_of(host)
    gate.limits.spend({"weight": 8}, host.monotonic())
    refused = list[NotSentError]()
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            try:
                async with gate.turn({"weight": 1}, Priority.READ, wait=LONG * 2):
                    raise AssertionError("it has passed into a ban")
            except NotSentError as error:
                refused.append(error)

        for _ in range(3):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        gate.settle({"weight": 2}, {})
        gate.ban("status 418", host.now() + timedelta(minutes=2))
    window = gate.limits.window("weight")

    assert len(refused) == 3
    assert window is not None
    assert window.own(host.monotonic()) == 6


async def test_the_queue_is_bounded(host: ShiftedHost) -> None:
    gate = gate_of(host)
    gate.limits.spend({"weight": 10}, host.monotonic())
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            async with gate.turn({"weight": 1}, Priority.READ, wait=LONG * 2):
                pass

        for _ in range(MOST_WAITING):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(NotSentError, match="wait already"):
            await ask()
        tasks.cancel_scope.cancel()


def test_feeds_and_accounts_of_one_address_share_a_gate(host: ShiftedHost) -> None:
    gates = Gates(host)

    assert gates.gate("binance-spot") is gates.gate("binance-spot")
    assert gates.gate("binance-spot") is not gates.gate("binance-usdm")


@asynccontextmanager
async def limited(seen: Seen, host: ShiftedHost) -> AsyncIterator[LimitedClient]:
    allowed = AllowList([("GET", "/time")])
    async with HttpClient(
        "binance", f"http://127.0.0.1:{seen.port}", allowed, max_connections=1
    ) as client:
        yield LimitedClient(client, gate_of(host), note_bans(host.now))


async def test_an_answer_that_bans_is_the_last_request_until_its_end(host: ShiftedHost) -> None:
    async def bans(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"{}", "429 Too Many Requests", b"Retry-After: 120\r\n")
        while await peer.request():
            await peer.answer(b"{}")

    call = Call(costs={"weight": 1})
    async with raw_server(bans) as seen, limited(seen, host) as asking:
        answer = await asking.request("GET", "/time", call)
        for _ in range(5):
            with pytest.raises(NotSentError):
                await asking.request("GET", "/time", call)
        assert len(seen.requests) == 1
        host.shift += timedelta(seconds=121)
        await asking.request("GET", "/time", call)

    assert answer.status == 429
    assert len(seen.requests) == 2


async def test_an_answer_that_left_before_a_ban_does_not_end_it(host: ShiftedHost) -> None:
    """Two are in flight: the older one is answered well, behind the one that bans."""
    banned, call = anyio.Event(), Call(costs={"weight": 1})

    async def answers(peer: Peer) -> None:
        request = await peer.request()
        if b"/slow" in request:
            await banned.wait()
            await peer.answer(b"{}")
        else:
            await peer.answer(b"{}", "418 I'm a teapot", b"Retry-After: 120\r\n")

    allowed = AllowList([("GET", "/slow"), ("GET", "/time")])
    async with (
        raw_server(answers) as seen,
        HttpClient("binance", f"http://127.0.0.1:{seen.port}", allowed) as client,
        anyio.create_task_group() as tasks,
    ):
        asking = LimitedClient(client, gate_of(host), note_bans(host.now))

        async def slow() -> None:
            assert (await asking.request("GET", "/slow", call)).status == 200

        tasks.start_soon(slow)
        while not seen.requests:  # noqa: ASYNC110 - the server has no event for it
            await anyio.sleep(0.001)
        assert (await asking.request("GET", "/time", call)).status == 418
        banned.set()
    with pytest.raises(NotSentError):
        asking.gate.check_ban()
    host.shift += timedelta(seconds=121)
    asking.gate.check_ban()


async def test_what_waits_for_a_connection_does_not_leave_into_a_ban(host: ShiftedHost) -> None:
    """It has had its turn, and the one connection is taken: the ban comes with the answer there."""
    go_on = anyio.Event()

    async def bans(peer: Peer) -> None:
        while await peer.request():
            await go_on.wait()
            await peer.answer(b"{}", "418 I'm a teapot", b"Retry-After: 120\r\n")

    call, refused = Call(costs={"weight": 1}), list[NotSentError]()
    async with raw_server(bans) as seen, limited(seen, host) as asking:

        async def ask() -> None:
            try:
                await asking.request("GET", "/time", call)
            except NotSentError as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask)
            await seen.until(lambda each: len(each.requests) == 1)
            await anyio.wait_all_tasks_blocked()
            go_on.set()

    assert len(seen.requests) == 1
    assert len(refused) == 2
    window = asking.gate.limits.window("weight")
    assert window is not None
    assert window.own(host.monotonic()) == 1


async def test_what_may_not_leave_any_more_costs_nothing(host: ShiftedHost) -> None:
    """An order that is too old, or whose lease is gone, says so when it is signed."""

    async def answers(peer: Peer) -> None:
        while await peer.request():
            await peer.answer(b"{}")

    def refuse(unsigned: Unsigned) -> Unsigned:
        raise VenueUnavailableError("the order is too old")

    call = Call(costs={"weight": 3})
    async with raw_server(answers) as seen, limited(seen, host) as asking:
        for _ in range(5):
            with pytest.raises(VenueUnavailableError, match="too old"):
                await asking.request("GET", "/time", call, sign_now=refuse)
        await asking.request("GET", "/time", call)
    window = asking.gate.limits.window("weight")

    assert len(seen.requests) == 1
    assert window is not None
    assert window.own(host.monotonic()) == 3
