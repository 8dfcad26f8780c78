"""Rounds, medians, and how a figure stands to its floor and to its budget."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import Final, Literal, TypeVar

import anyio
import structlog

LEAST_ROUNDS: Final = 5

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`of` says what is held against the budget: the figure, or its ratio to the floor."""

    sense: Literal["at least", "at most"]
    value: float
    of: Literal["figure", "ratio"] = "figure"

    def is_kept_by(self, value: float) -> bool:
        return value >= self.value if self.sense == "at least" else value <= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median=median(values), low=min(values), high=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. `floors` holds the floor of each round, taken next to it."""

    budget: str
    work: str
    unit: str
    rounds: tuple[float, ...]
    floors: tuple[float, ...] = ()
    floor: str = ""
    limit: Limit | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.floors and len(self.floors) != len(self.rounds):
            raise ValueError(f"{self.work}: a floor for each round")

    @property
    def figure(self) -> Spread:
        return Spread.of(self.rounds)

    @property
    def ratio(self) -> Spread | None:
        """Return each round's ratio to its own floor: what slows the machine down slows both."""
        if not self.floors:
            return None
        return Spread.of([one / two for one, two in zip(self.rounds, self.floors, strict=True)])

    @property
    def is_kept(self) -> bool | None:
        """Return whether the budget is kept, by the median, or None where there is none."""
        if self.limit is None:
            return None
        held = self.figure if self.limit.of == "figure" else self.ratio
        if held is None:
            raise ValueError(f"{self.work}: its budget is a ratio, and it has no floor")
        return self.limit.is_kept_by(held.median)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`full`: the whole month where a slice is the default (B6). `beside`: a checkout of e543b7c,
    with an environment of its own, which does the same work in the same run (B13-B15).
    """

    rounds: int = LEAST_ROUNDS
    full: bool = False
    beside: Path | None = None


@dataclass(slots=True)
class Elapsed:
    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Elapsed]:
    """Wall time of the block."""
    elapsed = Elapsed()
    started = time.perf_counter()
    try:
        yield elapsed
    finally:
        elapsed.seconds = time.perf_counter() - started


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that *percent* of *values* do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, ceil(len(ranked) * percent / 100) - 1)]


def run_on_loop(work: Callable[[], Awaitable[_Result]]) -> _Result:
    """Run it on the loop that the daemon uses, with its log made silent."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False
    )
    return anyio.run(work, backend="asyncio", backend_options={"use_uvloop": True})


class Ticker:
    """Stalls of the loop: how late a task wakes that asks to be woken every millisecond.

    uvloop counts in whole milliseconds, so an idle loop shows up to one of them.
    """

    EVERY_SECONDS: Final = 0.001

    def __init__(self) -> None:
        self.late_seconds: list[float] = []

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """While the block runs, and no longer: idle time would make stalls look rare."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick)
            yield
            tasks.cancel_scope.cancel()

    async def _tick(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(self.EVERY_SECONDS)
            self.late_seconds.append(time.perf_counter() - asked - self.EVERY_SECONDS)
