"""Latest outcome of each job: read after eventful runs and on request."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio

from tradebotd.domain.errors import describe_error
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome
from tradebotd.scheduling.job import Job

LONGEST_SECONDS: Final = 30.0  # host time that reading one outcome may take


@dataclass(slots=True)
class _Evaluated:
    outcome: Outcome | None
    evaluated_at: datetime | None
    stale: bool


class Outcomes:
    """Cache of outcomes. *every*: market time between readings for uneventful runs."""

    def __init__(self, *, every: timedelta) -> None:
        self._every = every
        self._evaluated: dict[JobName, _Evaluated] = {}

    def latest(self, name: JobName) -> Outcome | None:
        evaluated = self._evaluated.get(name)
        return None if evaluated is None else evaluated.outcome

    async def after_run(self, job: Job, now: datetime, *, eventful: bool) -> None:
        evaluated = self._evaluated.setdefault(job.name, _Evaluated(None, None, stale=True))
        evaluated.stale = True
        if (
            eventful
            or evaluated.evaluated_at is None
            or now - evaluated.evaluated_at >= self._every
        ):
            await self._evaluate(job, evaluated, now)

    async def fresh(self, job: Job, now: datetime) -> Outcome | None:
        """Return the outcome, read again if the job has run since; None before its first run."""
        evaluated = self._evaluated.get(job.name)
        if evaluated is None:
            return None
        if evaluated.stale:
            await self._evaluate(job, evaluated, now)
        return evaluated.outcome

    async def _evaluate(self, job: Job, evaluated: _Evaluated, now: datetime) -> Outcome:
        try:
            with anyio.fail_after(LONGEST_SECONDS):  # the run must not wait for ever
                outcome = await job.outcome()
        except Exception as error:  # noqa: BLE001 - the runner's edge: an unreadable outcome is not ok
            text = f"could not be read: {describe_error(error)}"
            outcome = Outcome(ok=False, message=text)
        evaluated.outcome, evaluated.evaluated_at, evaluated.stale = outcome, now, False
        return outcome
