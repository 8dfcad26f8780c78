"""`job_runs`: one row per run; and the market time reached, committed together with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

import asyncpg

from tradebotd.domain.ids import JobName, RunId
from tradebotd.domain.job import JobRun, RunStatus
from tradebotd.storage.postgres.database import Connection

ENSURE_MONTH: Final[LiteralString] = "SELECT ensure_month('job_runs', $1)"
TAKE_IDS: Final[LiteralString] = "SELECT nextval('job_runs_id') FROM generate_series(1, $1)"

# A finished occurrence is not opened again: then no row comes back.
# Nor is one that was counted in the row of its minute: paced, time goes back a little at a restart.
OPEN_RUN: Final[LiteralString] = """
    INSERT INTO job_runs AS known (job, scheduled_at, slot_at, started_at, status)
    SELECT $1, $2::timestamptz, $3, $4, 'running'
     WHERE $2 IS NULL OR NOT EXISTS (
           SELECT FROM job_runs AS minute
            WHERE minute.job = $1 AND minute.slot_at > $3::timestamptz - interval '1 minute'
              AND minute.slot_at < $3 AND minute.runs > 1
              AND (minute.summary ->> 'last_scheduled_at')::timestamptz >= $2)
    ON CONFLICT (job, scheduled_at, slot_at) WHERE scheduled_at IS NOT NULL
    DO UPDATE SET status = 'running', started_at = excluded.started_at, finished_at = NULL,
                  attempt = known.attempt + 1, runs = 1, duration_s = NULL, error = NULL
     WHERE known.status IN ('lost', 'missed')
    RETURNING id, attempt
"""
CLOSE_RUN: Final[LiteralString] = """
    UPDATE job_runs
       SET finished_at = $3, status = $4, attempt = $5, duration_s = $6, summary = $7, error = $8
     WHERE id = $1 AND slot_at = $2
"""
SET_ATTEMPT: Final[LiteralString] = (
    "UPDATE job_runs SET attempt = $3 WHERE id = $1 AND slot_at = $2"
)
# A good run of a minute that has its row already: counted there, its own row goes.
FOLD_RUN: Final[LiteralString] = """
    WITH own AS (DELETE FROM job_runs WHERE id = $1 AND slot_at = $2)
    UPDATE job_runs SET runs = runs + 1, finished_at = $5, duration_s = duration_s + $6,
           summary = summary || jsonb_build_object('last_scheduled_at', $7::timestamptz)
     WHERE id = $3 AND slot_at = $4
"""
_ROWS: Final[LiteralString] = """
    INSERT INTO job_runs AS known
           (id, job, scheduled_at, slot_at, started_at, finished_at, status, attempt, runs, duration_s, summary, error)
    SELECT coalesce(r.id, nextval('job_runs_id')), r.job, r.scheduled_at, r.slot_at, r.started_at, r.finished_at,
           r.status, r.attempt, r.runs, r.duration_s, r.summary, r.error
      FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
                  $7::text[], $8::integer[], $9::integer[], $10::float8[], $11::jsonb[], $12::text[])
           AS r (id, job, scheduled_at, slot_at, started_at, finished_at, status, attempt, runs, duration_s, summary, error)
    ON CONFLICT (job, scheduled_at, slot_at) WHERE scheduled_at IS NOT NULL
    DO UPDATE SET started_at = excluded.started_at, finished_at = excluded.finished_at, status = excluded.status,
                  attempt = excluded.attempt + CASE known.status WHEN 'lost' THEN known.attempt ELSE 0 END,
                  runs = excluded.runs, duration_s = excluded.duration_s, summary = excluded.summary,
                  error = excluded.error
"""
INSERT_RUNS: Final[LiteralString] = _ROWS
COMMIT_INSTANT: Final[LiteralString] = (  # two constants of this file joined
    """
    WITH reached AS (
        INSERT INTO settings (key, value) VALUES ('market_clock', $13)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
    )"""  # noqa: S608 - both halves are constants of this file
    + _ROWS
)
CLOSE_LOST: Final[LiteralString] = """
    UPDATE job_runs SET status = 'lost', finished_at = greatest($1, started_at),
           error = coalesce(error, 'the daemon ended while this run was open')
     WHERE status = 'running'
    RETURNING job, scheduled_at
