"""Ledger of `job_runs`: written at once, or per instant in one statement; memory is bounded.

Immediate (live, paced, manual): the row is there when the run starts and closed when it ends.
Deferred (speed 0): nothing is written until the instant is over; a kill within it leaves no row,
and the instant is run again. While the database is unavailable, finished rows wait in memory.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

import anyio
import structlog

from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import JobName, RunId
from tradebotd.domain.job import RunStatus
from tradebotd.domain.timeframe import EPOCH
from tradebotd.ports.clock import Clock
from tradebotd.storage import dead_letters, job_runs
from tradebotd.storage.job_runs import RunRecord
from tradebotd.storage.postgres.database import Connection, Database

log = structlog.get_logger(__name__)

CAPACITY: Final = 10_000
IDS_AT_ONCE: Final = 1_000
WRITE_AT_ONCE: Final = 500
CUT_SECONDS: Final = 2.0
MINUTE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class OpenRun:
    """Run between its start and its end. `coalesces`: good runs of a minute share a row."""

    id: RunId | None
    job: JobName
    scheduled_at: datetime | None
    slot_at: datetime
    started_at: datetime
    attempt: int
    coalesces: bool


class PendingDeadLetter(NamedTuple):
    """Dead letter that waits for the database."""

    job: JobName
    args: dict[str, Any]
    failed_at: datetime
    error: str


class RunLedger:
    """Ledger; *deferred*: scheduled runs wait for `commit_instant`, called at speed 0."""

    def __init__(self, database: Database, *, deferred: bool, capacity: int = CAPACITY) -> None:
        self._database = database
        self._deferred = deferred
        self._capacity = capacity
        self._instant: dict[tuple[JobName, datetime | None], RunRecord] = {}
        self._waiting: deque[RunRecord] = deque()
        self._letters: deque[PendingDeadLetter] = deque(maxlen=capacity)
        self._lettered: set[JobName] = set()
        self._rolled: dict[tuple[JobName, RunStatus], RunRecord] = {}
        self._ids: list[RunId] = []
        self._months: set[tuple[int, int]] = set()
        self._flushing = False
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Rows and dead letters kept in memory until the database is back."""
        return len(self._waiting) + len(self._letters)

    async def open(
        self, job: JobName, scheduled_at: datetime | None, now: datetime, *, coalesces: bool
    ) -> OpenRun | None:
        """Open a run; None if its slot has a finished row and must not be run again."""
        slot_at = now if scheduled_at is None else scheduled_at
        run = OpenRun(None, job, scheduled_at, slot_at, now, 1, coalesces)
        try:
            if self._deferred and scheduled_at is not None:
                run.id = await self._next_id(slot_at)
                return run
            await self.flush()
            async with self._database.connection() as connection:
                await self._ensure_month(connection, slot_at)
                opened = await job_runs.open_run(connection, job, scheduled_at, slot_at, now)
        except DatabaseUnavailableError:
            return run  # the run goes on, or fails by itself; its row is written afterwards
        if opened is None:
            return None
        run.id, run.attempt = opened
        return run

    async def close(self, run: OpenRun, record: RunRecord) -> None:
        if self._deferred and run.scheduled_at is not None:
            self._defer(run, record)
            return
        try:
            await self.flush()
            async with self._database.connection() as connection:
                await self._close_at_once(connection, run, record)
        except DatabaseUnavailableError:
            self._wait(record)

    @asynccontextmanager
    async def lost_when_cut(
        self, job: JobName, scheduled_at: datetime | None, slot_at: datetime, clock: Clock
    ) -> AsyncIterator[None]:
        """Close the row as `lost` if a stop cancels the run, as the next start would.

        That takes at most CUT_SECONDS; a row not closed by then is left to that start.
        """
        try:
            yield
        except anyio.get_cancelled_exc_class():
            if not (self._deferred and scheduled_at is not None):
                with anyio.move_on_after(CUT_SECONDS, shield=True):
                    await self._close_cut(job, slot_at, clock.now())
            raise

    async def _close_cut(self, job: JobName, slot_at: datetime, now: datetime) -> None:
        with suppress(DatabaseUnavailableError):
            async with self._database.connection() as connection:
                await job_runs.close_cut(connection, job, slot_at, now)

    async def note(self, record: RunRecord, *, coalesces: bool = False) -> None:
        """Record a run that never started: missed or skipped."""
        run = OpenRun(
            None, record.job, record.scheduled_at, record.slot_at, record.started_at, 1, coalesces
        )
        await self.close(run, record)

    async def set_attempt(self, run: OpenRun) -> None:
        """Show a retry on the open row; if that fails, closing the row records it."""
        if run.id is None or (self._deferred and run.scheduled_at is not None):
            return
        try:
            async with self._database.connection() as connection:
                await job_runs.set_attempt(connection, run.id, run.slot_at, run.attempt)
        except DatabaseUnavailableError:
            return

    async def put_dead_letter(self, letter: PendingDeadLetter) -> None:
        self._letters.append(letter)
        self._lettered.add(letter.job)
        try:
            await self.flush()
        except DatabaseUnavailableError:
            return

    def has_letters(self, job: JobName) -> bool:
        """Return whether dead letters of *job* may be open: a run that settles them has its row."""
        return job in self._lettered

    async def supersede(self, job: JobName, run_id: RunId | None) -> None:
        """Settle what earlier runs of *job* left undone, which the good run *run_id* has done.

        Left to the next good run while the database is away.
        """
        if run_id is None or job not in self._lettered:
            return
        try:
            await self.flush()
            async with self._database.connection() as connection:
                settled = await dead_letters.supersede(connection, job, run_id)
        except DatabaseUnavailableError:
            return
        if not self._letters:
            self._lettered.discard(job)
        if settled:
            log.info("dead letters superseded", job=job, run_id=run_id, dead_letters=settled)

    async def commit_instant(self, reached: datetime, *, ended: bool = False) -> None:
        """Store the market time *reached* and the rows of earlier instants in one statement.

        Raises DatabaseUnavailableError with nothing forgotten: call it again.
        """
        records = list(self._instant.values())
        clock = {"reached": reached, "ended": ended}
        if self._letters or self._waiting:
            await self.flush()
        async with self._database.connection() as connection:
            for record in records:
                await self._ensure_month(connection, record.slot_at)
            await job_runs.commit_instant(connection, records, clock)
        self._instant.clear()

    async def flush(self) -> None:
        """Write waiting rows. Raises DatabaseUnavailableError; the rest keeps waiting."""
        if self._flushing or not self.waiting:
            return
        self._flushing = True
        try:
            async with self._database.connection() as connection:
                await self._flush_rows(connection)
                await self._flush_letters(connection)
        finally:
            self._flushing = False

    async def recover(self, now: datetime) -> int:
        """Close as `lost` the rows that a crash left open; return their number."""
        async with self._database.connection() as connection:
            lost = await job_runs.close_lost(connection, now)
        async with self._database.connection() as connection:
            self._lettered |= await dead_letters.jobs_with_open(connection)
        for job, scheduled_at in lost:
            log.warning("job lost", job=job, scheduled_at=scheduled_at)
        return len(lost)

    async def done_at(self, instant: datetime) -> set[JobName]:
        """Return the jobs that already ran at *instant*, before a kill."""
        async with self._database.connection() as connection:
            return await job_runs.done_at(connection, instant)

    # Deferred

    def _defer(self, run: OpenRun, record: RunRecord) -> None:
        if run.coalesces and not record.eventful:
            known = self._rolled.get((record.job, record.status))
            if known is not None and _minute(known) == _minute(record):
                record = replace(
                    known,
                    runs=known.runs + record.runs,
                    finished_at=record.finished_at,
                    duration_s=known.duration_s + record.duration_s,
                )
            self._rolled[record.job, record.status] = record
        self._instant[record.job, record.scheduled_at] = record

    async def _next_id(self, slot_at: datetime) -> RunId:
        if not self._ids:
            async with self._database.connection() as connection:
                await self._ensure_month(connection, slot_at)
                self._ids = await job_runs.take_ids(connection, IDS_AT_ONCE)
            self._ids.reverse()
        return self._ids.pop()

    # Immediate

    async def _close_at_once(self, connection: Connection, run: OpenRun, record: RunRecord) -> None:
        if record.id is None:
            await self._ensure_month(connection, record.slot_at)
            await job_runs.insert_runs(connection, [record])
            return
        if not run.coalesces or record.eventful:
            await job_runs.close_run(connection, record)
            return
        known = self._rolled.get((record.job, record.status))
        if known is None or known.id is None or _minute(known) != _minute(record):
            await job_runs.close_run(connection, record)
            self._rolled[record.job, record.status] = record
        else:
            await job_runs.fold_run(connection, record, known.id, known.slot_at)

    # Database unavailable

    def _wait(self, record: RunRecord) -> None:
        if len(self._waiting) >= self._capacity:
            self._drop_one()
        self._waiting.append(record)

    def _drop_one(self) -> None:
        """Drop the oldest uneventful row, or the oldest if all are eventful."""
        for index, record in enumerate(self._waiting):
            if not record.eventful:
                del self._waiting[index]
                break
        else:
            self._waiting.popleft()
        self.dropped += 1

    async def _flush_rows(self, connection: Connection) -> None:
        while self._waiting:
            batch = _distinct(list(islice(self._waiting, WRITE_AT_ONCE)))
            for record in batch:
                await self._ensure_month(connection, record.slot_at)
            await self._write_batch(connection, batch)
            for record in batch:  # one may have been dropped meanwhile
                if self._waiting and self._waiting[0] is record:
                    self._waiting.popleft()

    async def _flush_letters(self, connection: Connection) -> None:
        while self._letters:
            letter = self._letters[0]
            await dead_letters.put(
                connection, letter.job, letter.args, letter.failed_at, letter.error
            )
            if self._letters and self._letters[0] is letter:
                self._letters.popleft()

    async def _write_batch(self, connection: Connection, batch: list[RunRecord]) -> None:
        """Close rows that have an id, which are open in the table; insert the others."""
        known = [record for record in batch if record.id is not None]
        for record in known:
            await job_runs.close_run(connection, record)
        if len(known) < len(batch):
            await job_runs.insert_runs(connection, [row for row in batch if row.id is None])

    async def _ensure_month(self, connection: Connection, instant: datetime) -> None:
        month = (instant.year, instant.month)
        if month not in self._months:
            await job_runs.ensure_month(connection, instant)
            self._months.add(month)


def _minute(record: RunRecord) -> datetime:
    return record.slot_at - (record.slot_at - EPOCH) % MINUTE


def _distinct(records: list[RunRecord]) -> list[RunRecord]:
    """Return the longest prefix without a repeated occurrence, as one statement requires."""
    seen: set[tuple[JobName, datetime | None]] = set()
    for count, record in enumerate(records):
        key = (record.job, record.scheduled_at)
        if record.scheduled_at is not None and key in seen:
            return records[:count]
        seen.add(key)
    return records
