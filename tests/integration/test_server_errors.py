"""Errors of PostgreSQL, each by a real server: what a transaction becomes that ends in one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import anyio.lowlevel
import asyncpg
import pytest

from tests.database import PostgresServer
from tests.fakes.database_waits import until_somebody_waits
from tests.fakes.trading import BOT, TradingHarness, open_harness
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OutcomeUnknownError,
    RolledBackError,
)
from tradebotd.domain.ids import ClientOrderId
from tradebotd.storage.postgres import rolled_back
from tradebotd.storage.postgres.database import Connection, Database, open_database

PATIENCE = 60.0
Deed = Callable[[Connection], Awaitable[object]]


async def fetch(database: Database, sql: str, *args: object) -> object:
    async with database.connection() as connection:
        return await connection.fetchval(sql, *args)


@pytest.fixture
async def rows(database: Database) -> Database:
    await fetch(database, "CREATE TABLE t (id int PRIMARY KEY, n int)")
    await fetch(database, "INSERT INTO t VALUES (1, 0), (2, 0)")
    return database


async def in_transaction(database: Database, deed: Deed) -> None:
    async with database.transaction() as connection:
        await deed(connection)


async def add(connection: Connection, row: int) -> None:
    await connection.execute("UPDATE t SET n = n + 1 WHERE id = $1", row)


async def test_the_victim_of_a_deadlock_is_rolled_back_and_the_other_goes_on(
    rows: Database,
) -> None:
    """R6: it did not happen, and is said as everything that PostgreSQL could not do."""
    both_hold, held = anyio.Event(), 0
    errors: list[DatabaseUnavailableError] = []

    async def cross(first: int, second: int) -> None:
        nonlocal held
        try:
            async with rows.transaction(durable=True) as connection:
                await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
                await add(connection, first)
                held += 1
                if held == 2:
                    both_hold.set()
                await both_hold.wait()
                await add(connection, second)
        except DatabaseUnavailableError as error:
            errors.append(error)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as both:
            both.start_soon(cross, 1, 2)
            both.start_soon(cross, 2, 1)

    assert ["DeadlockDetectedError" in str(error) for error in errors] == [True]
    assert await fetch(rows, "SELECT array_agg(n ORDER BY id) FROM t") == [1, 1]
    assert rows.available
    assert (rows.writes.failure, rows.pool_in_use) == (None, 0)
    assert rows.durable_state is not None


async def waits_for_nobody(connection: Connection) -> None:
    await connection.execute("SET LOCAL lock_timeout = '1ms'")
    await add(connection, 1)


async def test_a_lock_that_is_not_to_be_had_in_time(rows: Database) -> None:
    """R6: `lock_timeout` is none of ours, but of whoever runs the server."""
    started, ends = anyio.Event(), anyio.Event()

    async def holds() -> None:
        async with rows.transaction() as connection:
            await add(connection, 1)
            started.set()
            await ends.wait()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as other:
            other.start_soon(holds)
            await started.wait()
            with pytest.raises(DatabaseUnavailableError, match="LockNotAvailableError"):
                await in_transaction(rows, waits_for_nobody)
            ends.set()

    assert await fetch(rows, "SELECT array_agg(n ORDER BY id) FROM t") == [1, 0]
    assert rows.available


async def test_a_snapshot_that_is_too_old_to_write_by(rows: Database) -> None:
    """R6: no transaction of ours asks for one; a standby's conflict has the same code."""

    async def late(connection: Connection) -> None:
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await connection.fetchval("SELECT n FROM t WHERE id = 1")
        async with anyio.create_task_group() as other:
            other.start_soon(in_transaction, rows, lambda theirs: add(theirs, 1))
        await add(connection, 1)

    with pytest.raises(DatabaseUnavailableError, match="SerializationError"):
        await in_transaction(rows, late)

    assert await fetch(rows, "SELECT array_agg(n ORDER BY id) FROM t") == [1, 0]
    assert rows.available


async def is_canceled(connection: Connection) -> None:
    await connection.execute("SELECT pg_cancel_backend(pg_backend_pid())")


async def is_ended(connection: Connection) -> None:
    await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def is_idle(connection: Connection) -> None:
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '1ms'")
    while not connection.is_closed():
        await anyio.lowlevel.checkpoint()
    await connection.execute("SELECT 1")


async def writes_where_nothing_may_be_written(connection: Connection) -> None:
    await connection.execute("SET TRANSACTION READ ONLY")
    await add(connection, 2)


@pytest.mark.parametrize(
    "deed", [is_canceled, is_ended, is_idle, writes_where_nothing_may_be_written]
)
async def test_a_server_that_ends_what_we_do_is_away(rows: Database, deed: Deed) -> None:
    """R6: until the next statement that it answers."""

    async def then_does(connection: Connection) -> None:
        await add(connection, 1)
        await deed(connection)

    with anyio.fail_after(PATIENCE), pytest.raises(DatabaseUnavailableError, match="is away"):
        await in_transaction(rows, then_does)

    assert not rows.available
    assert await fetch(rows, "SELECT array_agg(n ORDER BY id) FROM t") == [0, 0]
    assert rows.available


