"""B10: 1,000 requests by 20 callers behind the limits of a venue, beside the client alone."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, run_on_loop, stopwatch
from benchmarks.net_stack import plain_server
from tradebotd.clocks.host import SystemHost
from tradebotd.net.allow_list import AllowList
from tradebotd.net.errors import NotSentError
from tradebotd.net.gate import Gate
from tradebotd.net.http import Answer, HttpClient
from tradebotd.net.limited import Call, LimitedClient
from tradebotd.net.rate_limit import Priority

REQUESTS: Final = 1_000
CALLERS: Final = 20
SLICES: Final = 10
CONNECTIONS: Final = 12
PATH: Final = "/api/v3/order"
WEIGHT: Final = 4
TIGHT: Final = 200  # requests of a minute's limit, where it binds
CALL: Final = Call(costs={"weight": WEIGHT}, priority=Priority.READ, wait=0.0)
Ask = Callable[[], Awaitable[Answer]]


def measure(cluster: Cluster, options: Options) -> list[Row]:  # noqa: ARG001 - needs no database
    with plain_server() as port:
        rounds = [run_on_loop(lambda: _round(port)) for _ in range(options.rounds)]
    return [
        Row(
            budget="B10",
            work="1,000 requests behind their limits, 20 callers",
            unit="requests/s",
            rounds=tuple(each[0] for each in rounds),
            floors=tuple(each[1] for each in rounds),
            floor="the client alone",
            limit=Limit(sense="at least", value=0.9, of="ratio"),
        ),
        Row(
            budget="B10",
            work="the same, for each second of CPU (steadier on a busy machine)",
            unit="requests/s",
            rounds=tuple(each[3] for each in rounds),
            floors=tuple(each[4] for each in rounds),
            floor="the client alone",
        ),
        Row(
            budget="B10",
            work="requests that left where reads may make 160 a minute: never more",
            unit="requests",
            rounds=tuple(each[2] for each in rounds),
            limit=Limit(sense="at most", value=TIGHT * 0.8),
        ),
    ]


async def _round(port: int) -> tuple[float, ...]:
    """Requests a second behind the limits and without, how many left where these bind; and the
    same two for each second of CPU.
    """
    async with _client(port) as client:
        limited = _limited(client, REQUESTS * WEIGHT * 10)

        async def alone() -> Answer:
            return await client.request("GET", PATH)

        async def behind() -> Answer:
            return await limited.request("GET", PATH, CALL)

        await _all(alone, CALLERS)  # the connections are there before anything is timed
        floor = ours = floor_cpu = ours_cpu = 0.0
        for _ in range(SLICES):  # in turn: what slows the machine down slows both
            began = time.process_time()
            floor += await _all(alone, REQUESTS // SLICES)
            between = time.process_time()
            ours += await _all(behind, REQUESTS // SLICES)
            floor_cpu += between - began
            ours_cpu += time.process_time() - between
        left = await _left(_limited(client, TIGHT * WEIGHT))
        rates = [REQUESTS / each for each in (ours, floor, ours_cpu, floor_cpu)]
        return rates[0], rates[1], left, rates[2], rates[3]


async def _all(ask: Ask, count: int) -> float:
    async def call() -> None:
        for _ in range(count // CALLERS):
            await ask()

    with stopwatch() as elapsed:
        async with anyio.create_task_group() as tasks:
            for _ in range(CALLERS):
                tasks.start_soon(call)
    return elapsed.seconds


async def _left(limited: LimitedClient) -> float:
    """How many of 1,000 requests leave at once behind a limit that has room for a few."""
    left = 0

    async def call() -> None:
        nonlocal left
        for _ in range(REQUESTS // CALLERS):
            try:
                await limited.request("GET", PATH, CALL)
            except NotSentError:
                continue
            left += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLERS):
            tasks.start_soon(call)
    return left


@asynccontextmanager
async def _client(port: int) -> AsyncIterator[HttpClient]:
    allowed = AllowList([("GET", PATH)])
    url = f"http://127.0.0.1:{port}"
    async with HttpClient("bench", url, allowed, max_connections=CONNECTIONS) as client:
        yield client


def _limited(client: HttpClient, limit: int) -> LimitedClient:
    gate = Gate("bench", SystemHost())
    gate.limits.set_limit("weight", limit, 60.0)
    return LimitedClient(client, gate, lambda answer, turn: None)  # noqa: ARG005 - it says nothing
