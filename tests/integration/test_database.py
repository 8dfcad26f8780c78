import random
from typing import Any

import anyio
import anyio.lowlevel
import asyncpg
import pytest

from tests.database import PostgresServer
from tradebotd.domain.errors import ConfigError, DatabaseUnavailableError
from tradebotd.storage.postgres.database import (
    BULK_WRITERS,
    Database,
    Lane,
    assert_no_connection_held,
    open_database,
)
from tradebotd.trading.execution.lease import LEASE_SECONDS

BACK_ENDS = """
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend'
"""
KILL_THE_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def fetch(database: Database, sql: str, *args: Any) -> Any:
    async with database.connection() as connection:
        return await connection.fetchval(sql, *args)


async def kill_back_ends(dsn: str) -> None:
    assassin = await asyncpg.connect(dsn, password="")
    try:
        await assassin.execute(KILL_THE_OTHERS)
    finally:
        await assassin.close()


async def test_a_ping_reaches_the_server(database: Database) -> None:
    await database.ping()

    assert database.available
    assert database.pool_in_use == 0


async def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    await fetch(database, "CREATE TABLE t (n int)")

    async def half_way() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await half_way()
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO t VALUES (2)")

    assert await fetch(database, "SELECT array_agg(n) FROM t") == [2]


async def test_only_a_durable_transaction_waits_for_the_disk(database: Database) -> None:
    async with database.transaction() as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "off"
    async with database.transaction(durable=True) as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    assert await fetch(database, "SHOW synchronous_commit") == "off"


async def test_jsonb_comes_and_goes_as_objects(database: Database) -> None:
    assert await fetch(database, "SELECT $1::jsonb", {"a": [1, None]}) == {"a": [1, None]}


async def test_acquiring_while_holding_one_raises(database: Database) -> None:
    async with database.connection():
        with pytest.raises(RuntimeError, match="already holds"):
            await database.ping()
        with pytest.raises(RuntimeError, match="a quote"):
            assert_no_connection_held("a quote")

    assert_no_connection_held("a quote")
    await database.ping()


async def test_a_child_task_acquires_its_own(database: Database) -> None:
    async with database.connection(), anyio.create_task_group() as children:
        children.start_soon(database.ping)


async def test_transactions_cancelled_anywhere_leave_the_pool_whole(
    database: Database, dsn: str
) -> None:
    """M1.1: one pool; R6, 2.5: no cancelled transaction commits in part, no back end is doubled."""
    await fetch(database, "CREATE TABLE t (worker int, half int)")
    chance = random.Random(7)
    finished: set[int] = set()

    async def work(number: int, checkpoints: int) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as watcher:
                if number % 8:  # the others end by themselves, however slow the server is
                    watcher.start_soon(cancel_after, checkpoints, scope)
                async with database.transaction() as connection:
                    await connection.execute("INSERT INTO t VALUES ($1, 1)", number)
                    await connection.execute("INSERT INTO t VALUES ($1, 2)", number)
                finished.add(number)
                scope.cancel()

    async def cancel_after(checkpoints: int, scope: anyio.CancelScope) -> None:
        for _ in range(checkpoints):
            await anyio.lowlevel.checkpoint()
        scope.cancel()

    for first in range(0, 400, 4):
        async with anyio.create_task_group() as workers:
            for number in range(first, first + 4):
                workers.start_soon(work, number, chance.randrange(120))

    assert database.pool_in_use == 0
    halves = "SELECT count(*) FROM (SELECT FROM t GROUP BY worker HAVING count(*) <> 2) AS halves"
    assert await fetch(database, halves) == 0
    committed = await fetch(database, "SELECT array_agg(DISTINCT worker) FROM t")
    assert set(committed) == finished, "a transaction that said it was cancelled has committed"
    assert 0 < len(finished) < 400, "the moments are not spread over the transaction"
    observer = await asyncpg.connect(dsn, password="")
    try:
        assert await observer.fetchval(BACK_ENDS) <= database.pool_size + 1
    finally:
        await observer.close()
    async with anyio.create_task_group() as workers:
        for _ in range(20):
            workers.start_soon(database.ping)


