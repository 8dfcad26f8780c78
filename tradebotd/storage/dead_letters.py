"""`dead_letters`: runs that failed for good, with what a retry needs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, LiteralString

import asyncpg

from tradebotd.domain.ids import JobName, RunId
from tradebotd.storage.postgres.database import Connection

State = Literal["open", "retried", "discarded", "superseded"]

# One open entry for each job and arguments; a further failure is counted there.
PUT: Final[LiteralString] = """
    INSERT INTO dead_letters AS known (job, args, count, first_failed_at, last_failed_at, error)
    VALUES ($1, $2, $3, $4, $4, $5)
    ON CONFLICT (job, args) WHERE state = 'open'
    DO UPDATE SET count = known.count + excluded.count, last_failed_at = excluded.last_failed_at,
                  error = excluded.error
    RETURNING id
"""
SELECT_ALL: Final[LiteralString] = """
    SELECT id, job, args, count, first_failed_at, last_failed_at, error, state, superseded_by
      FROM dead_letters ORDER BY (state = 'open') DESC, last_failed_at DESC, id DESC LIMIT $1
"""
SELECT_ONE: Final[LiteralString] = """
    SELECT id, job, args, count, first_failed_at, last_failed_at, error, state, superseded_by
      FROM dead_letters WHERE id = $1
"""
DISCARD: Final[LiteralString] = (
    "UPDATE dead_letters SET state = 'discarded' WHERE id = $1 AND state = 'open' RETURNING id"
)
# The run that retried it may have been a whole one, which settles all of its job's.
RETRIED: Final[LiteralString] = """
    UPDATE dead_letters SET state = 'retried', superseded_by = NULL
     WHERE id = $1 AND (state = 'open' OR state = 'superseded' AND superseded_by = $2)
"""
# What was asked for by parameters is nothing that a scheduled run does.
SUPERSEDE: Final[LiteralString] = """
    UPDATE dead_letters SET state = 'superseded', superseded_by = $2
     WHERE job = $1 AND state = 'open' AND coalesce(args -> 'params', '{}') = '{}'
    RETURNING id
"""
SELECT_JOBS: Final[LiteralString] = "SELECT DISTINCT job FROM dead_letters WHERE state = 'open'"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """`args`: {"params": {…}, "only": [items]}, as the run by hand takes them.

    `superseded_by`: the later run that did what this one left undone.
    """

    id: int
    job: JobName
    args: dict[str, Any]
    count: int
    first_failed_at: datetime
    last_failed_at: datetime
    error: str
    state: State
    superseded_by: RunId | None = None


async def put(
    connection: Connection,
    job: JobName,
    args: dict[str, Any],
    failed_at: datetime,
    error: str,
    count: int = 1,
) -> int:
    letter_id: int = await connection.fetchval(PUT, job, args, count, failed_at, error)
    return letter_id


async def select_all(connection: Connection, limit: int = 500) -> list[DeadLetter]:
    """Return open letters first, then by latest failure."""
    return [_letter(row) for row in await connection.fetch(SELECT_ALL, limit)]


async def select_one(connection: Connection, letter_id: int) -> DeadLetter | None:
    row = await connection.fetchrow(SELECT_ONE, letter_id)
    return None if row is None else _letter(row)


async def discard(connection: Connection, letter_id: int) -> bool:
    """Set the state; return False if there is no open letter with that id."""
    return await connection.fetchval(DISCARD, letter_id) is not None


async def set_retried(connection: Connection, letter_id: int, run_id: RunId | None) -> None:
    """Close the entry that the good run *run_id* was made for."""
    await connection.execute(RETRIED, letter_id, run_id)


async def supersede(connection: Connection, job: JobName, run_id: RunId) -> list[int]:
    """Close the open entries of *job* that have no parameters: the good run *run_id* made up."""
    return sorted(row["id"] for row in await connection.fetch(SUPERSEDE, job, run_id))


async def jobs_with_open(connection: Connection) -> set[JobName]:
    return {JobName(row["job"]) for row in await connection.fetch(SELECT_JOBS)}


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(**{**dict(row), "job": JobName(row["job"])})