"""
CLOSE_CUT: Final[LiteralString] = """
    UPDATE job_runs SET status = 'lost', finished_at = greatest($3, started_at),
           error = coalesce(error, 'the daemon stopped while this run was open')
     WHERE job = $1 AND slot_at = $2 AND status = 'running'
"""
# A rolled-up row stands for every run from its scheduled_at to its finished_at.
SELECT_DONE_AT: Final[LiteralString] = """
    SELECT DISTINCT job FROM job_runs
     WHERE slot_at BETWEEN $1::timestamptz - interval '1 minute' AND $1
       AND status NOT IN ('running', 'lost', 'missed')
       AND (scheduled_at = $1 OR (runs > 1 AND finished_at >= $1))
"""
SELECT_LATEST_SLOTS: Final[LiteralString] = """
    SELECT names.job, latest.scheduled_at, latest.status
      FROM unnest($1::text[]) AS names (job),
           LATERAL (SELECT scheduled_at, status FROM job_runs
                     WHERE job = names.job AND scheduled_at IS NOT NULL
                     ORDER BY slot_at DESC LIMIT 1) AS latest
"""
SELECT_FIRST_SLOT: Final[LiteralString] = "SELECT min(slot_at) FROM job_runs"
SELECT_HISTORY: Final[LiteralString] = """
    SELECT id, job, scheduled_at, started_at, finished_at, status, attempt, runs, summary, error, duration_s
      FROM job_runs WHERE job = $1 ORDER BY slot_at DESC, id DESC LIMIT $2
"""
# The latest run: a slot that passed while one was still running is none.
SELECT_FIGURES: Final[LiteralString] = """
    SELECT names.job, latest.started_at, latest.duration_s, latest.status,
           coalesce(window_.runs, 0) AS runs, coalesce(window_.good, 0) AS good,
           coalesce(window_.missed, 0) AS missed
      FROM unnest($1::text[]) AS names (job)
      LEFT JOIN LATERAL (SELECT started_at, duration_s, status FROM job_runs
                          WHERE job = names.job
                            AND NOT (status = 'skipped' AND summary ->> 'reason' = 'still running')
                          ORDER BY slot_at DESC LIMIT 1) AS latest ON true
      LEFT JOIN (SELECT job,
                        sum(runs) FILTER (WHERE status IN ('ok', 'partial', 'failed', 'timeout', 'lost')) AS runs,
                        sum(runs) FILTER (WHERE status = 'ok') AS good,
                        sum(runs) FILTER (WHERE status = 'missed') AS missed
                   FROM job_runs WHERE slot_at > $2 GROUP BY job) AS window_ ON window_.job = names.job
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Finished run as it is written. `id` is None until PostgreSQL assigns one.

    `eventful`: failed, partial, missed, or something was done; dropped last when memory is short.
    """

    id: RunId | None
    job: JobName
    scheduled_at: datetime | None
    slot_at: datetime
    started_at: datetime
    finished_at: datetime
    status: RunStatus
    attempt: int = 1
    runs: int = 1
    duration_s: float = 0.0  # host seconds
    summary: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    eventful: bool = True


class JobFigures(NamedTuple):
    """Figures of a job for `tradebotctl jobs`; the window's figures count rolled-up runs."""

    last_started_at: datetime | None
    last_duration_s: float | None
    last_status: RunStatus | None
    runs: int
    good: int
    missed: int


async def ensure_month(connection: Connection, instant: datetime) -> None:
    await connection.execute(ENSURE_MONTH, instant)


async def take_ids(connection: Connection, count: int) -> list[RunId]:
    return [RunId(row[0]) for row in await connection.fetch(TAKE_IDS, count)]


async def open_run(
    connection: Connection,
    job: JobName,
    scheduled_at: datetime | None,
    slot_at: datetime,
    started_at: datetime,
) -> tuple[RunId, int] | None:
    """Open the row; return its id and attempt, or None if this occurrence has run or is running."""
    row = await connection.fetchrow(OPEN_RUN, job, scheduled_at, slot_at, started_at)
    return None if row is None else (RunId(row["id"]), row["attempt"])


