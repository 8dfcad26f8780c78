"""Clock, faults, listener and streams of the simulators, with a client that shares nothing with the daemon."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from tests.simulators.shared import money
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import (
    Executed,
    Fault,
    Kind,
    answered,
    every_truth,
    fault_from,
)
from tests.simulators.shared.server import Server, served

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIVE_SECONDS = timedelta(seconds=5)
LOST = (aiohttp.ClientError, ConnectionError)


class Shop:
    """A vendor of the smallest kind: it counts what was placed, and repeats on streams what it is told."""

    def __init__(self) -> None:
        self.placed = 0

    def build(self, scene: Scene) -> web.Application:
        async def place(request: web.Request) -> web.Response:
            self.placed += 1
            return web.json_response({"placed": self.placed, "was": await request.text()})

        async def stream(request: web.Request) -> web.WebSocketResponse:
            line = await scene.streams.accept(request)
            async for said in line.asked():
                await line.send(said, str(said).partition(" ")[0])
            return scene.streams.leave(line)

        async def operation_of(request: web.Request) -> str:
            return "place." + await request.text()

        scene.operation_of = operation_of
        app = web.Application()
        app.router.add_post("/order", place)
        app.router.add_get("/ws", stream)
        return app


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Shop, Server, aiohttp.ClientSession]]:
    shop = Shop()
    clock = SimulatorClock(NOON, running=False)
    async with served(shop.build, clock=clock) as server, aiohttp.ClientSession() as client:
        yield shop, server, client


async def placed(client: aiohttp.ClientSession, server: Server, what: str = "market") -> object:
    async with client.post(server.http + "/order", data=what) as answer:
        return json.loads(await answer.read())


def test_a_clock_that_stands_is_moved_by_the_test() -> None:
    clock = SimulatorClock(NOON, running=False)

    clock.advance(timedelta(hours=3))

    assert clock.now() == NOON + timedelta(hours=3)
    clock.offset = timedelta(seconds=-2)
    assert clock.now() == NOON - timedelta(seconds=2)


async def test_a_clock_runs_what_is_due_in_order() -> None:
    clock, ran = SimulatorClock(NOON, running=False), []

    async def first() -> None:
        ran.append(1)

    async def second() -> None:
        ran.append(2)

    clock.after(FIVE_SECONDS, second)
    clock.after(timedelta(seconds=1), first)
    assert await clock.run_due() == 0
    clock.advance(FIVE_SECONDS)

    assert await clock.run_due() == 2
    assert ran == [1, 2]


@pytest.mark.parametrize(
    "kind", [Kind.RESET, Kind.TRUNCATED, Kind.INVALID_JSON, Kind.EMPTY, Kind.WRONG_BODY]
)
@pytest.mark.parametrize("executed", list(Executed))
async def test_a_fault_has_its_truth(kind: Kind, executed: Executed) -> None:
    fault = Fault(kind=kind, executed=executed, after=FIVE_SECONDS, path="/order", body=[])
    async with opened() as (shop, server, client):
        server.faults.set(fault)

        if kind is Kind.WRONG_BODY:
            assert await placed(client, server) == []
        else:
            spoils = LOST if kind in {Kind.RESET, Kind.TRUNCATED} else ValueError
            with pytest.raises(spoils):
                await placed(client, server)
        assert shop.placed == (1 if executed is Executed.NOW else 0)

        server.clock.advance(FIVE_SECONDS)
        await server.settle()
        assert shop.placed == (0 if executed is Executed.NEVER else 1)
        before = shop.placed
        assert await placed(client, server) == {"placed": before + 1, "was": "market"}


async def test_a_fault_acts_on_what_matches_alone_and_so_many_times() -> None:
    async with opened() as (_, server, client):
        busy = answered(503, {"msg": "busy"}, operation="place.stop", method="POST", times=2)
        server.faults.set(replace(busy, skip=1))

        assert await placed(client, server, "market") == {"placed": 1, "was": "market"}
        assert await placed(client, server, "stop") == {"placed": 2, "was": "stop"}
        for _ in range(2):
            assert await placed(client, server, "stop") == {"msg": "busy"}
        assert await placed(client, server, "stop") == {"placed": 3, "was": "stop"}
        assert server.scene.count("/order") == 5


async def test_silence_ends_with_the_client() -> None:
    async with opened() as (shop, server, client):
        server.faults.set(Fault(kind=Kind.NO_ANSWER))

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await placed(client, server)
        assert shop.placed == 1


async def test_a_listener_refuses_and_opens_again() -> None:
    async with opened() as (shop, server, client):
        await placed(client, server)
        server.faults.set(Fault(kind=Kind.REFUSED))
        await server.met()

        with pytest.raises(aiohttp.ClientConnectorError):
            await placed(client, server)
        server.faults.clear()
        await server.met()
        assert await placed(client, server) == {"placed": 2, "was": "market"}
        assert shop.placed == 2


async def test_connecting_to_a_full_backlog_never_ends() -> None:
    async with opened() as (_, server, client):
        server.faults.set(Fault(kind=Kind.BACKLOG_FULL))
        await server.met()

        limit = aiohttp.ClientTimeout(sock_connect=0.3)
        with pytest.raises(aiohttp.ConnectionTimeoutError):
            await client.post(server.http + "/order", data="market", timeout=limit)
        server.faults.clear()
        await server.met()
        assert await placed(client, server) == {"placed": 1, "was": "market"}


async def test_a_listeners_fault_can_end_by_itself() -> None:
    async with opened() as (_, server, client):
        server.faults.set(Fault(kind=Kind.REFUSED, lasts=0.05))
        await server.met()

        async with asyncio.timeout(30):
            while True:
                try:
                    assert await placed(client, server) == {"placed": 1, "was": "market"}
                    break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0)


async def test_a_streams_gap_loses_so_many_events_of_a_channel() -> None:
    async with opened() as (_, server, client), client.ws_connect(server.ws + "/ws") as line:
        await line.send_str("kline 0")
        assert await line.receive_str() == "kline 0"
        server.faults.set(Fault(kind=Kind.GAP, times=2, channel="kline"))
        await server.met()

        for said in ("kline 1", "trade 1", "kline 2", "kline 3"):
            await line.send_str(said)
        assert [await line.receive_str() for _ in range(2)] == ["trade 1", "kline 3"]


async def test_a_stalled_stream_tells_everything_late() -> None:
    async with opened() as (_, server, client), client.ws_connect(server.ws + "/ws") as line:
        await line.send_str("0")
        await line.receive_str()
        server.faults.set(Fault(kind=Kind.STALL))
        await server.met()
        for said in ("1", "2"):
            await line.send_str(said)
        await line.ping(b"here?")
        async with asyncio.timeout(30):
            while len(server.streams.open[0]._held) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        server.faults.clear()
        await server.met()

        assert [await line.receive_str() for _ in range(2)] == ["1", "2"]


@pytest.mark.parametrize(("kind", "answers"), [(Kind.MUTE, True), (Kind.HALF_OPEN, False)])
async def test_a_mute_stream_answers_pings_and_a_half_open_one_nothing(
    kind: Kind,
    *,
    answers: bool,
) -> None:
    async with (
        opened() as (_, server, client),
        client.ws_connect(server.ws + "/ws", autoping=False) as line,
    ):
        await line.send_str("0")
        await line.receive_str()
        server.faults.set(Fault(kind=kind))
        await server.met()
        await line.send_str("1")
        await line.ping(b"here?")

        if answers:
            assert (await line.receive(30)).type is aiohttp.WSMsgType.PONG
        else:
            with pytest.raises(TimeoutError):
                await line.receive(0.2)


@pytest.mark.parametrize("code", [1001, 0])
async def test_a_stream_is_disconnected_with_or_without_a_word(code: int) -> None:
    async with opened() as (_, server, client), client.ws_connect(server.ws + "/ws") as line:
        await line.send_str("0")
        await line.receive_str()
        server.faults.set(Fault(kind=Kind.DISCONNECT, code=code))
        await server.met()

        ended = await line.receive(30)
        if code:
            assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, code)
        else:
            assert ended.type is not aiohttp.WSMsgType.CLOSE


async def test_a_simulator_in_another_process_is_told_by_its_control() -> None:
    async with opened() as (_, server, client):

        async def tell(**told: object) -> int:
            async with client.post(server.control_url, json=told) as answer:
                return answer.status

        assert await tell(do="fault", fault={"kind": "refused"}) == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await placed(client, server)
        assert await tell(do="clear") == 200
        assert (
            await tell(do="fault", fault={"kind": "reset", "executed": "later", "after": 5}) == 200
        )
        with pytest.raises(LOST):
            await placed(client, server)
        assert await tell(do="advance", seconds=5) == 200
        assert await placed(client, server) == {"placed": 2, "was": "market"}
        assert await tell(do="fault", fault={"kind": "sulk"}) == 400
        assert await tell(do="nothing of it") == 400


def test_a_fault_of_unknown_words_is_refused() -> None:
    with pytest.raises(ValueError, match="when"):
        fault_from({"kind": "reset", "when": "now"})


def test_every_truth_is_three() -> None:
    truths = [each.executed for each in every_truth(Fault(kind=Kind.RESET), FIVE_SECONDS)]

    assert truths == list(Executed)


def test_money_has_no_exponents_and_a_direction() -> None:
    assert money.text(Decimal("1E+3")) == "1000"
    assert money.text(Decimal("0.10")) == "0.1"
    assert money.text(Decimal("0.1"), 8) == "0.10000000"
    assert money.down(Decimal("0.129"), Decimal("0.01")) == Decimal("0.12")
    assert money.up(Decimal("0.121"), Decimal("0.01")) == Decimal("0.13")
    assert money.is_multiple(Decimal("0.12"), Decimal("0.01"))
    assert not money.is_multiple(Decimal("0.125"), Decimal("0.01"))
