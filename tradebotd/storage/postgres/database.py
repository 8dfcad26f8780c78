"""Connection pool: lanes, transactions, and clear errors when PostgreSQL is unavailable.

Connections hold no session state that matters to the next user (no SET, LISTEN or advisory lock
that outlives its transaction), so that releasing one costs no round trip.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from enum import StrEnum
from typing import Any, Final, LiteralString, TypeAlias
from weakref import WeakSet

import anyio
import asyncpg
from asyncpg.pool import PoolConnectionProxy

from tradebotd.domain.errors import (
    ConfigError,
    DatabaseUnavailableError,
    RolledBackError,
    describe_error,
)
from tradebotd.storage.held import assert_no_connection_held as assert_no_connection_held  # noqa: PLC0414  # also known from here
from tradebotd.storage.held import hold, holds_connection, let_go
from tradebotd.storage.postgres import json_codec
from tradebotd.storage.postgres.writes import Writes

Connection: TypeAlias = PoolConnectionProxy

RESERVED_FOR_ORDERS: Final = 2
BULK_WRITERS: Final = 2
ACQUIRE_SECONDS = 5.0  # not final: a test waits longer
CLEAN_UP_SECONDS: Final = 1.0
STATEMENT_SECONDS: Final = 30
# Less than a lease and than a statement's time: the locks of a process that was stopped within a
# transaction are gone before its heir gives up waiting for them.
IDLE_IN_TRANSACTION_SECONDS: Final = 10
ANSWER_SECONDS: Final = STATEMENT_SECONDS + 5.0  # a server that does not even time out is frozen
_LONG_AGO: Final = 1_000_000_000  # queries before asyncpg would replace a connection: never

PING: Final[LiteralString] = "SELECT 1"
BEGIN: Final[LiteralString] = "BEGIN"
BEGIN_DURABLE: Final[LiteralString] = "BEGIN; SET LOCAL synchronous_commit = on"  # one round trip
COMMIT: Final[LiteralString] = "COMMIT"
ROLLBACK: Final[LiteralString] = "ROLLBACK"

SERVER_SETTINGS: Final = {
    "application_name": "tradebotd",
    "timezone": "UTC",
    "synchronous_commit": "off",  # orders, fills, positions and leases ask for `durable`
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
    "jit": "off",  # compiling costs more than any statement of ours
    # A statement sees what was committed before the locks that the one before it has waited for.
    "default_transaction_isolation": "read committed",
}

_TROUBLE: Final = (
    asyncpg.PostgresConnectionError,  # 08: the connection broke
    asyncpg.InsufficientResourcesError,  # 53: disk full, too many connections
    asyncpg.OperatorInterventionError,  # 57: shut down, starting up, statement timeout
    asyncpg.PostgresSystemError,  # 58: I/O error
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,  # `transaction_timeout`, from PostgreSQL 17 on
    asyncpg.StatementCompletionUnknownError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or an operator made it read-only
    asyncpg.InternalClientError,  # the server ended the session while it was idle
    OSError,  # TimeoutError among them: inside a block only the database is awaited
)
# The server is there, and has rolled back this transaction alone: nothing of it has happened.
_ROLLED_BACK: Final = (
    asyncpg.TransactionRollbackError,  # 40: the victim of a deadlock; a standby's conflict
    asyncpg.LockNotAvailableError,  # `lock_timeout`, which an operator may have set
)
_NO_ROOM: Final = (  # nothing can be written, though much can be read
    asyncpg.DiskFullError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
)
_BROKEN: Final = (asyncpg.PostgresConnectionError, asyncpg.InternalClientError, OSError)
_MISCONFIGURED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


class Lane(StrEnum):
    ORDERS = "orders"
    WORK = "work"
    BULK = "bulk"


class Database:
    """Database; raises DatabaseUnavailableError wherever PostgreSQL is unavailable.

    Raises RolledBackError for a transaction that the server has rolled back, the victim of a
    deadlock above all: it is not tried again here (`rolled_back.py`), and `available` stays as it
    is.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.pool_size: int = pool.get_max_size()
        self.pool_in_use = 0
        self.pool_acquired = 0  # how often, since the start
        self.available = True
        self.writes = Writes()
        self._durable_begun = self._durable_ended = 0
        shared = max(1, self.pool_size - RESERVED_FOR_ORDERS)
        self._shared = asyncio.Semaphore(shared)
        self._bulk = asyncio.Semaphore(min(BULK_WRITERS, max(1, shared - 1)))
        self._of_orders = asyncio.Semaphore(order_transactions(self.pool_size))
        self._prepared_for_orders: Sequence[LiteralString] = ()
        self._knowing: WeakSet[asyncpg.Connection] = WeakSet()

    def prepare_for_orders(self, statements: Sequence[LiteralString]) -> None:
        """Have each connection prepare *statements* before its first transaction of an order.

        Preparing costs a new connection more than running, and would be done with rows locked.
        """
        self._prepared_for_orders = statements
        self._knowing = WeakSet()

    def transaction(
        self, lane: Lane = Lane.WORK, *, durable: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """Open a transaction. `durable`: its commit waits until it is on the disk."""
        return self._transaction(lane, durable=durable)

    def connection(self, lane: Lane = Lane.WORK) -> AbstractAsyncContextManager[Connection]:
        """Open a connection in autocommit, for a single statement."""
        return self._held(lane)

    @property
    def durable_state(self) -> int | None:
        """Number that every durable commit of this process changes; None while one is running.

        What was read between two equal numbers still holds for money and orders: all that changes
        them is durable, and no other process may write them.
        """
        return self._durable_begun if self._durable_begun == self._durable_ended else None

    async def ping(self) -> None:
        async with self.connection(Lane.ORDERS) as connection:
            await connection.fetchval(PING)

    @asynccontextmanager
    async def _transaction(self, lane: Lane, *, durable: bool) -> AsyncIterator[Connection]:
        async with self._turn_of_orders(lane), self._held(lane) as connection:
            if lane is Lane.ORDERS and durable:
                await self._prepare(connection)
            try:  # cancelled in BEGIN it may be open or not: a rollback is right for both
                await connection.execute(BEGIN_DURABLE if durable else BEGIN)
                yield connection
            except BaseException:
                if not connection.is_closed():
                    with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True) as scope:
                        await _quietly(connection.execute(ROLLBACK))
                    _terminate_if(connection, late=scope.cancelled_caught)
                raise
            self._durable_begun += durable
            try:
                with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True) as scope:
                    await connection.execute(COMMIT)
            finally:  # an uncertain commit counts as well
                self._durable_ended += durable
            if scope.cancelled_caught:
                connection.terminate()
                self.available = False
                self.writes.on_trouble()
                raise DatabaseUnavailableError(
                    f"no answer to COMMIT in {CLEAN_UP_SECONDS:g} s: it may or may not have happened"
                )

    @asynccontextmanager
    async def _turn_of_orders(self, lane: Lane) -> AsyncIterator[None]:
        """Wait until few enough transactions of orders run: side by side, each holds its rows for
        as long as all of them take together.
        """
        if lane is not Lane.ORDERS:
            yield
            return
        _check_none_is_held()
        async with self._translated(), self._queued(self._of_orders, ACQUIRE_SECONDS):
            yield

    async def _prepare(self, connection: Connection) -> None:
        """Prepare what orders need, once a connection; what cannot be is left to its own use."""
        own = connection._con  # noqa: SLF001 - the proxy is another one each time
        if own in self._knowing:
            return
        for statement in self._prepared_for_orders:
            with suppress(asyncpg.SyntaxOrAccessError):
                await connection.executemany(statement, [])
        self._knowing.add(own)

    @asynccontextmanager
    async def _held(self, lane: Lane) -> AsyncIterator[Connection]:
        _check_none_is_held()
        async with self._translated(), self._turn(lane):
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
            hold()
            self.pool_in_use += 1
            self.pool_acquired += 1
            try:
                yield connection
            except _BROKEN:
                with suppress(asyncpg.InterfaceError):  # the pool has taken it back already
                    connection.terminate()  # it must not hand it out again
                raise
            finally:
                self.pool_in_use -= 1
                let_go()
                await self._release(connection)
        self.available = True

    async def _release(self, connection: Connection) -> None:
        with anyio.move_on_after(CLEAN_UP_SECONDS, shield=True) as scope:
            await _quietly(self._pool.release(connection, timeout=CLEAN_UP_SECONDS))
        _terminate_if(connection, late=scope.cancelled_caught)

    @asynccontextmanager
    async def _turn(self, lane: Lane) -> AsyncIterator[None]:
        """Wait for a turn: orders only for each other, bulk writers also for other bulk writers."""
        match lane:
            case Lane.ORDERS:
                yield
            case Lane.WORK:
                async with self._queued(self._shared):
                    yield
            case Lane.BULK:
                async with self._bulk, self._queued(self._shared):
                    yield

    @asynccontextmanager
    async def _queued(
        self, semaphore: asyncio.Semaphore, seconds: float = STATEMENT_SECONDS
    ) -> AsyncIterator[None]:
        if semaphore.locked():
            with anyio.fail_after(seconds):
                await semaphore.acquire()
        else:
            await semaphore.acquire()
        try:
            yield
        finally:
            semaphore.release()

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except _TROUBLE as error:
            self.available = False
            if isinstance(error, _NO_ROOM):
                self.writes.fail(describe_error(error))
            self.writes.on_trouble()
            raise unavailable(error) from error
        except _ROLLED_BACK as error:
            raise RolledBackError(
                f"PostgreSQL rolled it back: {type(error).__name__}: {error}"
            ) from error
        except asyncpg.InterfaceError as error:
            # asyncpg has no class of its own for "the connection is closed".
            if "closed" not in str(error) and "closing" not in str(error):
                raise
            self.available = False
            raise unavailable(error) from error


