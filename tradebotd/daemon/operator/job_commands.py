"""Commands of an operator to jobs, and questions about them; each act is one line in the log."""

from collections.abc import Mapping

import structlog
from anyio.abc import TaskGroup

from tradebotd.control.messages.jobs import DeadLetter, Discarded, Job, JobRun, RunSummary, Switched
from tradebotd.domain.errors import RefusedError, TradebotError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import JobRun as StoredRun
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.dead_letters import discard_dead_letter, retry_dead_letter
from tradebotd.scheduling.job import Progress, no_progress
from tradebotd.scheduling.job_status import job_statuses
from tradebotd.scheduling.job_switches import switch
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.storage import dead_letters, job_runs
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.postgres.json_codec import dumps, loads

log = structlog.get_logger(__name__)


class JobCommands:
    """*tasks* must outlive the control server: detached runs live there.

    Raises RefusedError for a job that there is not, and where its state does not allow it.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        runner: JobRunner,
        scheduler: ClockScheduler,
        tasks: TaskGroup,
    ) -> None:
        self._database = database
        self._clock = clock
        self._runner = runner
        self._scheduler = scheduler
        self._tasks = tasks

    async def jobs(self) -> list[Job]:
        now = self._clock.now()
        statuses = await job_statuses(self._runner, self._scheduler, self._database, now)
        return [Job.model_validate(status) for status in statuses]

    async def history(self, name: str, limit: int) -> list[JobRun]:
        spec = self._runner.spec_of(name)
        async with self._database.connection() as connection:
            runs = await job_runs.history(connection, spec.name, limit)
        return [_run(run) for run in runs]

    async def run(self, name: str, params: Mapping[str, str], progress: Progress) -> JobRun:
        run = await self._runner.run_manually(name, params, progress)
        log.info("job run manually", job=name, params=dict(params), status=run.status)
        return _run(run)

    async def start(self, name: str, params: Mapping[str, str]) -> JobRun:
        """Start a job. Raises RefusedError for what is known now; `job_runs` tells the rest."""
        spec = self._runner.spec_of(name)
        if spec.name in self._runner.running:
            raise RefusedError(RefusalCode.ALREADY_RUNNING, f"{name} is running already")
        self._runner.check_params(spec.name, params)
        self._tasks.start_soon(self._run_detached, spec.name, dict(params))
        return JobRun(
            run_id=None,
            job=spec.name,
            status="running",
            attempt=1,
            scheduled_at=None,
            started_at=self._clock.now(),
            finished_at=None,
            runs=1,
            summary=RunSummary(),
            error=None,
        )

    async def _run_detached(self, name: JobName, params: dict[str, str]) -> None:
        try:
            await self.run(name, params, no_progress)
        except TradebotError as error:
            log.warning("detached run refused", job=name, error=str(error))

    async def switch(self, name: str, *, enabled: bool) -> Switched:
        spec = self._runner.spec_of(name)
        if self._runner.is_enabled(spec.name) is enabled:
            word = "enabled" if enabled else "disabled"
            code = RefusalCode.ALREADY_ENABLED if enabled else RefusalCode.ALREADY_DISABLED
            raise RefusedError(code, f"{name} is {word} already")
        await switch(self._runner, self._database, name, enabled=enabled)
        log.warning("job switched manually", job=name, enabled=enabled)
        return Switched(name=name, enabled=enabled)

    async def dead_letters(self) -> list[DeadLetter]:
        async with self._database.connection() as connection:
            letters = await dead_letters.select_all(connection)
        return [DeadLetter.model_validate(letter) for letter in letters]

    async def retry_dead_letter(self, letter_id: int, progress: Progress) -> JobRun:
        run = await retry_dead_letter(self._runner, self._database, letter_id, progress)
        log.info(
            "dead letter retried manually", dead_letter=letter_id, job=run.job, status=run.status
        )
        return _run(run)

    async def discard_dead_letter(self, letter_id: int) -> Discarded:
        await discard_dead_letter(self._database, letter_id)
        log.info("dead letter discarded manually", dead_letter=letter_id)
        return Discarded(id=letter_id)


def _run(run: StoredRun) -> JobRun:
    return JobRun(
        run_id=run.id,
        job=run.job,
        status=run.status.value,
        attempt=run.attempt,
        scheduled_at=run.scheduled_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        runs=run.runs,
        summary=loads(dumps(run.summary)),
        error=run.error,
        duration_s=run.duration_s,
    )
