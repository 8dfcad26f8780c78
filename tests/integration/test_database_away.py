"""PostgreSQL stopped, and frozen, under jobs that run: a cluster of their own."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.database import PostgresServer, temporary_cluster
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import ScriptedJob
from tests.integration.test_timeline import MINUTES, START, Recorded, Replay
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Every, JobSpec, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.slots import DueRun
from tradebotd.scheduling.timeline import read_reached
from tradebotd.storage.postgres.database import Database, open_database

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
READER, QUIET = JobName("reader"), JobName("quiet")
SLOTS = (Every(interval=timedelta(minutes=1)),)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    with temporary_cluster() as server:
        yield server


@pytest.fixture
async def own_database(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    for name, seconds in (("ACQUIRE", 0.3), ("ANSWER", 0.3), ("CLEAN_UP", 0.1)):
        monkeypatch.setattr(f"tradebotd.storage.postgres.database.{name}_SECONDS", seconds)
    monkeypatch.setattr("tradebotd.scheduling.timeline.DATABASE_RETRY_SECONDS", 0.05)
    async with (
        own_server.fresh_database() as dsn,
        open_database(dsn, pool_min=1, pool_max=4) as opened,
    ):
        yield opened


Switch = Callable[[PostgresServer], None]
WAYS = pytest.mark.parametrize(
    ("go", "come_back"),
    [
        (PostgresServer.stop, PostgresServer.start),
        (PostgresServer.freeze, PostgresServer.thaw),
    ],
    ids=["stopped", "frozen"],
)


@WAYS
async def test_rows_of_runs_without_a_database_are_written_when_it_is_back(
    own_server: PostgresServer, own_database: Database, go: Switch, come_back: Switch
) -> None:
    """M2.1, trouble: jobs fail visibly, nothing is lost, work resumes by itself."""
    clock = FakeClock(NOON, speed=1.0)

    async def read(context: RunContext) -> Summary:
        async with own_database.connection() as connection:
            await connection.fetchval("SELECT 1")
        return Summary(attempted=1)

    async def quiet(context: RunContext) -> Summary:
        if context.now == a_minute(2):  # its own row is open, and can only be closed later
            await anyio.to_thread.run_sync(go, own_server)
        return Summary()

    async with anyio.create_task_group() as tasks:
        ledger = RunLedger(own_database, deferred=False)
        runner = JobRunner(
            tasks=tasks,
            clock=clock,
            ledger=ledger,
            jobs=[ScriptedJob(QUIET, quiet), ScriptedJob(READER, read)],
            specs=[JobSpec(name=name, slots=SLOTS, retries=0) for name in (QUIET, READER)],
        )
        for number in range(7):
            if number == 5:
                assert ledger.waiting == 3 * 3  # two rows and a dead letter a minute
                await anyio.to_thread.run_sync(come_back, own_server)
            clock.set(a_minute(number))
            for name in (QUIET, READER):
                await runner.run_due([DueRun(name, clock.now(), clock.now())])

    async with own_database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM job_runs ORDER BY slot_at, job")
    assert [row["slot_at"] for row in rows] == [a_minute(n) for n in range(7) for _ in "ab"]
    assert {row["status"] for row in rows if row["job"] == QUIET} == {"ok"}
    assert [row["status"] for row in rows if row["job"] == READER] == (
        ["ok"] * 2 + ["failed"] * 3 + ["ok"] * 2
    )
    async with own_database.connection() as connection:
        (letter,) = await connection.fetch("SELECT count, error FROM dead_letters")
    assert letter["count"] == 3
    assert "DatabaseUnavailableError" in letter["error"]
    assert own_database.pool_in_use == 0


@WAYS
async def test_a_replay_stands_still_and_goes_on_by_itself(
    own_server: PostgresServer, own_database: Database, go: Switch, come_back: Switch
) -> None:
    """Trouble: at speed 0 no instant is passed by, none is done twice."""
    replay = Replay(own_database)
    gone = anyio.Event()
    steps_before = 0

    async def break_off() -> None:
        nonlocal steps_before
        if len(replay.steps) == 15:
            await anyio.to_thread.run_sync(go, own_server)
            steps_before = len(replay.steps)
            gone.set()

    async def repair() -> None:
        await gone.wait()
        while own_database.available:  # noqa: ASYNC110 - a flag of the pool, without an event
            await anyio.sleep(0.01)
        # Up to here the jobs of one more instant may have begun, no more.
        assert len(replay.steps) <= steps_before + 7
        await anyio.to_thread.run_sync(come_back, own_server)

    replay.during = lambda _timeline: break_off()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(repair)
        assert await replay.run()

    assert len(replay.steps) == len(set(replay.steps))
    assert {at for what, at in replay.steps if what == "tick"} == {
        point.at for point in Recorded().path(None)
    }
    rows = await replay.rows()
    assert len(rows) == 2 * (MINUTES + 1)
    assert {row["status"] for row in rows} == {"ok"}
    assert (await read_reached(own_database)).at == START + timedelta(minutes=MINUTES)


def a_minute(number: int) -> datetime:
    return NOON + timedelta(minutes=number)