def order_transactions(pool_size: int) -> int:
    """Return how many transactions of orders may run at once: two fifths of the pool."""
    return max(RESERVED_FOR_ORDERS, pool_size * 2 // 5)


def _check_none_is_held() -> None:
    if holds_connection():
        raise RuntimeError("this task already holds a database connection")


def unavailable(error: BaseException) -> DatabaseUnavailableError:
    detail = str(error) or "timed out"
    return DatabaseUnavailableError(f"PostgreSQL is away: {type(error).__name__}: {detail}")


async def _quietly(awaitable: Any) -> None:
    """Ignore errors while cleaning up a broken connection: they say nothing new."""
    try:
        await awaitable
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        return


def _terminate_if(connection: Connection, *, late: bool) -> None:
    if late and connection._con is not None:  # noqa: SLF001 - None once it is back in the pool
        connection.terminate()


async def _keep_session(_connection: Connection) -> None:
    """Keep the session: asyncpg's RESET ALL, UNLISTEN … costs a round trip for nothing."""


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=json_codec.dumps, decoder=json_codec.loads
        )


@asynccontextmanager
async def open_database(
    dsn: str, *, pool_min: int, pool_max: int, password: str | None = None
) -> AsyncIterator[Database]:
    """Open the pool. Raises DatabaseUnavailableError, or ConfigError for a wrong address."""
    pool = asyncpg.create_pool(
        dsn,
        password=password,
        min_size=min(pool_min, pool_max),
        max_size=pool_max,
        max_queries=_LONG_AGO,
        max_inactive_connection_lifetime=0,
        reset=_keep_session,
        init=_prepare_connection,
        timeout=ACQUIRE_SECONDS,
        command_timeout=ANSWER_SECONDS,
        statement_cache_size=500,
        max_cached_statement_lifetime=0,
        server_settings=SERVER_SETTINGS,
    )
    try:
        await pool
    except _MISCONFIGURED as error:
        raise ConfigError([f"database.url: {error}"]) from error
    except _TROUBLE as error:
        raise unavailable(error) from error
    try:
        yield Database(pool)
    finally:
        await _close(pool)


async def _close(pool: asyncpg.Pool) -> None:
    with anyio.move_on_after(CLEAN_UP_SECONDS * 2, shield=True) as scope:
        await _quietly(pool.close())
    if scope.cancelled_caught:
        pool.terminate()
