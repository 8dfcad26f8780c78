"""Runner of jobs, the same for all: row, limits, overlap, expiry, retries, outcome, log."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import anyio
import structlog
from anyio.abc import TaskGroup

from tradebotd.clocks.host import monotonic
from tradebotd.domain.durations import spoken
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import JobRun, JobSpec, Outcome, RunStatus
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.attempts import Backoff, Result, run_with_retries
from tradebotd.scheduling.job import Job, Progress, RunContext, check_params, no_progress
from tradebotd.scheduling.outcomes import Outcomes
from tradebotd.scheduling.overruns import Overruns
from tradebotd.scheduling.run_ledger import OpenRun, PendingDeadLetter, RunLedger
from tradebotd.scheduling.run_records import counts_of, record_of
from tradebotd.scheduling.slots import DueRun, order_key
from tradebotd.storage.job_runs import RunRecord

log = structlog.get_logger(__name__)

MINUTE: Final = timedelta(minutes=1)
STILL_RUNNING: Final = "still running"
OUTCOME_EVERY_LIVE: Final = MINUTE
OUTCOME_EVERY_AT_SPEED_0: Final = timedelta(minutes=15)
LOOK_FOR_OVERDUE_SECONDS: Final = 1.0

IsOpen = Callable[[JobSpec, datetime], bool]


@dataclass(slots=True)
class Running:
    started: float  # host seconds
    soft_limit: timedelta
    warned: bool = False


class _Plan(NamedTuple):
    """Run that is to be made."""

    spec: JobSpec
    job: Job
    context: RunContext
    by_hand: bool


class JobRunner:
    """Runner: `trigger` starts tasks (live, paced); `run_due` runs in order (speed 0).

    *tasks* must outlive `drain`. *is_open* answers for jobs with `only_when_open`. *hold* keeps a
    clock at speed 0 still during a manual run.
    """

    def __init__(
        self,
        *,
        tasks: TaskGroup,
        clock: Clock,
        ledger: RunLedger,
        jobs: Sequence[Job],
        specs: Sequence[JobSpec],
        is_open: IsOpen = lambda _spec, _now: True,
        hold: Callable[[], AbstractContextManager[Any]] = nullcontext,
        backoff: Backoff | None = None,
        host_seconds: Callable[[], float] = monotonic,
    ) -> None:
        self._tasks = tasks
        self._clock = clock
        self._ledger = ledger
        self._jobs = {job.name: job for job in jobs}
        self._specs: dict[JobName, JobSpec] = {}
        self.set_specs(specs)
        self._is_open = is_open
        self._hold = hold
        self._backoff = backoff or Backoff()
        self._host_seconds = host_seconds
        self._disabled: set[JobName] = set()
        self._running: dict[JobName, Running] = {}
        self._overruns = Overruns()
        self._idle: anyio.Event | None = None
        self._draining = False
        every = OUTCOME_EVERY_LIVE if clock.speed else OUTCOME_EVERY_AT_SPEED_0
        self.outcomes = Outcomes(every=every)

    @property
    def specs(self) -> list[JobSpec]:
        """Specs of all jobs, in the fixed order."""
        return sorted(self._specs.values(), key=lambda spec: order_key(spec.name))

    def set_specs(self, specs: Sequence[JobSpec]) -> None:
        """Set the specs, at the start and after a reload. Specs without a job are ignored."""
        self._specs = {spec.name: spec for spec in specs if spec.name in self._jobs}

    @property
    def running(self) -> tuple[JobName, ...]:
        return tuple(self._running)

    def is_enabled(self, name: JobName) -> bool:
        spec = self._specs.get(name)
        return spec is not None and spec.enabled and name not in self._disabled

    @property
    def disabled(self) -> frozenset[JobName]:
        """Jobs that an operator disabled."""
        return frozenset(self._disabled)

    def set_disabled(self, names: Sequence[JobName]) -> None:
        """Set the stored disabled jobs; names of removed jobs do no harm."""
        self._disabled = set(names)

    def spec_of(self, name: str) -> JobSpec:
        """Return the job's spec. Raises RefusedError, which lists the known names."""
        if (spec := self._specs.get(JobName(name))) is None:
            known = tuple(sorted(self._specs))
            hint = f"known: {', '.join(known)}"
            raise RefusedError(RefusalCode.UNKNOWN_JOB, f"there is no job {name}", hint, known)
        return spec

    # Scheduled runs

    def trigger(self, dues: Sequence[DueRun]) -> None:
        """Start what is due, as tasks; the scheduler calls it when time passes by itself."""
        for due in dues:
            if self._draining or not self.is_enabled(due.name):
                continue
            spec = self._specs[due.name]
            if due.name in self._running:
                self._tasks.start_soon(self._skip, spec, due, STILL_RUNNING)
            else:
                self._begin(spec)
                self._tasks.start_soon(self._run_scheduled, spec, due, name=f"job {due.name}")

    async def run_due(self, dues: Sequence[DueRun]) -> None:
        """Run what is due in sequence, where the order of effects must repeat."""
        for due in dues:
            if self._draining or not self.is_enabled(due.name):
                continue
            spec = self._specs[due.name]
            if due.name in self._running:
                await self._skip(spec, due, STILL_RUNNING)
            else:
                self._begin(spec)
                await self._run_scheduled(spec, due)

    async def _run_scheduled(self, spec: JobSpec, due: DueRun) -> None:
        try:
            now = self._clock.now()
            if spec.only_when_open and not self._is_open(spec, now):
                await self._skip(spec, due, "market closed")
                return
            if due.earlier:
                await self._miss(spec, due.first, due.earlier, "made up by a later start")
            if now - due.at > spec.grace:
                await self._miss(spec, due.at, 1, f"{spoken(now - due.at)} late")
            else:
                context = RunContext(scheduled_at=due.at, now=now)
                await self._run(_Plan(spec, self._jobs[spec.name], context, by_hand=False))
        finally:
            self._end(spec.name)

    async def _miss(self, spec: JobSpec, at: datetime, runs: int, reason: str) -> None:
        log.warning("job missed", job=spec.name, scheduled_at=at, runs=runs, reason=reason)
        await self._ledger.note(self._instant_row(spec, at, RunStatus.MISSED, reason, runs))

    async def _skip(self, spec: JobSpec, due: DueRun, reason: str) -> None:
        overrun = reason == STILL_RUNNING
        slots = self._overruns.skipped(spec.name, self._host_seconds()) if overrun else None
        log.log(30 if slots else 10, "job skipped", job=spec.name, reason=reason, slots=slots or 1)
        if due.earlier:
            await self._miss(spec, due.first, due.earlier, "made up by a later start")
        record = self._instant_row(spec, due.at, RunStatus.SKIPPED, reason, 1)
        await self._ledger.note(replace(record, eventful=overrun), coalesces=spec.coalesces)

    def _instant_row(
        self, spec: JobSpec, at: datetime, status: RunStatus, reason: str, runs: int
    ) -> RunRecord:
        now = self._clock.now()
        return RunRecord(
            id=None,
            job=spec.name,
            scheduled_at=at,
            slot_at=at,
            started_at=now,
            finished_at=now,
            status=status,
            runs=runs,
            summary={"reason": reason},
        )

    # Manual runs

    async def run_manually(
        self,
        name: str,
        params: Mapping[str, str],
        progress: Progress = no_progress,
        only: frozenset[str] | None = None,
    ) -> JobRun:
        """Run a job manually, by the same path as a scheduled run.

        Raises RefusedError: unknown, already running, or stopping.
        """
        spec = self.spec_of(name)
        if self._draining:
            raise RefusedError(RefusalCode.STOPPING, "the daemon is stopping")
        if spec.name in self._running:
            raise RefusedError(RefusalCode.ALREADY_RUNNING, f"{name} is running already")
        self.check_params(spec.name, params)
        self._begin(spec)
        try:
            with self._hold():
                context = RunContext(
                    scheduled_at=None,
                    now=self._clock.now(),
                    params=dict(params),
                    only=only,
                    progress=progress,
                )
                run = await self._run(_Plan(spec, self._jobs[spec.name], context, by_hand=True))
        finally:
            self._end(spec.name)
        if run is None:
            raise AssertionError("a run by hand has no occurrence that could be done already")
        return run

    def check_params(self, name: JobName, params: Mapping[str, str]) -> None:
        """Check the parameters. Raises RefusedError: a typo must not count as a failed run."""
        check_params(self._jobs[name], params)

    async def run_missed(self, name: JobName, scheduled_at: datetime) -> None:
        """Run an occurrence that was lost or missed while the daemon was down."""
        if self._draining or not self.is_enabled(name) or name in self._running:
            return
        spec = self._specs[name]
        self._begin(spec)
        try:
            context = RunContext(scheduled_at=scheduled_at, now=self._clock.now())
            await self._run(_Plan(spec, self._jobs[name], context, by_hand=False))
        finally:
            self._end(name)

    # One run

    async def _run(self, plan: _Plan) -> JobRun | None:
        """Run once; None if this occurrence has already been run."""
        context, spec = plan.context, plan.spec
        slot_at = context.now if context.scheduled_at is None else context.scheduled_at
        async with self._ledger.lost_when_cut(
            spec.name, context.scheduled_at, slot_at, self._clock
        ):
            ended = await self._run_open(plan)
        if ended is None:
            return None
        run, record, result = ended
        with structlog.contextvars.bound_contextvars(job=spec.name, run_id=run.id):
            await self._report(plan, record, result)
            await self.outcomes.after_run(plan.job, context.now, eventful=record.eventful)
        return JobRun(
            id=record.id,
            job=record.job,
            scheduled_at=record.scheduled_at,
            started_at=record.started_at,
            finished_at=record.finished_at,
            status=record.status,
            attempt=record.attempt,
            summary=record.summary,
            error=record.error,
            duration_s=record.duration_s,
        )

    async def _run_open(self, plan: _Plan) -> tuple[OpenRun, RunRecord, Result] | None:
        """Run from the opening to the closing of its row; None if already run."""
        context, started = plan.context, self._host_seconds()
        run = await self._ledger.open(
            plan.spec.name, context.scheduled_at, context.now, coalesces=plan.spec.coalesces
        )
        if run is None:
            return None
        with structlog.contextvars.bound_contextvars(job=plan.spec.name, run_id=run.id):
            log.log(20 if plan.by_hand else 10, "job started", scheduled_at=context.scheduled_at)
            result = await self._attempts(plan, run)
            record = record_of(run, result, self._clock.now(), self._host_seconds() - started)
            settles = _makes_up(plan, result) and self._ledger.has_letters(run.job)
            if settles:
                record = replace(record, eventful=True)  # its row is named, so it stays
            await self._ledger.close(run, record)
            if settles:
                await self._ledger.supersede(run.job, run.id)
        return run, record, result

    async def _attempts(self, plan: _Plan, run: OpenRun) -> Result:
        first_attempt = run.attempt

        async def before_retry(number: int) -> RunContext | None:
            if self._draining:
                return None
            run.attempt = first_attempt + number - 1
            log.warning("job retried", attempt=run.attempt)
            await self._ledger.set_attempt(run)
            return replace(plan.context, now=self._clock.now())

        return await run_with_retries(
            plan.job,
            plan.context,
            hard_limit=plan.spec.hard_limit,
            retries=plan.spec.retries,
            backoff=self._backoff,
            before_retry=before_retry,
        )

    async def _report(self, plan: _Plan, record: RunRecord, result: Result) -> None:
        figures = {"status": record.status, "attempt": record.attempt}
        if record.status is RunStatus.OK:
            quiet = not record.eventful and not plan.by_hand
            log.log(10 if quiet else 20, "job complete", **figures, **counts_of(result))
            return
        log.error("job failed", **figures, **counts_of(result), error=record.error)
        if not result.can_be_mended:
            return  # failures are in quarantine; there is nothing to retry
        only = result.summary.failed_items
        if record.status is not RunStatus.PARTIAL:
            only = sorted(plan.context.only or ())
        args = {"params": dict(plan.context.params), "only": sorted(only)}
        letter = PendingDeadLetter(
            record.job, args, record.finished_at, record.error or record.status
        )
        await self._ledger.put_dead_letter(letter)

    # Limits, enabling, drain

    async def watch_limits(self) -> None:
        """Warn of runs beyond their soft limit, until cancelled."""
        while True:
            self.warn_overdue()
            await anyio.sleep(LOOK_FOR_OVERDUE_SECONDS)

    def warn_overdue(self) -> None:
        now = self._host_seconds()
        for name, running in self._running.items():
            seconds = now - running.started
            if not running.warned and seconds >= running.soft_limit.total_seconds():
                running.warned = True
                log.warning("soft limit exceeded", job=name, running_s=round(seconds, 1))

    def disable(self, name: str) -> None:
        """Stop scheduled runs of the job; the caller stores `disabled`."""
        self._disabled.add(self.spec_of(name).name)

    def enable(self, name: str) -> None:
        spec = self.spec_of(name)
        if not spec.enabled:
            raise RefusedError(
                RefusalCode.DISABLED_IN_CONFIG,
                f"{name} is switched off in the configuration",
                "edit it there",
            )
        self._disabled.discard(spec.name)

    async def drain(self, seconds: float) -> bool:
        """Start no more runs and wait for running ones without cancelling any.

        Returns False if some still run.
        """
        self._draining = True
        with anyio.move_on_after(seconds):
            while self._running:
                self._idle = self._idle or anyio.Event()
                await self._idle.wait()
        return not self._running

    async def fresh_outcome(self, name: JobName) -> Outcome | None:
        return await self.outcomes.fresh(self._jobs[name], self._clock.now())

    def _begin(self, spec: JobSpec) -> None:
        self._running[spec.name] = Running(self._host_seconds(), spec.soft_limit)

    def _end(self, name: JobName) -> None:
        del self._running[name]
        if not self._running and self._idle is not None:
            self._idle.set()
            self._idle = None


def _makes_up(plan: _Plan, result: Result) -> bool:
    """Return whether the run has done all that an earlier one of its job may have left undone."""
    context = plan.context
    whole = context.only is None and not context.params and not result.summary.put_off
    return plan.spec.makes_up and whole and result.status is RunStatus.OK