async def test_a_server_without_a_connection_for_us_is_away(
    postgres_server: PostgresServer,
) -> None:
    """R6: others have taken all of them."""
    await postgres_server.run("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    try:
        with pytest.raises(DatabaseUnavailableError, match="TooManyConnectionsError"):
            async with open_database(
                f"{postgres_server.dsn()}&user=crowded", pool_min=1, pool_max=2, password=""
            ):
                pass
    finally:
        await postgres_server.run("DROP ROLE crowded")


async def test_no_setting_of_the_servers_changes_what_a_statement_sees(
    database: Database, dsn: str
) -> None:
    """I5, M1.3: what is read behind a lock is what was committed before it was granted."""
    name = await fetch(database, "SELECT quote_ident(current_database())")
    await fetch(
        database, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    )

    async with (
        open_database(dsn, pool_min=1, pool_max=2, password="") as opened,
        opened.transaction(durable=True) as connection,
    ):
        assert await connection.fetchval("SHOW transaction_isolation") == "read committed"


@pytest.fixture
async def harness(database: Database) -> TradingHarness:
    return await open_harness(database)


async def test_a_report_whose_transaction_is_the_victim_each_time_is_recorded_by_reconciliation(
    harness: TradingHarness, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I3, R5: nothing of it is booked, the position is not in doubt, and it is booked once."""
    monkeypatch.setattr(rolled_back, "ATTEMPTS", 1)
    await harness.reconciler.run()
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    (report,) = harness.venue.orders.values()
    errors: list[DatabaseUnavailableError] = []

    async def record() -> None:
        try:
            await harness.recorder.record(report)
        except DatabaseUnavailableError as error:
            errors.append(error)

    other = await asyncpg.connect(dsn, password="")
    try:
        # The one that looks for a deadlock first is the victim: never this one.
        await other.execute("BEGIN; SET LOCAL deadlock_timeout = '1h'")
        await other.execute("SELECT FROM bot_states WHERE bot = $1 FOR UPDATE", BOT)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as recording:
                recording.start_soon(record)
                await until_somebody_waits(harness.database)
                await other.execute("SELECT FROM orders FOR UPDATE")
        await other.execute("ROLLBACK")
    finally:
        await other.close()

    assert ["DeadlockDetectedError" in str(error) for error in errors] == [True]
    assert await harness.rows("SELECT 1 FROM fills") == []
    assert [row["status"] for row in await harness.orders()] == ["unknown"]

    await harness.reconciler.run()

    assert (await harness.position())["quantity"] == 1
    assert len(await harness.rows("SELECT 1 FROM fills")) == 1
    assert await harness.broken_books() == []


@pytest.mark.parametrize("together", [False, True])
async def test_a_report_whose_transaction_is_the_victim_is_recorded_at_once(
    harness: TradingHarness,
    dsn: str,
    together: bool,  # noqa: FBT001
) -> None:
    """I3, R5: nothing of it had happened; till the next reconciliation nothing would guard it."""
    harness.venue.script.append(Behaviour.DROP_AFTER)
    with pytest.raises(OutcomeUnknownError):
        await harness.enter()
    (report,) = harness.venue.orders.values()
    foreign = replace(report, client_order_id=ClientOrderId("foreign"), fills=())

    other = await asyncpg.connect(dsn, password="")
    try:
        await other.execute("BEGIN; SET LOCAL deadlock_timeout = '1h'")
        await other.execute("SELECT FROM bot_states WHERE bot = $1 FOR UPDATE", BOT)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as recording:
                recording.start_soon(
                    harness.recorder.record, report, *([foreign] if together else [])
                )
                await until_somebody_waits(harness.database)
                await other.execute("SELECT FROM orders FOR UPDATE")  # it is the victim
                await other.execute("COMMIT")
    finally:
        await other.close()

    assert (await harness.position())["quantity"] == 1
    assert [held.quantity for held in harness.protection.held.values()] == [1]
    assert len(await harness.rows("SELECT 1 FROM fills")) == 1
    assert await harness.broken_books() == []


@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_transaction_that_is_rolled_back_each_time_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch, attempts: int
) -> None:
    """R5: every retry has a bound."""
    monkeypatch.setattr(rolled_back, "ATTEMPTS", attempts)
    tried = 0

    async def victim(_: Connection) -> None:
        nonlocal tried
        tried += 1
        raise RolledBackError("again")

    with pytest.raises(RolledBackError):
        await rolled_back.repeated(database, victim)
    assert tried == attempts
