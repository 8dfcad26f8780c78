"""A pool that fails by the seed, below the real `Database`; what it breaks, PostgreSQL really undoes.

One real connection serves all seeds of a process, one transaction at a time, so that what is seen
does not depend on who was faster. Losing it before COMMIT is a ROLLBACK and an error, losing it
after is a COMMIT and the same error: a client cannot tell them apart.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.simulation.host import Faults, Life, Record
from tests.simulation.loop import VirtualLoop
from tradebotd.storage.postgres.database import BEGIN, BEGIN_DURABLE, COMMIT, ROLLBACK

POOL_SIZE = 8
EXHAUSTED_SECONDS = 5.0
SLOW_COMMIT_SECONDS = 3.0  # longer than anybody waits for it
LOST_SECONDS = 20.0  # in which what was lost may be done again


class Server:
    """The one real connection, handed from transaction to transaction in the order of asking."""

    def __init__(self, loop: VirtualLoop, connection: asyncpg.Connection) -> None:
        self._loop = loop
        self._connection = connection
        self.turn = asyncio.Lock()
        self.statements = 0
        self._under_way: asyncio.Future[Any] | None = None

    async def ask(self, method: str, *values: Any, **options: Any) -> Any:
        """To the end, even if whoever asked is cancelled: the next one must find it idle."""
        await self.settle()
        self.statements += 1
        self._loop.asked_outside += 1
        asked = asyncio.ensure_future(getattr(self._connection, method)(*values, **options))
        self._under_way = asked
        asked.add_done_callback(self._answered)
        return await asyncio.shield(asked)

    def _answered(self, asked: "asyncio.Future[Any]") -> None:
        self._loop.asked_outside -= 1
        if not asked.cancelled():
            asked.exception()  # it has been seen, should nobody be there to see it

    async def settle(self) -> None:
        """Wait until no statement is under way whose asker has gone away."""
        while self._under_way is not None and not self._under_way.done():
            await asyncio.wait({self._under_way})


@dataclass
class Weather:
    """What befalls a database. `down_until`: nobody gets a connection before (virtual seconds)."""

    server: Server
    life: Life
    faults: Faults
    record: Record
    down_until: float = 0.0

    async def latency(self) -> None:
        await asyncio.sleep(self.faults.chance.uniform(0.0002, 0.004))

    def lost(self, where: str) -> asyncpg.PostgresError:
        self.record.say("database", where)
        self.faults.lasts(LOST_SECONDS)
        return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of it")


class FaultyPool:
    """Takes the place of `asyncpg.Pool` in one life of the process."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather

    def get_max_size(self) -> int:
        return POOL_SIZE

    async def acquire(self, *, timeout: float) -> "FaultyConnection":  # noqa: ASYNC109 - asyncpg's
        weather = self._weather
        await weather.life.window()
        await weather.life.awake()
        weather.life.step()
        now = weather.record.time.monotonic()
        if now < weather.down_until and weather.faults.on:
            await weather.latency()
            raise ConnectionRefusedError("the server is down")
        if weather.faults.strikes("database_outage"):
            weather.down_until = now + weather.faults.chance.uniform(0.5, 20)
            weather.faults.lasts(weather.down_until - now)
            weather.record.say("database", "outage")
            raise weather.lost("outage")
        if weather.faults.strikes("pool_exhausted", EXHAUSTED_SECONDS):
            weather.record.say("database", "pool exhausted")
            await asyncio.sleep(min(timeout, EXHAUSTED_SECONDS))
            raise TimeoutError
        return FaultyConnection(weather)

    async def release(self, connection: "FaultyConnection", *, timeout: float) -> None:  # noqa: ASYNC109
        del timeout
        connection.terminate()


class FaultyConnection:
    """What asyncpg's pool hands out, as far as our storage uses it."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._closed = False
        self._in_transaction = False
        self._con: object | None = self

    def is_closed(self) -> bool:
        return self._closed

    def terminate(self) -> None:
        """At once; what was begun is rolled back by whoever comes next."""
        self._closed, self._con = True, None
        if self._in_transaction:
            self._in_transaction = False
            rolling = asyncio.ensure_future(self._roll_back())
            _undone.add(rolling)
            rolling.add_done_callback(_undone.discard)

    async def _roll_back(self) -> None:
        server = self._weather.server
        try:
            await server.ask("execute", "ROLLBACK")
        finally:
            server.turn.release()

    async def begin(self) -> None:
        if self._in_transaction:
            raise AssertionError("the simulation knows no savepoints")
        await self._before("BEGIN")
        server = self._weather.server
        await server.turn.acquire()
        self._in_transaction = True
        await server.ask("execute", "BEGIN")

    async def commit(self) -> None:
        weather = self._weather
        await self._before("COMMIT")
        if weather.faults.strikes("slow_commit", SLOW_COMMIT_SECONDS):
            weather.record.say("database", "slow commit")
            if weather.faults.chance.random() < 0.5:
                await self._end("COMMIT")
            await asyncio.sleep(SLOW_COMMIT_SECONDS)
            raise weather.lost("after a slow commit")
        await self._end("COMMIT")
        if weather.faults.strikes("lost_after_commit"):
            self.terminate()
            raise weather.lost("after COMMIT")

    async def rollback(self) -> None:
        if self._in_transaction:
            await self._end("ROLLBACK")

    async def _end(self, word: str) -> None:
        server = self._weather.server
        self._in_transaction = False
        try:
            await server.ask("execute", word)
        finally:
            server.turn.release()

    async def _before(self, what: str) -> None:
        weather = self._weather
        if self._closed:
            raise asyncpg.InterfaceError("cannot perform operation: connection is closed")
        await weather.latency()
        weather.life.step()
        if weather.faults.strikes("lost_before"):
            self.terminate()
            raise weather.lost(f"before {what[:30].strip()}")

    async def _ask(self, method: str, *values: Any, **options: Any) -> Any:
        # This server forgets everything anyway: a durable transaction is like any other.
        if values[0] in (BEGIN, BEGIN_DURABLE):
            return await self.begin()
        if values[0] in (COMMIT, ROLLBACK):
            return await (self.commit() if values[0] == COMMIT else self.rollback())
        await self._before(str(values[0]).split("\n", 1)[0])
        server = self._weather.server
        if self._in_transaction:
            return await server.ask(method, *values, **options)
        async with server.turn:
            result = await server.ask(method, *values, **options)
        if self._weather.faults.strikes("lost_after_statement"):
            self.terminate()
            raise self._weather.lost("after a statement")
        return result

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name not in _STATEMENTS:
            raise AttributeError(name)

        async def ask(*values: Any, **options: Any) -> Any:
            return await self._ask(name, *values, **options)

        return ask


_STATEMENTS = frozenset({"execute", "executemany", "fetch", "fetchrow", "fetchval"})
_undone: set["asyncio.Future[Any]"] = set()
