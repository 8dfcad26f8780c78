"""Health of the daemon, derived from outcomes, job statuses and standing problems; pure.

Health is that of the worst problem: a critical one means that money may be unguarded or unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, RunStatus
from tradebotd.health.guards import Guards

GUARDS: Final = frozenset({"stop_loss_check", "reconcile"})  # jobs that guard against losses
RUNBOOKS: Final = "docs/runbooks"


class Health(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    CRITICAL = "critical"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Verification(StrEnum):
    VERIFYING = "verifying"
    VERIFIED = "verified"
    FAILED = "failed"


class Code(StrEnum):
    """Codes of problems; each has its page `docs/runbooks/<code>.md`."""

    STARTING = "starting"
    DATABASE_UNAVAILABLE = "database_unavailable"
    WRITES_FAIL = "writes_fail"
    DISK_LOW = "disk_low"
    HALTED = "halted"
    ENTRIES_STOPPED = "entries_stopped"
    ORDERS_UNKNOWN = "orders_unknown"
    JOB_FAILED = "job_failed"
    JOB_PARTIAL = "job_partial"
    JOB_OUTCOME = "job_outcome"
    JOB_LATE = "job_late"
    JOB_MISSED = "job_missed"
    GUARD_DISABLED = "guard_disabled"
    DEAD_LETTERS = "dead_letters"
    BOT_ERROR = "bot_error"
    PRICE_MISSING = "price_missing"
    NO_STOP = "no_stop"
    CONFIG_DOUBTFUL = "config_doubtful"
    CONFIG_NOT_RELOADED = "config_not_reloaded"
    ALERT = "alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFact:
    """Facts of a job. `ran_well` since the daemon's start; `failed` until it has run well again."""

    name: JobName
    enabled: bool
    scheduled: bool
    late: bool
    last_status: RunStatus | None
    last_started_at: datetime | None
    outcome: Outcome | None
    missed_24h: int
    ran_well: bool
    failed: bool
    next_run_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFact:
    """Open row of `alerts`."""

    code: str
    severity: Severity
    subject: str
    message: str
    raised_at: datetime
    runbook: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFact:
    """Warning of `check` about the configuration in force; *serious*: a guard is weakened."""

    place: str
    why: str
    serious: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`entries_stopped`: reasons beyond the halt; `bot_errors`: bot to error text.

    `stopless_bots`: those that enter without any stop; `stopless`: what is held so, in words, by
    position. `cannot_write`: why PostgreSQL takes nothing that is written, though it may answer.
    `starting`: what the start waits for.
    """

    database_ok: bool
    starting: str | None = None
    cannot_write: str | None = None
    guards: Guards = field(default_factory=Guards)
    jobs: Sequence[JobFact] = ()
    disk_problem: str | None = None
    halt_reason: str | None = None
    halted_since: datetime | None = None
    entries_stopped: Sequence[str] = ()
    unknown_orders: int = 0
    unknown_since: datetime | None = None
    open_dead_letters: int = 0
    bot_errors: Mapping[str, str] | None = None
    unpriced_symbols: Sequence[str] = ()
    stopless_bots: Sequence[str] = ()
    stopless: Mapping[str, str] = field(default_factory=dict)
    alerts: Sequence[AlertFact] = ()
    config: Sequence[ConfigFact] = ()
    not_reloaded: str | None = None
    not_reloaded_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Problem; `since` is None if no stored time tells it: the viewer remembers the first sight."""

    code: str
    severity: Severity
    subject: str
    message: str
    since: datetime | None = None
    page: str | None = None

    @property
    def runbook(self) -> str:
        return self.page or f"{RUNBOOKS}/{self.code}.md"


def problems_of(facts: Facts) -> list[Problem]:
    """Return the problems, worst first; within a severity in the order of the checks."""
    found = [*_standing(facts), *_of_bots(facts)]
    for job in facts.jobs:
        found += _of_job(job)
    found += [_of_alert(alert) for alert in facts.alerts]
    found += [_of_config(fact) for fact in facts.config]
    ranks = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}
    return sorted(found, key=lambda problem: ranks[problem.severity])


def health_of(problems: Sequence[Problem]) -> Health:
    severities = {problem.severity for problem in problems}
    if Severity.CRITICAL in severities:
        return Health.CRITICAL
    return Health.DEGRADED if Severity.WARNING in severities else Health.OK


def verification_of(jobs: Sequence[JobFact]) -> Verification:
    """Return verified once every enabled scheduled job has run well since the start.

    A failure takes precedence.
    """
    due = [job for job in jobs if job.enabled and job.scheduled]
    if any(job.failed for job in due):
        return Verification.FAILED
    if due and all(job.ran_well for job in due):
        return Verification.VERIFIED
    return Verification.VERIFYING


def waits_of(jobs: Sequence[JobFact]) -> list[JobFact]:
    """Return the jobs that verification still waits for, by next run."""
    waiting = [job for job in jobs if job.enabled and job.scheduled and not job.ran_well]
    last = datetime.max.replace(tzinfo=UTC)  # jobs that only run manually come last
    return sorted(waiting, key=lambda job: (job.next_run_at or last, job.name))


def is_failing(job: JobFact) -> bool:
    """Return whether the last run ended badly or the job's outcome is not ok."""
    bad_run = job.last_status in {
        RunStatus.FAILED,
        RunStatus.TIMEOUT,
        RunStatus.PARTIAL,
        RunStatus.LOST,
    }
    return bad_run or (job.outcome is not None and not job.outcome.ok)


