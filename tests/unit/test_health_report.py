"""Health, problems and verification out of what is known; pure."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, RunStatus
from tradebotd.health.guards import Guards
from tradebotd.health.report import (
    AlertFact,
    Code,
    Facts,
    Health,
    JobFact,
    Severity,
    Verification,
    health_of,
    problems_of,
    verification_of,
)

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
NOW = datetime(2022, 1, 14, tzinfo=UTC)
FINE = JobFact(
    name=JobName("fill_gaps"),
    enabled=True,
    scheduled=True,
    late=False,
    last_status=RunStatus.OK,
    last_started_at=NOW,
    outcome=Outcome(ok=True, message="no gaps"),
    missed_24h=0,
    ran_well=True,
    failed=False,
)
SWEEP = replace(FINE, name=JobName("stop_loss_check"))
NOT_REACHED = Outcome(ok=False, message="position 5 is beyond its stop")


@pytest.mark.parametrize(
    ("facts", "code", "health"),
    [
        (Facts(database_ok=False), Code.DATABASE_UNAVAILABLE, Health.CRITICAL),
        (Facts(database_ok=True, cannot_write="full"), Code.WRITES_FAIL, Health.CRITICAL),
        (Facts(database_ok=True, unknown_orders=1), Code.ORDERS_UNKNOWN, Health.CRITICAL),
        (Facts(database_ok=True, disk_problem="1 MB free"), Code.DISK_LOW, Health.CRITICAL),
        (Facts(database_ok=True, unpriced_symbols=["X"]), Code.PRICE_MISSING, Health.CRITICAL),
        (Facts(database_ok=True, stopless_bots=["b"]), Code.NO_STOP, Health.DEGRADED),
        (
            Facts(database_ok=True, stopless={"position 5": "b's long X"}),
            Code.NO_STOP,
            Health.DEGRADED,
        ),
        (Facts(database_ok=True, halt_reason="lunch"), Code.HALTED, Health.DEGRADED),
        (Facts(database_ok=True, entries_stopped=["drain"]), Code.ENTRIES_STOPPED, Health.DEGRADED),
        (Facts(database_ok=True, starting="its jobs"), Code.STARTING, Health.DEGRADED),
        (Facts(database_ok=True, open_dead_letters=1), Code.DEAD_LETTERS, Health.DEGRADED),
        (Facts(database_ok=True, bot_errors={"b": "raised"}), Code.BOT_ERROR, Health.DEGRADED),
    ],
    ids=lambda value: str(value) if isinstance(value, Code) else None,
)
def test_what_stands_still_is_told(facts: Facts, code: Code, health: Health) -> None:
    problems = problems_of(facts)

    assert [problem.code for problem in problems] == [code]
    assert health_of(problems) is health


@pytest.mark.parametrize(
    ("job", "code", "severity"),
    [
        (replace(FINE, last_status=RunStatus.FAILED), Code.JOB_FAILED, Severity.WARNING),
        (replace(SWEEP, last_status=RunStatus.TIMEOUT), Code.JOB_FAILED, Severity.CRITICAL),
        (replace(FINE, last_status=RunStatus.PARTIAL), Code.JOB_PARTIAL, Severity.WARNING),
        (replace(FINE, outcome=NOT_REACHED), Code.JOB_OUTCOME, Severity.WARNING),
        (replace(SWEEP, outcome=NOT_REACHED), Code.JOB_OUTCOME, Severity.CRITICAL),
        (replace(SWEEP, late=True), Code.JOB_LATE, Severity.CRITICAL),
        (replace(SWEEP, enabled=False), Code.GUARD_DISABLED, Severity.CRITICAL),
        (replace(FINE, missed_24h=3), Code.JOB_MISSED, Severity.INFO),
    ],
)
def test_jobs_make_problems_and_the_guards_critical_ones(
    job: JobFact, code: Code, severity: Severity
) -> None:
    """M2.7: an outcome that was not reached counts whatever the status says."""
    (problem,) = problems_of(Facts(database_ok=True, jobs=[job]))

    assert (problem.code, problem.severity, problem.subject) == (code, severity, job.name)


@pytest.mark.parametrize("facts", [{"cannot_write": "full"}, {"database_ok": False}])
def test_what_cannot_be_written_comes_first_and_no_exit_goes_on(facts: dict[str, object]) -> None:
    """N4, 3.8: the loudest alarm; what rests at the venue is all there is."""
    guards = Guards(resting=["a BTCUSDT (position 1)"], unguarded=["b ETHUSDT (position 2)"])
    told = problems_of(
        replace(
            Facts(database_ok=True),
            disk_problem="0 MB free",
            unknown_orders=1,
            halt_reason="lunch",
            entries_stopped=["drain"],
            guards=guards,
            **facts,  # type: ignore[arg-type]
        )
    )

    assert told[0].code in {Code.WRITES_FAIL, Code.DATABASE_UNAVAILABLE}
    assert "resting at the venue: a BTCUSDT (position 1)" in told[0].message
    assert "nothing guards b ETHUSDT (position 2)" in told[0].message
    assert not [each for each in told if "exits go on" in each.message]
    assert len(told) == 5


def test_what_is_well_makes_no_problem_nor_what_is_switched_off() -> None:
    off = replace(FINE, enabled=False, last_status=RunStatus.FAILED)

    assert problems_of(Facts(database_ok=True, jobs=[FINE, SWEEP, off])) == []
    assert health_of([]) is Health.OK


def test_information_alone_leaves_health_ok_and_the_worst_comes_first() -> None:
    late, missed = replace(SWEEP, late=True), replace(FINE, missed_24h=1)
    told = problems_of(Facts(database_ok=True, jobs=[missed, late]))

    assert [problem.severity for problem in told] == [Severity.CRITICAL, Severity.INFO]
    assert health_of(told[1:]) is Health.OK


def test_an_open_alert_keeps_its_own_words() -> None:
    alert = AlertFact(
        code="fill_differs",
        severity=Severity.CRITICAL,
        subject="order 9",
        message="the same fill with another price",
        raised_at=NOW,
        runbook=None,
    )
    (problem,) = problems_of(Facts(database_ok=True, alerts=[alert]))

    assert (problem.code, problem.since) == ("fill_differs", NOW)
    assert (RUNBOOKS.parents[1] / problem.runbook).is_file()


@pytest.mark.parametrize("code", list(Code))
def test_each_code_has_its_page_with_what_to_do(code: Code) -> None:
    """Interface 3.2: a problem names its runbook."""
    text = (RUNBOOKS / f"{code}.md").read_text()

    assert all(f"## {part}" in text for part in ("Meaning", "Check", "Do"))


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], Verification.VERIFYING),
        ([FINE, SWEEP], Verification.VERIFIED),
        ([FINE, replace(SWEEP, ran_well=False)], Verification.VERIFYING),
        ([replace(FINE, ran_well=False), replace(SWEEP, failed=True)], Verification.FAILED),
        ([FINE, replace(SWEEP, enabled=False, ran_well=False)], Verification.VERIFIED),
        ([FINE, replace(SWEEP, scheduled=False, failed=True)], Verification.VERIFIED),
    ],
)
def test_verified_means_that_every_scheduled_job_ran_well(
    jobs: list[JobFact], expected: Verification
) -> None:
    """Interface 3.2: verifying, verified, failed."""
    assert verification_of(jobs) is expected
