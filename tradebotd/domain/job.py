"""Jobs: their declarations, the record of a run, and its outcome."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from tradebotd.domain.errors import describe_error
from tradebotd.domain.ids import JobName, RunId


class RunStatus(StrEnum):
    RUNNING = "running"
    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"
    TIMEOUT = "timeout"
    MISSED = "missed"
    SKIPPED = "skipped"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Slots on the grid of the epoch: every 5 s is :00, :05, :10 … whenever the daemon started."""

    interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Slot at `at` in `timezone` on each local date whose day name is in `days`.

    `days`: mon … sun; empty: all. A time that a clock change skips runs at the first instant after
    it; one that occurs twice runs at the first of the two: once for each local date.
    """

    at: time
    timezone: str
    days: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterClose:
    """Slot `delay` after each session's close of an exchange calendar, early closes included."""

    calendar: str
    delay: timedelta


Slot = Every | At | AfterClose


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Settings of one job. Limits are host time; `grace` (lateness before `missed`) is market time.

    Without slots it is run manually only. `catch_up`: a slot lost or missed while the daemon was
    down is made up at the next start. `only_when_open`: it runs while one of the calendars is open.
    `makes_up`: a good run does what an earlier one left undone, so that needs no other try.
    """

    name: JobName
    slots: tuple[Slot, ...] = ()
    enabled: bool = True
    soft_limit: timedelta = timedelta(seconds=150)
    hard_limit: timedelta = timedelta(seconds=180)
    grace: timedelta = timedelta(seconds=60)
    retries: int = 3
    only_when_open: bool = False
    catch_up: bool = False
    makes_up: bool = False

    @property
    def coalesces(self) -> bool:
        """Return whether a slot is shorter than a minute, so that good runs share a row."""
        return any(
            isinstance(slot, Every) and slot.interval < timedelta(minutes=1) for slot in self.slots
        )

    def describe(self) -> str:
        """Return the schedule for tables and JSON: `every 5s; 20:59 mon-fri Europe/Berlin`."""
        return "; ".join(_describe(slot) for slot in self.slots) or "by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOverride:
    """Override by `[jobs.NAME]`: None keeps the default; `every` or `at` replaces all slots."""

    every: timedelta | None = None
    at: time | None = None
    days: tuple[str, ...] = ()
    timezone: str | None = None
    enabled: bool | None = None
    soft_limit: timedelta | None = None
    hard_limit: timedelta | None = None
    grace: timedelta | None = None
    retries: int | None = None
    only_when_open: bool | None = None


@dataclass(slots=True)
class Summary:
    """Result of a run, item by item. The runner derives the run's status from it.

    `items` holds those worth naming (a symbol, a bot, a position) with a word or an error; `counts`
    are further figures of the job's own, such as `checked` and `closed`.
    """

    attempted: int = 0
    inserted: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    acted: int = 0  # things done that must keep their own row in `job_runs`
    put_off: int = 0  # items left to the next run: this one makes up for none before it
    items: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    failed_items: list[str] = field(default_factory=list)

    def fail(self, item: str, error: BaseException | str) -> None:
        """Record that *item* failed; the others continue."""
        self.failed += 1
        self.failed_items.append(item)
        text = error if isinstance(error, str) else describe_error(error)
        self.items[item] = {"error": text}

    def status(self) -> RunStatus:
        """Return `failed` when every item failed, `partial` when some did, `ok` otherwise."""
        if not self.failed:
            return RunStatus.OK
        return RunStatus.FAILED if self.failed >= self.attempted else RunStatus.PARTIAL

    def as_json(self) -> dict[str, Any]:
        return {
            "attempted": self.attempted,
            "inserted": self.inserted,
            "updated": self.updated,
            "skipped": self.skipped,
            "failed": self.failed,
            **self.counts,
            "items": self.items,
        }


class Outcome(NamedTuple):
    """Outcome of a job, read off the database or the venue: `ok` if it had its intended effect."""

    ok: bool
    message: str


class JobRun(NamedTuple):
    """A row of `job_runs`."""

    id: RunId | None
    job: JobName
    scheduled_at: datetime | None
    started_at: datetime
    finished_at: datetime | None = None
    status: RunStatus = RunStatus.RUNNING
    attempt: int = 1
    runs: int = 1
    summary: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    duration_s: float | None = None  # host time

    def closed(
        self, status: RunStatus, finished_at: datetime, summary: dict[str, Any], error: str | None
    ) -> "JobRun":
        return self._replace(status=status, finished_at=finished_at, summary=summary, error=error)


def _describe(slot: Slot) -> str:
    match slot:
        case Every(interval=interval):
            return f"every {describe_duration(interval)}"
        case At(at=at, timezone=timezone, days=days):
            return f"{at:%H:%M} {_describe_days(days)} {timezone}"
        case AfterClose(calendar=calendar, delay=delay):
            return f"{describe_duration(delay)} after the close of {calendar}"


_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _describe_days(days: tuple[str, ...]) -> str:
    """Return `mon-fri` for three or more consecutive days, else the names."""
    if not days:
        return "daily"
    if len(days) > 2 and "-".join(days) in "-".join(_WEEK):
        return f"{days[0]}-{days[-1]}"
    return ",".join(days)


def describe_duration(duration: timedelta) -> str:
    """Format as `90s`, `5m`, `1h`, `3d`: in the largest unit that divides the duration."""
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
