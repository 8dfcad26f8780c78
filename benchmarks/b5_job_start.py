"""B5: from a due time to the first line of the job, 1,000 runs, each with its row in `job_runs`.

Scheduler, runner and ledger are the daemon's, on a clock whose minute lasts 20 ms. The floor does
the same by hand: a timer of the loop for each due time, and one plain INSERT before "the job".
"""

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString

import anyio

from benchmarks.cluster import Cluster
from benchmarks.measure import Limit, Options, Row, percentile, run_on_loop
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Every, JobSpec, Outcome, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.storage import job_runs
from tradebotd.storage.postgres.database import Database

RUNS: Final = 1_000
EVERY_SECONDS: Final = 0.02
P50_RATIO: Final = 1.5
P99_RATIO: Final = 2
MINUTE: Final = timedelta(minutes=1)
SPEED: Final = MINUTE.total_seconds() / EVERY_SECONDS
START: Final = datetime(2022, 1, 1, tzinfo=UTC)
NAME: Final = JobName("measured")

ROWS_OF_JOB: Final[LiteralString] = "SELECT count(*) FROM job_runs WHERE job = $1 AND status = 'ok'"
PLAIN_INSERT: Final[LiteralString] = """
    INSERT INTO job_runs (job, scheduled_at, slot_at, started_at, status)
    VALUES ($1, $2, $2, $2, 'running') RETURNING id
"""


@dataclass(slots=True)
class MeasuredJob:
    """A job whose first line notes how late it is, in host seconds."""

    clock: MarketClock
    name: JobName = NAME
    late_seconds: list[float] = field(default_factory=list)
    enough: anyio.Event = field(default_factory=anyio.Event)

    async def run(self, context: RunContext) -> Summary:
        if context.scheduled_at is None:
            raise AssertionError("it runs by schedule only")
        late = self.clock.now() - context.scheduled_at
        self.late_seconds.append(late.total_seconds() / SPEED)
        if len(self.late_seconds) >= RUNS:
            self.enough.set()
        return Summary(attempted=1)

    async def outcome(self) -> Outcome:
        return Outcome(ok=True, message="measured")


@dataclass(slots=True)
class Figures:
    """Milliseconds, of ours and of the floor."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    floor_p50: list[float] = field(default_factory=list)
    floor_p99: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    figures = Figures()

    async def rounds() -> None:
        for _ in range(options.rounds):
            async with cluster.opened() as database:
                late = await _by_the_scheduler(database)
                figures.p50.append(percentile(late, 50) * 1000)
                figures.p99.append(percentile(late, 99) * 1000)
                late = await _by_hand(database)
                figures.floor_p50.append(percentile(late, 50) * 1000)
                figures.floor_p99.append(percentile(late, 99) * 1000)

    run_on_loop(rounds)
    p50, p99 = (figures.p50, figures.floor_p50), (figures.p99, figures.floor_p99)
    return [
        _row(f"due time to the job's first line, {RUNS:,} runs: p50", *p50, 1.5),
        _row("the same beside its floor", *p50, P50_RATIO, of_floor=True),
        _row("the same: p99", *p99, 5),
        _row("the same beside its floor", *p99, P99_RATIO, of_floor=True),
    ]


def _row(
    work: str,
    rounds: Sequence[float],
    floors: Sequence[float],
    limit: float,
    *,
    of_floor: bool = False,
) -> Row:
    return Row(
        budget="B5",
        work=work,
        unit="ms",
        rounds=tuple(rounds),
        floors=tuple(floors),
        floor="timer + INSERT",
        limit=Limit(sense="at most", value=limit, of="ratio" if of_floor else "figure"),
    )


async def _by_the_scheduler(database: Database) -> Sequence[float]:
    clock = MarketClock(START, SPEED)
    job = MeasuredJob(clock)
    spec = JobSpec(
        name=NAME,
        slots=(Every(interval=MINUTE),),
        grace=timedelta(days=1),  # a minute is 20 ms here, and nothing may count as missed
    )
    ledger = RunLedger(database, deferred=False)
    gc.collect()
    async with anyio.create_task_group() as tasks:
        runner = JobRunner(tasks=tasks, clock=clock, ledger=ledger, jobs=[job], specs=[spec])
        scheduler = ClockScheduler(clock, lambda _code, _after: None, runner.trigger)
        clock.restart_from(START)
        scheduler.schedule([spec])
        scheduler.start()
        await job.enough.wait()
        scheduler.shutdown()
        await runner.drain(10)
    async with database.connection() as connection:
        rows = await connection.fetchval(ROWS_OF_JOB, NAME)
    if rows < RUNS:
        raise AssertionError(f"{rows} rows of {len(job.late_seconds)} runs")
    return job.late_seconds[:RUNS]


async def _by_hand(database: Database) -> Sequence[float]:
    """Wait by the host's clock: uvloop's own `time()` stands still between whole milliseconds."""
    late = []
    async with database.connection() as connection:
        await job_runs.ensure_month(connection, START)
        gc.collect()
        due = time.perf_counter()
        for number in range(RUNS):
            due += EVERY_SECONDS
            await _until(due)
            at = START + number * MINUTE
            await connection.fetchval(PLAIN_INSERT, "floor", at)
            late.append(time.perf_counter() - due)
    return late


async def _until(due: float) -> None:
    """Never before *due*: the loop's timer, rounded to a millisecond, may wake too early."""
    while (left := due - time.perf_counter()) > 0:  # noqa: ASYNC110 - time is no event
        await asyncio.sleep(left)
