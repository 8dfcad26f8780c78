"""Catch-up at the start: runs slots that were lost or missed while the daemon was down."""

from datetime import datetime

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import JobSpec, RunStatus
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.slots import ClosesAfter, last_fire
from tradebotd.storage import job_runs
from tradebotd.storage.postgres.database import Database

NOT_RUN = frozenset({RunStatus.LOST, RunStatus.MISSED})


async def catch_up(
    runner: JobRunner, database: Database, now: datetime, closes_after: ClosesAfter
) -> list[JobName]:
    """Run the latest missed occurrence of each job that catches up; return those jobs.

    For clocks that go on while the daemon is down: live and paced ones. Call it after
    `RunLedger.recover`, before the scheduler starts.
    """
    specs = [spec for spec in runner.specs if spec.catch_up and spec.slots]
    async with database.connection() as connection:
        latest_runs = await job_runs.latest_slots(connection, [spec.name for spec in specs])
    async with database.connection() as connection:
        first_ever = await job_runs.first_slot(connection)
    missed = []
    for spec in specs:
        slot = _latest_slot(spec, now, closes_after)
        latest, status = latest_runs.get(spec.name, (first_ever, RunStatus.OK))
        if slot is None or latest is None:
            continue  # a new database: nothing was ever due here
        if slot > latest or (slot == latest and status in NOT_RUN):
            await runner.run_missed(spec.name, slot)
            missed.append(spec.name)
    return missed


def _latest_slot(spec: JobSpec, now: datetime, closes_after: ClosesAfter) -> datetime | None:
    latest = [last_fire(slot, now, closes_after) for slot in spec.slots]
    return max((instant for instant in latest if instant is not None), default=None)