async def hold(database: Database, lane: Lane, entered: list[Lane], until: anyio.Event) -> None:
    async with database.connection(lane):
        entered.append(lane)
        await until.wait()


@pytest.mark.parametrize("lane", [Lane.BULK, Lane.WORK])
async def test_a_crowd_of_writers_leaves_orders_their_connections(
    database: Database, lane: Lane
) -> None:
    """2.5: orders always find a connection, bulk writers are two at most."""
    entered: list[Lane] = []
    until = anyio.Event()

    async with anyio.create_task_group() as crowd:
        for _ in range(20):
            crowd.start_soon(hold, database, lane, entered, until)
        expected = BULK_WRITERS if lane is Lane.BULK else database.pool_size - 2
        with anyio.fail_after(30):
            while len(entered) < expected:  # noqa: ASYNC110 - the pool has no event
                await anyio.sleep(0.001)
            async with database.transaction(Lane.ORDERS, durable=True) as connection:
                await connection.execute("SELECT 1")
        assert len(entered) == expected
        until.set()

    assert len(entered) == 20


async def test_a_killed_back_end_is_said_and_the_next_call_works(
    database: Database, dsn: str
) -> None:
    """R6: a database that goes away fails visibly, and work goes on once it is back."""

    async def interrupted() -> None:
        async with database.transaction() as connection:
            await kill_back_ends(dsn)
            await connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailableError):
        await interrupted()
    assert not database.available
    await database.ping()

    assert database.available


async def test_an_idle_connection_that_was_cut_is_replaced(database: Database, dsn: str) -> None:
    await database.ping()
    await kill_back_ends(dsn)

    with anyio.fail_after(30):
        while True:
            try:
                await database.ping()
            except DatabaseUnavailableError:
                continue
            break


async def test_a_statement_that_takes_too_long_is_trouble(database: Database) -> None:
    async def slow() -> None:
        async with database.transaction() as connection:
            await connection.execute("SET LOCAL statement_timeout = 20")
            await connection.execute("SELECT pg_sleep(5)")

    with pytest.raises(DatabaseUnavailableError, match="timeout"):
        await slow()


async def test_locks_of_a_stopped_process_end_before_its_lease_and_its_heirs_patience(
    database: Database,
) -> None:
    """M1.6: a leader that is stopped within a transaction would keep its heir from starting."""
    async with database.connection() as connection:
        idle, patience = [
            await connection.fetchval("SELECT setting::int FROM pg_settings WHERE name = $1", name)
            for name in ("idle_in_transaction_session_timeout", "statement_timeout")
        ]  # milliseconds

    assert 0 < idle < 1000 * LEASE_SECONDS < patience


async def test_our_own_mistakes_are_not_called_trouble(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await fetch(database, "SELECT * FROM nowhere")

    assert database.available


async def test_an_address_nobody_answers_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailableError):
        async with open_database("postgresql:///x?host=/nowhere", pool_min=1, pool_max=2):
            pass


async def test_a_database_that_is_not_there_is_a_wrong_configuration(
    postgres_server: PostgresServer,
) -> None:
    with pytest.raises(ConfigError, match=r"database\.url"):
        async with open_database(postgres_server.dsn("nowhere"), pool_min=1, pool_max=2):
            pass


async def test_postgresql_reads_no_zone_but_utc(dsn: str, database: Database) -> None:
    """M2.10: its own database of time zones may be of any age; no day of ours depends on it."""
    name = await fetch(database, "SELECT quote_ident(current_database())")
    await fetch(database, f"ALTER DATABASE {name} SET timezone = 'America/Vancouver'")
    joint = "&" if "?" in dsn else "?"

    asked = f"{dsn}{joint}timezone=America/Edmonton"
    async with open_database(asked, pool_min=1, pool_max=2) as opened:
        assert await fetch(opened, "SHOW timezone") == "UTC"
