"""The JSON shapes of jobs, their runs and their dead letters."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from tradebotd.control.wire import Instant, Message

RunState = Literal["running", "ok", "partial", "failed", "timeout", "missed", "skipped", "lost"]


class OutcomeState(Message):
    ok: bool
    message: str


class Job(Message):
    name: str
    enabled: bool
    schedule: str
    timezone: str
    next_run_at: Instant | None
    last_started_at: Instant | None
    last_duration_s: float | None
    last_status: RunState | None
    outcome: OutcomeState | None
    success_rate_24h: float | None
    runs_24h: int
    missed_24h: int


class JobWait(Message):
    """Job that has not run well since the start, and its next run; null: only manual runs."""

    job: str
    next_run_at: Instant | None


class RunSummary(Message):
    """Summary of a run; jobs add counts of their own, such as `checked` and `closed`."""

    model_config = ConfigDict(extra="allow")

    attempted: int = 0
    inserted: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    items: dict[str, Any] = Field(default_factory=dict)


class JobRun(Message):
    """Run of a job; `run_id` is null while a detached run has only been requested."""

    run_id: int | None
    job: str
    status: RunState
    attempt: int
    scheduled_at: Instant | None
    started_at: Instant
    finished_at: Instant | None
    runs: int
    summary: RunSummary
    error: str | None
    duration_s: float | None = None  # host time


class RunRequest(Message):
    params: dict[str, str] = Field(default_factory=dict)
    detach: bool = False


class Switched(Message):
    name: str
    enabled: bool


class DeadLetter(Message):
    id: int
    job: str
    args: dict[str, Any]
    count: int
    first_failed_at: Instant
    last_failed_at: Instant
    error: str
    state: Literal["open", "retried", "discarded", "superseded"]
    superseded_by: int | None = None


class Discarded(Message):
    id: int
    state: Literal["discarded"] = "discarded"
