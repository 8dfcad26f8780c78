"""Latest outcome of each job: read after eventful runs and on request."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome
from tradebotd.scheduling.job import Job

LONGEST_SECONDS: Final = 30.0  # host time that reading one outcome may take


@dataclass(slots=True)
class _Known:
    outcome: Outcome | None
    evaluated_at: datetime | None
    stale: bool


class Outcomes:
    """Cache of outcomes. *every*: market time between readings for uneventful runs."""

    def __init__(self, *, every: timedelta) -> None:
        self._every = every
        self._known: dict[JobName, _Known] = {}

    def latest(self, name: JobName) -> Outcome | None:
        known = self._known.get(name)
        return None if known is None else known.outcome

    async def after_run(self, job: Job, now: datetime, *, eventful: bool) -> None:
        known = self._known.setdefault(job.name, _Known(None, None, stale=True))
        known.stale = True
        if eventful or known.evaluated_at is None or now - known.evaluated_at >= self._every:
            await self._evaluate(job, known, now)

    async def fresh(self, job: Job, now: datetime) -> Outcome | None:
        """Return the outcome, read again if the job has run since; None before its first run."""
        known = self._known.get(job.name)
        if known is None:
            return None
        if known.stale:
            await self._evaluate(job, known, now)
        return known.outcome

    async def _evaluate(self, job: Job, known: _Known, now: datetime) -> Outcome:
        try:
            with anyio.fail_after(LONGEST_SECONDS):  # the run must not wait for ever
                outcome = await job.outcome()
        except Exception as error:  # noqa: BLE001 - the runner's edge: an unreadable outcome is not ok
            text = f"could not be read: {type(error).__name__}: {error}"
            outcome = Outcome(ok=False, message=text)
        known.outcome, known.evaluated_at, known.stale = outcome, now, False
        return outcome