def starting(waits_for: str | None) -> Problem:
    """Report a daemon that has begun and does nothing yet."""
    waits = "" if waits_for is None else f"; it waits for {waits_for}"
    message = f"nothing is watched yet but what rests at the venues{waits}"
    return _warning(Code.STARTING, "start", message)


def _standing(facts: Facts) -> list[Problem]:
    found = _of_writing(facts)
    if facts.starting is not None:
        found.append(starting(facts.starting))
    exits = "; exits go on" if facts.database_ok and facts.cannot_write is None else ""
    if facts.unknown_orders:
        message = f"{_count(facts.unknown_orders, 'order')} may or may not be live at the venue"
        found.append(_critical(Code.ORDERS_UNKNOWN, "orders", message, facts.unknown_since))
    if facts.disk_problem is not None:
        message = f"{facts.disk_problem}: entries stopped{exits}"
        found.append(_critical(Code.DISK_LOW, "disk", message))
    if facts.halt_reason is not None:
        message = f"entries are halted ({facts.halt_reason}){exits}"
        found.append(_warning(Code.HALTED, "entries", message, facts.halted_since))
    if facts.entries_stopped:
        message = f"no entries: {'; '.join(facts.entries_stopped)}{exits}"
        found.append(_warning(Code.ENTRIES_STOPPED, "entries", message))
    if facts.open_dead_letters:
        message = f"waiting for a decision: {_count(facts.open_dead_letters, 'failed run')}"
        found.append(_warning(Code.DEAD_LETTERS, "dead letters", message))
    if facts.not_reloaded is not None:
        message = f"the last reload was refused, what was loaded goes on: {facts.not_reloaded}"
        since = facts.not_reloaded_since
        found.append(_warning(Code.CONFIG_NOT_RELOADED, "configuration", message, since))
    return found


def _of_writing(facts: Facts) -> list[Problem]:
    """Report failed writes first: what is not recorded is not sent, exits included."""
    guarded = facts.guards.describe()
    if facts.cannot_write is not None:
        message = f"exits cannot be sent: PostgreSQL cannot write ({facts.cannot_write}); {guarded}"
        return [_critical(Code.WRITES_FAIL, "database", message)]
    if not facts.database_ok:
        message = "PostgreSQL does not answer: no order can be recorded, so none is sent"
        return [_critical(Code.DATABASE_UNAVAILABLE, "database", f"{message}; {guarded}")]
    return []


def _of_bots(facts: Facts) -> list[Problem]:
    errors = (facts.bot_errors or {}).items()
    found = [_warning(Code.BOT_ERROR, bot, text) for bot, text in errors]
    for symbol in facts.unpriced_symbols:
        message = "an open position has no price: its stop is not watched"
        found.append(_critical(Code.PRICE_MISSING, symbol, message))
    for position, words in facts.stopless.items():
        message = f"{words} has no stop: nothing ends a loss of it by itself"
        found.append(_warning(Code.NO_STOP, position, message))
    for bot in facts.stopless_bots:
        message = 'it enters without any stop: stop_loss = "none" in its exits'
        found.append(_warning(Code.NO_STOP, bot, message))
    return found


def _of_job(job: JobFact) -> list[Problem]:
    is_guard = job.name in GUARDS
    bad = _critical if is_guard else _warning
    if not job.enabled:
        message = "switched off: nobody guards the positions in its place"
        return [_critical(Code.GUARD_DISABLED, job.name, message)] if is_guard else []
    found = []
    if job.last_status in {RunStatus.FAILED, RunStatus.TIMEOUT, RunStatus.LOST}:
        message = f"its last run ended as {job.last_status}"
        found.append(bad(Code.JOB_FAILED, job.name, message, job.last_started_at))
    elif job.last_status is RunStatus.PARTIAL:
        message = "its last run failed for some of its items"
        found.append(_warning(Code.JOB_PARTIAL, job.name, message, job.last_started_at))
    if job.outcome is not None and not job.outcome.ok:
        found.append(bad(Code.JOB_OUTCOME, job.name, job.outcome.message, job.last_started_at))
    if job.late:
        found.append(bad(Code.JOB_LATE, job.name, "it is due and has not started"))
    if job.missed_24h:
        message = f"{_count(job.missed_24h, 'run')} missed in 24 h"
        found.append(
            Problem(code=Code.JOB_MISSED, severity=Severity.INFO, subject=job.name, message=message)
        )
    return found


def _of_alert(alert: AlertFact) -> Problem:
    return Problem(
        code=alert.code,
        severity=alert.severity,
        subject=alert.subject,
        message=alert.message,
        since=alert.raised_at,
        page=alert.runbook or f"{RUNBOOKS}/{Code.ALERT}.md",
    )


def _of_config(fact: ConfigFact) -> Problem:
    severity = Severity.WARNING if fact.serious else Severity.INFO
    return _problem(severity, Code.CONFIG_DOUBTFUL, fact.place, fact.why)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _critical(code: Code, subject: str, message: str, since: datetime | None = None) -> Problem:
    return _problem(Severity.CRITICAL, code, subject, message, since)


def _warning(code: Code, subject: str, message: str, since: datetime | None = None) -> Problem:
    return _problem(Severity.WARNING, code, subject, message, since)


def _problem(
    severity: Severity, code: Code, subject: str, message: str, since: datetime | None = None
) -> Problem:
    return Problem(code=code, severity=severity, subject=subject, message=message, since=since)
