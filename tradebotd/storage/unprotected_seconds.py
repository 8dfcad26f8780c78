"""`positions.unprotected_seconds`: for how long each position was without guard."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString, NamedTuple

from tradebotd.domain.ids import PositionId
from tradebotd.storage.postgres.database import Connection

# A row that is being changed is left for the next time: who waits for none is part of no deadlock.
UPDATE: Final[LiteralString] = """
    WITH free AS MATERIALIZED (
        SELECT id FROM positions WHERE id = ANY ($1::bigint[]) FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE positions AS p
       SET unprotected_seconds = u.seconds, unprotected_since = u.since
      FROM unnest($1::bigint[], $2::double precision[], $3::timestamptz[]) AS u (id, seconds, since)
      JOIN free ON free.id = u.id
     WHERE p.id = u.id
    RETURNING p.id
"""
SELECT_OPEN: Final[LiteralString] = """
    SELECT id, unprotected_seconds, unprotected_since
      FROM positions
     WHERE closed_at IS NULL AND (unprotected_seconds > 0 OR unprotected_since IS NOT NULL)
     ORDER BY id
"""
# Closed before the spell that was open then was stored as over.
SELECT_CLOSED: Final[LiteralString] = """
    SELECT id, symbol, unprotected_seconds, unprotected_since, closed_at
      FROM positions
     WHERE closed_at >= $1 AND unprotected_since IS NOT NULL
     ORDER BY id
"""
# The end of a sweep is when a daemon that has ended since was last known to guard. One that was lost
# or missed has the time at which the next daemon said so.
SELECT_LAST_SWEEP: Final[LiteralString] = """
    SELECT max(finished_at)
      FROM (SELECT finished_at FROM job_runs
             WHERE job = 'stop_loss_check' AND status IN ('ok', 'partial', 'failed', 'timeout')
             ORDER BY slot_at DESC LIMIT 10) AS latest
"""
LOOKED_BACK: Final = timedelta(days=7)  # from the last sweep, for what was closed and not stored


class UnprotectedRow(NamedTuple):
    """Seconds so far; *since*: without guard since then, which is not among them yet."""

    position_id: PositionId
    seconds: float
    since: datetime | None


class ClosedRow(NamedTuple):
    """A position that was without guard since *since* when it was closed; *seconds* are from before."""

    position_id: PositionId
    symbol: str
    seconds: float
    since: datetime
    closed_at: datetime


async def update(connection: Connection, rows: Sequence[UnprotectedRow]) -> set[PositionId]:
    """Write *rows*; return the positions that took theirs: others are changed at this moment."""
    ids, seconds, since = (list(column) for column in zip(*rows, strict=True))
    return {PositionId(row[0]) for row in await connection.fetch(UPDATE, ids, seconds, since)}


async def select_open(connection: Connection) -> list[UnprotectedRow]:
    """Return what is known of open positions; one without a row has had a guard throughout."""
    return [UnprotectedRow(*row) for row in await connection.fetch(SELECT_OPEN)]


async def select_closed(connection: Connection, swept_at: datetime) -> list[ClosedRow]:
    """Return what is not settled of closed positions: they were closed since, or a little earlier."""
    since = swept_at - LOOKED_BACK
    return [ClosedRow(*row) for row in await connection.fetch(SELECT_CLOSED, since)]


async def last_sweep(connection: Connection) -> datetime | None:
    """Return when positions were last known to be checked; None: never."""
    at: datetime | None = await connection.fetchval(SELECT_LAST_SWEEP)
    return at
