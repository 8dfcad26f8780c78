"""Interface of a job module: `NAME`, a frozen dataclass of dependencies, `run`, `outcome`."""

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
    """Ignore progress: for scheduled runs and detached manual runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Context of a run. `scheduled_at`: None for a manual run; `now`: market time of its start.

    `only`: the items that a retry of a partial run tries again; None means all of them.
    """

    scheduled_at: datetime | None
    now: datetime
    params: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] | None = None
    progress: Progress = no_progress

    def wants(self, item: str) -> bool:
        """Return whether *item* belongs to this attempt."""
        return self.only is None or item in self.only


class Job(Protocol):
    @property
    def name(self) -> JobName: ...

    async def run(self, context: RunContext) -> Summary:
        """Do the work. Failed items go into the summary; raising fails the whole run."""
        ...

    async def outcome(self) -> Outcome:
        """Return whether the job had its intended effect, by the database or the venue."""
        ...


@runtime_checkable
class TakesParams(Protocol):
    """Job that takes parameters from an operator."""

    def check(self, params: Mapping[str, str], /) -> None:
        """Check the parameters before a run. Raises RefusedError: then no run is made."""
        ...


def check_params(job: Job, params: Mapping[str, str]) -> None:
    """Check the parameters. Raises RefusedError."""
    if isinstance(job, TakesParams):
        job.check(params)
    elif params:
        raise RefusedError(
            RefusalCode.USAGE, f"{job.name} takes no parameters, not {', '.join(params)}"
        )
