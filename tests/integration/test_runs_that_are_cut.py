"""A stop in the midst of a run: its row says so, and the occurrence may be run again."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.jobs import ScriptedJob, nothing_due
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Every, JobSpec, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.slots import DueRun
from tradebotd.storage import job_runs
from tradebotd.storage.job_runs import RunRecord
from tradebotd.storage.postgres.database import Connection, Database

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAME = JobName("work")
MINUTELY = JobSpec(name=NAME, slots=(Every(interval=timedelta(minutes=1)),), retries=0)
DUE = DueRun(NAME, NOON, NOON, 0)


@pytest.mark.parametrize("by_hand", [True, False])
async def test_a_run_that_a_stop_cuts_is_closed_as_lost(
    database: Database, *, by_hand: bool
) -> None:
    """M1.2, M2.1: no row stays open, as where the first reconciliation is cut by a SIGTERM."""
    begun = anyio.Event()

    async def for_ever(_: RunContext) -> Summary:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def rows() -> list[tuple[str, str | None]]:
        async with database.connection() as connection:
            found = await connection.fetch("SELECT status, error FROM job_runs ORDER BY id")
            return [(row["status"], row["error"]) for row in found]

    job = ScriptedJob(NAME, for_ever)
    async with anyio.create_task_group() as tasks:
        runner = JobRunner(
            tasks=tasks,
            clock=FakeClock(NOON, speed=1.0),
            ledger=RunLedger(database, deferred=False),
            jobs=[job],
            specs=[MINUTELY],
        )
        async with anyio.create_task_group() as starting:
            if by_hand:
                starting.start_soon(runner.run_manually, NAME, {})
            else:
                starting.start_soon(runner.run_due, [DUE])
            await begun.wait()
            starting.cancel_scope.cancel()
        cut = await rows()
        job.work = nothing_due
        await runner.run_due([DUE])
        again = await rows()

    assert cut == [("lost", "the daemon stopped while this run was open")]
    assert [status for status, _ in again] == (["lost", "ok"] if by_hand else ["ok"])


async def test_a_run_that_has_come_to_its_end_is_never_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.1: cut between the commit of its end and our hearing of it, its row stays what it is."""
    closed, real = anyio.Event(), job_runs.close_run

    async def close_and_hang(connection: Connection, record: RunRecord) -> None:
        await real(connection, record)
        closed.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(job_runs, "close_run", close_and_hang)
    async with anyio.create_task_group() as tasks:
        runner = JobRunner(
            tasks=tasks,
            clock=FakeClock(NOON, speed=1.0),
            ledger=RunLedger(database, deferred=False),
            jobs=[ScriptedJob(NAME, nothing_due)],
            specs=[MINUTELY],
        )
        async with anyio.create_task_group() as starting:
            starting.start_soon(runner.run_due, [DUE])
            await closed.wait()
            starting.cancel_scope.cancel()

    async with database.connection() as connection:
        assert await connection.fetchval("SELECT status FROM job_runs") == "ok"
