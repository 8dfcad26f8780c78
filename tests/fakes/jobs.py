"""A job that does what it is told."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.scheduling.job import RunContext

Work = Callable[[RunContext], Awaitable[Summary]]


async def nothing_due(context: RunContext) -> Summary:
    return Summary()


@dataclass
class ScriptedJob:
    """`work` is awaited by each run; `contexts` keeps what each was given."""

    name: JobName
    work: Work = nothing_due
    contexts: list[RunContext] = field(default_factory=list)
    outcomes_read: int = 0
    refusal: RefusedError | None = None  # of any parameters

    async def run(self, context: RunContext) -> Summary:
        self.contexts.append(context)
        return await self.work(context)

    def check(self, _params: Mapping[str, str]) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def outcome(self) -> Outcome:
        self.outcomes_read += 1
        return Outcome(ok=True, message=f"read {self.outcomes_read} times")
