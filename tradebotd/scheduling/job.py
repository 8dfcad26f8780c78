"""What a job module provides: `NAME`, a frozen dataclass of dependencies, `run` and `outcome`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.domain.refusal import RefusalCode

Progress = Callable[[dict[str, Any]], None]


def no_progress(_: dict[str, Any]) -> None:
    """Nobody looks: scheduled runs, and runs by hand that were detached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """`scheduled_at` is None by hand; `now` is market time at the start of this attempt.

    `only`: a retry of a partial run names the items to try again; None is all of them.
    """

    scheduled_at: datetime | None
    now: datetime
    params: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] | None = None
    progress: Progress = no_progress

    def wants(self, item: str) -> bool:
        """Whether *item* belongs to this attempt."""
        return self.only is None or item in self.only


class Job(Protocol):
    @property
    def name(self) -> JobName: ...

    async def run(self, context: RunContext) -> Summary:
        """Do the work. An item's failure goes into the summary; raising fails the whole run."""
        ...

    async def outcome(self) -> Outcome:
        """Whether the job had its intended effect, read off the database or the venue."""
        ...


@runtime_checkable
class TakesParams(Protocol):
    """A job that an operator may tell more."""

    def check(self, params: Mapping[str, str], /) -> None:
        """Raises RefusedError for what can be known before a run: then there is none."""
        ...


def check_params(job: Job, params: Mapping[str, str]) -> None:
    """Raises RefusedError."""
    if isinstance(job, TakesParams):
        job.check(params)
    elif params:
        raise RefusedError(
            RefusalCode.USAGE, f"{job.name} takes no parameters, not {', '.join(params)}"
        )