async def close_run(connection: Connection, record: RunRecord) -> None:
    await connection.execute(
        CLOSE_RUN,
        record.id,
        record.slot_at,
        record.finished_at,
        record.status,
        record.attempt,
        record.duration_s,
        record.summary,
        record.error,
    )


async def set_attempt(
    connection: Connection, run_id: RunId, slot_at: datetime, attempt: int
) -> None:
    await connection.execute(SET_ATTEMPT, run_id, slot_at, attempt)


async def fold_run(
    connection: Connection, record: RunRecord, into: RunId, into_slot_at: datetime
) -> None:
    """Count the good run *record* in the row of its minute."""
    await connection.execute(
        FOLD_RUN,
        record.id,
        record.slot_at,
        into,
        into_slot_at,
        record.finished_at,
        record.duration_s,
        record.scheduled_at,
    )


async def insert_runs(connection: Connection, records: Sequence[RunRecord]) -> None:
    """Insert all rows in one statement; a row of the same occurrence is replaced."""
    await connection.execute(INSERT_RUNS, *_columns(records))


async def commit_instant(
    connection: Connection, records: Sequence[RunRecord], clock: dict[str, Any]
) -> None:
    """Write the rows and `market_clock` in one statement: both or neither."""
    await connection.execute(COMMIT_INSTANT, *_columns(records), clock)


async def close_lost(
    connection: Connection, now: datetime
) -> list[tuple[JobName, datetime | None]]:
    """Close as lost the rows that a crash left open; return them."""
    rows = await connection.fetch(CLOSE_LOST, now)
    return [(JobName(row["job"]), row["scheduled_at"]) for row in rows]


async def close_cut(connection: Connection, job: JobName, slot_at: datetime, now: datetime) -> None:
    """Close the row of a run that a stop interrupted; a finished row stays as it is."""
    await connection.execute(CLOSE_CUT, job, slot_at, now)


async def done_at(connection: Connection, instant: datetime) -> set[JobName]:
    """Return the jobs whose occurrence at *instant* has a finished row."""
    return {JobName(row["job"]) for row in await connection.fetch(SELECT_DONE_AT, instant)}


async def latest_slots(
    connection: Connection, jobs: Sequence[JobName]
) -> dict[JobName, tuple[datetime, RunStatus]]:
    rows = await connection.fetch(SELECT_LATEST_SLOTS, list(jobs))
    return {JobName(row["job"]): (row["scheduled_at"], RunStatus(row["status"])) for row in rows}


async def first_slot(connection: Connection) -> datetime | None:
    first: datetime | None = await connection.fetchval(SELECT_FIRST_SLOT)
    return first


async def history(connection: Connection, job: JobName, limit: int) -> list[JobRun]:
    """Return the latest *limit* runs, newest first."""
    return [_run(row) for row in await connection.fetch(SELECT_HISTORY, job, limit)]


async def figures(
    connection: Connection, jobs: Sequence[JobName], since: datetime
) -> dict[JobName, JobFigures]:
    rows = await connection.fetch(SELECT_FIGURES, list(jobs), since)
    return {
        JobName(row["job"]): JobFigures(
            last_started_at=row["started_at"],
            last_duration_s=row["duration_s"],
            last_status=None if row["status"] is None else RunStatus(row["status"]),
            runs=row["runs"],
            good=row["good"],
            missed=row["missed"],
        )
        for row in rows
    }


def _columns(records: Sequence[RunRecord]) -> list[list[Any]]:
    return [
        [record.id for record in records],
        [record.job for record in records],
        [record.scheduled_at for record in records],
        [record.slot_at for record in records],
        [record.started_at for record in records],
        [record.finished_at for record in records],
        [record.status for record in records],
        [record.attempt for record in records],
        [record.runs for record in records],
        [record.duration_s for record in records],
        [record.summary for record in records],
        [record.error for record in records],
    ]


def _run(row: asyncpg.Record) -> JobRun:
    return JobRun(
        id=RunId(row["id"]),
        job=JobName(row["job"]),
        scheduled_at=row["scheduled_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        status=RunStatus(row["status"]),
        attempt=row["attempt"],
        runs=row["runs"],
        summary=row["summary"],
        error=row["error"],
        duration_s=row["duration_s"],
    )
