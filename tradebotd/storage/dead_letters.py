"""`dead_letters`: runs that failed for good, with what a retry needs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, LiteralString

import asyncpg

from tradebotd.domain.ids import JobName
from tradebotd.storage.postgres.database import Connection

State = Literal["open", "retried", "discarded"]

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
    SELECT id, job, args, count, first_failed_at, last_failed_at, error, state
      FROM dead_letters ORDER BY (state = 'open') DESC, last_failed_at DESC, id DESC LIMIT $1
"""
SELECT_ONE: Final[LiteralString] = """
    SELECT id, job, args, count, first_failed_at, last_failed_at, error, state
      FROM dead_letters WHERE id = $1
"""
SET_STATE: Final[LiteralString] = (
    "UPDATE dead_letters SET state = $2 WHERE id = $1 AND state = 'open' RETURNING id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Dead letter; `args`: {"params": {…}, "only": [items]}, as a manual run takes them."""

    id: int
    job: JobName
    args: dict[str, Any]
    count: int
    first_failed_at: datetime
    last_failed_at: datetime
    error: str
    state: State


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


async def set_state(connection: Connection, letter_id: int, state: State) -> bool:
    """Set the state; return False if there is no open letter with that id."""
    return await connection.fetchval(SET_STATE, letter_id, state) is not None


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(**{**dict(row), "job": JobName(row["job"])})
