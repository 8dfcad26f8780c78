"""Transactions of orders are short: few at once, and nothing is prepared within one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, LiteralString

import anyio
import pytest

from tests.fakes.trading import MINUTE, open_harness, spec
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.signal import SignalKind
from tradebotd.storage.postgres import database as database_module
from tradebotd.storage.postgres.database import (
    Connection,
    Database,
    Lane,
    open_database,
    order_transactions,
)

KNOWN: Final[LiteralString] = "SELECT statement FROM pg_prepared_statements"
LONG_ENOUGH: Final = 30.0


class WatchedDatabase(Database):
    """The same pool; `within` is what the server prepared while an order's transaction was open."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._pool)  # there is no other way to its connections
        self.transactions = 0
        self.within: set[str] = set()

    @asynccontextmanager
    async def _transaction(self, lane: Lane, *, durable: bool) -> AsyncIterator[Connection]:
        async with super()._transaction(lane, durable=durable) as connection:
            before = await known_to(connection)
            yield connection
            if lane is Lane.ORDERS:
                self.transactions += 1
                self.within |= await known_to(connection) - before


async def known_to(connection: Connection) -> set[str]:
    return {row[0] for row in await connection.fetch(KNOWN)} | {KNOWN}


async def hold(database: Database, entered: list[int], until: anyio.Event) -> None:
    async with database.transaction(Lane.ORDERS, durable=True):
        entered.append(1)
        await until.wait()


@asynccontextmanager
async def busy(database: Database, holders: int) -> AsyncIterator[list[int]]:
    """*holders* tasks want a transaction of an order each, until the block is left; those that have
    one are in the list, as many as may.
    """
    entered: list[int] = []
    until = anyio.Event()
    expected = min(holders, order_transactions(database.pool_size))
    with anyio.fail_after(LONG_ENOUGH):
        async with anyio.create_task_group() as crowd:
            for _ in range(holders):
                crowd.start_soon(hold, database, entered, until)
            while len(entered) < expected:  # noqa: ASYNC110 - the pool has no event
                await anyio.sleep(0.001)
            yield entered
            until.set()


async def test_transactions_of_orders_take_turns(database: Database) -> None:
    """B3: side by side, each would hold its rows for as long as all of them take together."""
    most = order_transactions(database.pool_size)

    async with busy(database, most + 1) as entered:
        await database.ping()
        async with database.transaction() as connection:
            await connection.execute("SELECT 1")
        async with database.connection(Lane.ORDERS) as connection:
            await connection.execute("SELECT 1")
        assert len(entered) == most

    assert len(entered) == most + 1
    assert database.pool_in_use == 0


async def test_a_turn_that_does_not_come_is_trouble(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6: orders wait for each other no longer than for a connection."""
    at_once = anyio.Event()
    at_once.set()
    async with busy(database, order_transactions(database.pool_size)):
        with monkeypatch.context() as short:
            short.setattr(database_module, "ACQUIRE_SECONDS", 0.01)
            with pytest.raises(DatabaseUnavailableError):
                await hold(database, [], at_once)

    await hold(database, [], at_once)
    assert database.available


async def test_a_task_within_a_transaction_is_refused_before_it_waits(database: Database) -> None:
    """M1.1: it would wait for itself."""
    async with (
        busy(database, order_transactions(database.pool_size) - 1),
        database.transaction(Lane.ORDERS, durable=True),
    ):
        with pytest.raises(RuntimeError, match="already holds"):
            await hold(database, [], anyio.Event())


@pytest.mark.parametrize("size", [4, 6, 10, 25, 100])
def test_orders_have_their_turns_in_a_pool_of_any_size(size: int) -> None:
    assert 2 <= order_transactions(size) <= size // 2


async def test_a_connection_prepares_once_what_orders_need(database: Database) -> None:
    statement: Final = "SELECT $1::int + 41"
    database.prepare_for_orders([statement])
    async with database.transaction(Lane.WORK, durable=True) as connection:
        assert statement not in await known_to(connection), "it is for orders alone"

    for _ in range(2):
        async with database.transaction(Lane.ORDERS, durable=True) as connection:
            assert statement in await known_to(connection)
            assert await connection.fetchval(statement, 1) == 42


async def test_each_connection_prepares_it(database: Database) -> None:
    statement: Final = "SELECT $1::int + 41"
    database.prepare_for_orders([statement])

    async def by_another() -> None:
        async with database.transaction(Lane.ORDERS, durable=True) as connection:
            assert statement in await known_to(connection)

    async with (
        database.transaction(Lane.ORDERS, durable=True),
        anyio.create_task_group() as children,
    ):
        children.start_soon(by_another)


async def test_what_cannot_be_prepared_stops_no_order(database: Database) -> None:
    """It fails where it is used, and nowhere else."""
    good: Final = "SELECT $1::int + 41"
    database.prepare_for_orders(["SELECT wrong FROM nowhere", "SELEC", good])

    async with database.transaction(Lane.ORDERS, durable=True) as connection:
        assert good in await known_to(connection)

    assert database.available


async def test_an_entry_and_an_exit_prepare_nothing_with_rows_locked(dsn: str) -> None:
    """B3: on connections that are new, as after a start or after PostgreSQL was away."""
    async with open_database(dsn, pool_min=1, pool_max=6) as opened:
        database = WatchedDatabase(opened)
        harness = await open_harness(database, spec("one"), speed=1.0)
        await harness.candles(100, 100, 100)
        database.within.clear()
        harness.says(SignalKind.BUY)
        assert (await harness.run()).acted
        harness.clock.advance(MINUTE)

        await harness.stream("90")

    assert not harness.protection.held
    assert database.transactions >= 4
    assert database.within == set()
