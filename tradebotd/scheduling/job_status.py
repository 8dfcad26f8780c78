"""Status of jobs for `tradebotctl jobs`: schedule, last run, outcome, figures of a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, RunStatus
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.scheduling.slots import timezones
from tradebotd.storage import job_runs
from tradebotd.storage.postgres.database import Database

WINDOW: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """Element of the `jobs` JSON. `success_rate_24h`: 0 to 1, None without runs."""

    name: JobName
    enabled: bool
    schedule: str
    timezone: str
    next_run_at: datetime | None
    last_started_at: datetime | None
    last_duration_s: float | None
    last_status: RunStatus | None
    outcome: Outcome | None
    success_rate_24h: float | None
    runs_24h: int
    missed_24h: int


async def job_statuses(
    runner: JobRunner, scheduler: ClockScheduler, database: Database, now: datetime
) -> list[JobStatus]:
    """Return every job's status in the fixed order. *now* is market time, as is the window."""
    specs = runner.specs
    async with database.connection() as connection:
        figures = await job_runs.figures(connection, [spec.name for spec in specs], now - WINDOW)
    statuses = []
    for spec in specs:
        job_figures, enabled = figures[spec.name], runner.is_enabled(spec.name)
        statuses.append(
            JobStatus(
                name=spec.name,
                enabled=enabled,
                schedule=spec.describe(),
                timezone=timezones(spec),
                next_run_at=scheduler.next_run_at(spec.name) if enabled else None,
                last_started_at=job_figures.last_started_at,
                last_duration_s=job_figures.last_duration_s,
                last_status=job_figures.last_status,
                outcome=await runner.fresh_outcome(spec.name),
                success_rate_24h=job_figures.good / job_figures.runs if job_figures.runs else None,
                runs_24h=job_figures.runs,
                missed_24h=job_figures.missed,
            )
        )
    return statuses
