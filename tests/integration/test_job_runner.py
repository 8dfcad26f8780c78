"""The runner with its rows in PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.jobs import ScriptedJob, Work, nothing_due
from tradebotd.config.zone_database import zone
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import At, Every, JobSpec, RunStatus, Summary
from tradebotd.domain.refusal import RefusalCode
from tradebotd.jobs.ping import Ping
from tradebotd.scheduling.attempts import Backoff
from tradebotd.scheduling.catch_up import catch_up
from tradebotd.scheduling.dead_letters import discard_dead_letter, retry_dead_letter
from tradebotd.scheduling.job import RunContext
from tradebotd.scheduling.job_status import job_statuses
from tradebotd.scheduling.job_switches import load_disabled, switch
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.scheduling.slots import DueRun
from tradebotd.storage import dead_letters, job_runs
from tradebotd.storage.postgres.database import Database

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NAME = JobName("work")
FAST = Backoff(initial_seconds=0.001, max_seconds=0.002, total_seconds=5)
MINUTELY = JobSpec(name=NAME, slots=(Every(interval=timedelta(minutes=1)),), retries=0)


class Bench:
    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        runner: JobRunner,
        job: ScriptedJob,
        ledger: RunLedger,
    ) -> None:
        self.database, self.clock, self.runner, self.job = database, clock, runner, job
        self.ledger = ledger

    async def rows(self) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.fetch("SELECT * FROM job_runs ORDER BY slot_at, id"))

    async def letters(self) -> list[dead_letters.DeadLetter]:
        async with self.database.connection() as connection:
            return await dead_letters.select_all(connection)


Make = Callable[..., Any]


@pytest.fixture
def bench(database: Database) -> Make:
    @asynccontextmanager
    async def make(
        work: Work = nothing_due,
        spec: JobSpec = MINUTELY,
        *,
        deferred: bool = False,
        **options: Any,
    ) -> AsyncIterator[Bench]:
        clock = FakeClock(NOON, speed=0.0 if deferred else 1.0)
        job, ledger = ScriptedJob(NAME, work), RunLedger(database, deferred=deferred)
        async with anyio.create_task_group() as tasks:
            runner = JobRunner(
                tasks=tasks,
                clock=clock,
                ledger=ledger,
                jobs=[job],
                specs=[spec],
                backoff=FAST,
                **options,
            )
            yield Bench(database, clock, runner, job, ledger)

    return make


def due(at: datetime = NOON, earlier: int = 0) -> DueRun:
    return DueRun(NAME, at, at - timedelta(minutes=earlier), earlier)


async def test_the_row_is_open_while_the_job_runs_and_closed_after(bench: Make) -> None:
    """M2.1: written at the start, closed at the end, with scheduled, started, finished, summary."""
    seen: list[Any] = []

    async def look(context: RunContext) -> Summary:
        seen.extend(await made.rows())
        return Summary(attempted=2, inserted=2, items={"BTCUSDT": "2 candles"})

    async with bench(look) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert [open_row["status"] for open_row in seen] == ["running"]
    assert row["status"] == "ok"
    assert row["scheduled_at"] == row["started_at"] == row["finished_at"] == NOON
    assert row["summary"]["inserted"] == 2
    assert row["duration_s"] >= 0


async def test_a_job_runs_twice_in_one_process(bench: Make) -> None:
    """M1.1: nothing of the first run is in the way of the second."""
    async with bench() as made:
        for minute in (0, 1):
            made.clock.set(NOON + timedelta(minutes=minute))
            await made.runner.run_due([due(made.clock.now())])
        rows = await made.rows()

    assert [row["status"] for row in rows] == ["ok", "ok"]


@pytest.mark.parametrize(("failing", "status"), [(0, "ok"), (1, "partial"), (2, "failed")])
async def test_the_status_follows_the_items(bench: Make, failing: int, status: str) -> None:
    """M2.2, M2.6: all failed is failed, some is partial; each is named."""

    async def work(context: RunContext) -> Summary:
        summary = Summary(attempted=2)
        for item in ["a", "b"][:failing]:
            summary.fail(item, ValueError("no"))
        return summary

    async with bench(work) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert row["status"] == status
    assert [f"{item}: ValueError: no" in (row["error"] or "") for item in "ab"[:failing]] == (
        [True] * failing
    )


async def test_an_exception_is_recorded_with_its_traceback(bench: Make) -> None:
    """M2.1: the error with its traceback, and a dead letter after the last attempt."""

    async def broken(context: RunContext) -> Summary:
        raise LookupError("no such\0thing")

    async with bench(broken) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert row["status"] == "failed"
    assert "in broken" in row["error"]
    assert "LookupError: no such" in row["error"]


async def test_the_hard_limit_cancels_and_leaves_the_pool_whole(bench: Make) -> None:
    """M2.3: cancelled in the midst of a statement, recorded as timeout, pool intact."""

    async def slow(context: RunContext) -> Summary:
        async with made.database.transaction() as connection:
            await connection.execute("SELECT pg_sleep(30)")
        return Summary()

    limits: dict[str, Any] = {
        "soft_limit": timedelta(seconds=0.01),
        "hard_limit": timedelta(seconds=0.1),
    }
    spec = JobSpec(name=NAME, slots=MINUTELY.slots, retries=0, **limits)
    async with bench(slow, spec) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()
        assert made.database.pool_in_use == 0
        await made.database.ping()

    assert row["status"] == "timeout"
    assert "hard limit" in row["error"]


async def test_a_slow_run_is_warned_of_once(
    bench: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """M2.3: the soft limit warns, in host time, and does not cancel."""
    host = [0.0]

    async def slow(context: RunContext) -> Summary:
        for seconds in (149.0, 151.0, 152.0):
            host[0] = seconds
            made.runner.warn_overdue()
        return Summary()

    async with bench(slow, host_seconds=lambda: host[0]) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert capsys.readouterr().out.count("soft limit exceeded") == 1
    assert row["status"] == "ok"


async def test_only_what_failed_is_tried_again(bench: Make) -> None:
    """M2.5: of a partial run the failed items; the attempt is counted on the same row."""

    async def work(context: RunContext) -> Summary:
        items = [item for item in ("a", "b", "c") if context.wants(item)]
        summary = Summary(attempted=len(items))
        for item in items:
            if item == "b" and len(made.job.contexts) < 3:
                summary.fail(item, "not yet")
            else:
                summary.inserted += 1
        return summary

    spec = JobSpec(name=NAME, slots=MINUTELY.slots, retries=3)
    async with bench(work, spec) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()
        letters = await made.letters()

    assert [context.only for context in made.job.contexts] == [None, {"b"}, {"b"}]
    assert (row["status"], row["attempt"]) == ("ok", 3)
    assert row["summary"]["inserted"] == 3
    assert row["error"] is None
    assert not letters


async def test_what_cannot_be_mended_is_not_tried_again(bench: Make) -> None:
    """M2.5: a quarantined row makes the run partial; it is no item to be tried again."""

    async def work(context: RunContext) -> Summary:
        return Summary(attempted=10, inserted=9, failed=1, items={"a": {"error": "line 4: text"}})

    async with bench(work, replace(MINUTELY, retries=3)) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()
        letters = await made.letters()

    assert len(made.job.contexts) == 1
    assert (row["status"], row["attempt"]) == ("partial", 1)
    assert row["error"] == "1 of 10 failed: a: line 4: text"
    assert not letters


async def test_wrong_parameters_are_refused_once(bench: Make) -> None:
    """M2.5: nothing is tried again, nor kept to be tried, that would be refused again."""

    async def work(context: RunContext) -> Summary:
        raise RefusedError(RefusalCode.USAGE, "days is 1 to 365, was 400", "say --param days=365")

    async with bench(work, replace(MINUTELY, retries=3)) as made:
        run = await made.runner.run_manually(NAME, {"days": "400"})
        letters = await made.letters()

    assert (run.status, run.attempt) == (RunStatus.FAILED, 1)
    assert run.error == "days is 1 to 365, was 400 (say --param days=365)"
    assert len(made.job.contexts) == 1
    assert not letters


async def test_a_run_stays_partial_when_the_retry_mends_the_rest(bench: Make) -> None:
    """M2.5: the row that was quarantined at the first attempt is still said after the second."""

    async def work(context: RunContext) -> Summary:
        if context.only is not None:
            return Summary(attempted=1, inserted=5)
        summary = Summary(attempted=11, inserted=9, failed=1, items={"a": {"error": "line 4"}})
        summary.fail("b", "HTTP 503")
        return summary

    async with bench(work, replace(MINUTELY, retries=3)) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert [context.only for context in made.job.contexts] == [None, {"b"}]
    assert (row["status"], row["attempt"]) == ("partial", 2)
    assert (row["summary"]["inserted"], row["summary"]["failed"]) == (14, 1)
    assert row["summary"]["items"] == {"a": {"error": "line 4"}}
    assert row["error"] == "1 of 11 failed: a: line 4"


async def test_a_retry_that_breaks_off_keeps_what_was_known(bench: Make) -> None:
    """M2.5: the failed items of the attempt before are tried once more."""

    async def work(context: RunContext) -> Summary:
        if len(made.job.contexts) == 2:
            raise LookupError("in between")
        summary = Summary(attempted=2, inserted=1)
        if context.only is None:
            summary.fail("b", "HTTP 503")
        return summary

    async with bench(work, replace(MINUTELY, retries=3)) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert [context.only for context in made.job.contexts] == [None, {"b"}, {"b"}]
    assert (row["status"], row["attempt"]) == ("ok", 3)


@pytest.mark.parametrize("deferred", [False, True])
async def test_a_summary_with_odd_values_has_its_row(bench: Make, *, deferred: bool) -> None:
    """M2.1: what JSON or PostgreSQL does not know must not cost the record, nor the daemon."""

    async def work(context: RunContext) -> Summary:
        summary = Summary(attempted=2, items={"odd": object(), "half": "\ud800"})
        summary.fail("b\0", "no\0thing \udfff")
        return summary

    async with bench(work, deferred=deferred) as made:
        await made.runner.run_due([due()])
        await made.runner._ledger.commit_instant(NOON)
        (row,) = await made.rows()
        letters = await made.letters()

    assert row["status"] == "partial"
    assert "object at" in row["summary"]["items"]["odd"]
    assert len(letters) == 1


async def test_a_job_that_returns_nonsense_has_failed(bench: Make) -> None:
    """M2.2: and the daemon goes on."""

    async def work(context: RunContext) -> Summary:
        return None  # type: ignore[return-value]

    async with bench(work) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert row["status"] == "failed"
    assert "AttributeError" in row["error"]


async def test_starts_that_a_long_run_swallowed_are_counted(bench: Make) -> None:
    """M2.4: skipped, and those before it missed."""
    go_on = anyio.Event()

    async def work(context: RunContext) -> Summary:
        await go_on.wait()
        return Summary()

    async with bench(work) as made:
        made.runner.trigger([due()])
        made.runner.trigger([due(NOON + timedelta(minutes=4), earlier=3)])
        await until(lambda: has_status(made, "skipped"))
        go_on.set()
        assert await made.runner.drain(5)
        rows = await made.rows()

    assert [(row["status"], row["runs"]) for row in rows] == [
        ("ok", 1),
        ("missed", 3),
        ("skipped", 1),
    ]


async def test_after_the_last_attempt_there_is_one_dead_letter_with_a_count(bench: Make) -> None:
    """M2.5: bounded; one open entry for job and arguments; listed, retried, discarded."""
    broken = True

    async def work(context: RunContext) -> Summary:
        summary = Summary(attempted=2)
        if broken:
            summary.fail("b", "still no")
        return summary

    spec = JobSpec(name=NAME, slots=MINUTELY.slots, retries=2)
    async with bench(work, spec) as made:
        await made.runner.run_due([due()])
        await made.runner.run_due([due(NOON + timedelta(minutes=1))])
        (letter,) = await made.letters()
        assert len(made.job.contexts) == 6
        assert (letter.count, letter.state) == (2, "open")
        assert letter.args == {"params": {}, "only": ["b"]}

        broken = False
        run = await retry_dead_letter(made.runner, made.database, letter.id)
        assert run.status is RunStatus.OK
        assert made.job.contexts[-1].only == {"b"}
        assert [letter.state for letter in await made.letters()] == ["retried"]
        with pytest.raises(RefusedError):
            await discard_dead_letter(made.database, letter.id)


async def test_a_job_never_overlaps_itself(bench: Make) -> None:
    """M2.4: a start while it runs is a skipped row; by hand it is refused."""
    go_on, started = anyio.Event(), anyio.Event()

    async def work(context: RunContext) -> Summary:
        started.set()
        await go_on.wait()
        return Summary()

    async with bench(work) as made:
        made.runner.trigger([due()])
        await started.wait()
        made.runner.trigger([due(NOON + timedelta(minutes=1))])
        with pytest.raises(RefusedError) as refused:
            await made.runner.run_manually(NAME, {})
        await until(lambda: has_status(made, "skipped"))
        go_on.set()
        assert await made.runner.drain(5)
        rows = await made.rows()

    assert refused.value.code == "already_running"
    assert [row["status"] for row in rows] == ["ok", "skipped"]
    assert len(made.job.contexts) == 1


async def test_a_start_beyond_its_grace_is_missed_and_several_are_one_run(bench: Make) -> None:
    """M2.4: coalesced; no backlog ever fires at once; all are recorded and counted."""
    async with bench() as made:
        made.clock.set(NOON + timedelta(seconds=30))
        await made.runner.run_due([due(earlier=7)])
        made.clock.set(NOON + timedelta(hours=1))
        await made.runner.run_due([due(NOON + timedelta(minutes=1))])
        rows = await made.rows()

    assert [(row["status"], row["runs"]) for row in rows] == [
        ("missed", 7),
        ("ok", 1),
        ("missed", 1),
    ]
    assert len(made.job.contexts) == 1


async def test_an_occurrence_that_has_been_run_is_not_run_again(bench: Make) -> None:
    """M2.10: unique on (job, scheduled_at), whoever asks."""
    async with bench() as made:
        await made.runner.run_due([due()])
        await made.runner.run_due([due()])
        rows = await made.rows()

    assert len(made.job.contexts) == len(rows) == 1


@pytest.mark.parametrize("deferred", [False, True])
async def test_good_runs_of_a_minute_share_a_row(bench: Make, *, deferred: bool) -> None:
    """M2.1: oftener than once a minute: one row a minute with a count; what acted keeps its own."""

    async def work(context: RunContext) -> Summary:
        return Summary(acted=1 if context.now == NOON + timedelta(seconds=10) else 0)

    spec = JobSpec(name=NAME, slots=(Every(interval=timedelta(seconds=5)),))
    async with bench(work, spec, deferred=deferred) as made:
        for second in range(0, 70, 5):
            made.clock.set(NOON + timedelta(seconds=second))
            if deferred:
                await made.runner._ledger.commit_instant(made.clock.now())
            await made.runner.run_due([due(made.clock.now())])
        await made.runner._ledger.commit_instant(made.clock.now())
        rows = await made.rows()

    assert [row["runs"] for row in rows] == [11, 1, 2]
    assert [row["summary"]["attempted"] for row in rows] == [0, 0, 0]


async def test_a_run_that_shares_a_row_is_not_run_again_after_a_kill(
    bench: Make, database: Database
) -> None:
    """M2.10: paced, market time goes back to what was committed; each occurrence counts once."""
    spec = JobSpec(name=NAME, slots=(Every(interval=timedelta(seconds=5)),))
    slots = [NOON + timedelta(seconds=second) for second in range(0, 90, 5)]
    async with bench(spec=spec) as killed:
        for at in slots[:16]:
            killed.clock.set(at + timedelta(seconds=4.9))
            await killed.runner.run_due([due(at)])
    async with bench(spec=spec) as made:
        for at in slots[4:]:
            made.clock.set(at)
            await made.runner.run_due([due(at)])
        rows = await made.rows()

    assert [context.scheduled_at for context in made.job.contexts] == slots[16:]
    assert sum(row["runs"] for row in rows) == len(slots)


async def test_a_closed_market_is_recorded_and_nothing_is_run(bench: Make) -> None:
    """M2.10: only_when_open."""
    spec = JobSpec(name=NAME, slots=MINUTELY.slots, only_when_open=True)
    async with bench(spec=spec, is_open=lambda _spec, _now: False) as made:
        await made.runner.run_due([due()])
        (row,) = await made.rows()

    assert (row["status"], row["summary"]) == ("skipped", {"reason": "market closed"})
    assert not made.job.contexts


async def test_by_hand_it_goes_the_same_way_with_progress(bench: Make) -> None:
    """M2.9: same path, live progress, no scheduled_at; unknown names list the known ones."""

    async def work(context: RunContext) -> Summary:
        context.progress({"done": int(context.params["days"])})
        return Summary(attempted=1, inserted=1)

    shown: list[Any] = []
    async with bench(work) as made:
        run = await made.runner.run_manually(NAME, {"days": "7"}, shown.append)
        (row,) = await made.rows()
        with pytest.raises(RefusedError) as refused:
            await made.runner.run_manually("wrok", {})

    assert shown == [{"done": 7}]
    assert row["id"] == run.id
    assert row["scheduled_at"] is None
    assert refused.value.known == (NAME,)


async def test_start_end_and_counts_are_logged(
    bench: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """M2.8, 3.6: every line of a run carries job and run_id; a failure has its own event."""

    async def work(context: RunContext) -> Summary:
        summary = Summary(attempted=2, inserted=1, counts={"checked": 12})
        if context.params:
            summary.fail("BTCUSDT", "HTTP 503")
        return summary

    async with bench(work) as made:
        await made.runner.run_manually(NAME, {})
        await made.runner.run_manually(NAME, {"fail": "yes"})
    lines = [line for line in capsys.readouterr().out.splitlines() if "job=work" in line]

    assert ["started" in line for line in lines] == [True, False, True, False]
    assert all("run_id=" in line for line in lines)
    assert all(f"{what}" in lines[1] for what in ("job complete", "attempted=2", "checked=12"))
    assert all(what in lines[3] for what in ("job failed", "status=partial", "BTCUSDT: HTTP 503"))


async def test_the_outcome_is_read_after_the_run(bench: Make) -> None:
    """M2.7: after the run; a quiet one at most once a minute; again when somebody asks."""
    async with bench() as made:
        for second in (0, 20, 40):
            made.clock.set(NOON + timedelta(seconds=second))
            await made.runner.run_due([due(made.clock.now())])
        assert made.job.outcomes_read == 1
        outcome = await made.runner.fresh_outcome(NAME)

    assert outcome is not None
    assert outcome.message == "read 2 times"


async def test_an_outcome_that_never_comes_does_not_hold_the_job(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.7, M2.4: else the job would be running, and skipped, for ever."""
    monkeypatch.setattr("tradebotd.scheduling.outcomes.LONGEST_SECONDS", 0.01)
    async with bench() as made:
        monkeypatch.setattr(made.job, "outcome", anyio.sleep_forever)
        await made.runner.run_due([due()])
        latest = made.runner.outcomes.latest(NAME)
        assert not made.runner.running

    assert latest is not None
    assert not latest.ok
    assert "TimeoutError" in latest.message


async def test_what_an_operator_switched_off_stays_off(bench: Make) -> None:
    async with bench() as made:
        await switch(made.runner, made.database, NAME, enabled=False)
        made.runner.set_disabled([])
        await load_disabled(made.runner, made.database)
        await made.runner.run_due([due()])
        assert not await made.rows()
        await switch(made.runner, made.database, NAME, enabled=True)
        await made.runner.run_due([due()])
        assert len(await made.rows()) == 1


@pytest.fixture
def utc() -> None:
    """Read before the loop runs, as the check of the configuration does."""
    zone("UTC")


async def test_a_lost_daily_run_is_made_up_once_at_the_next_start(bench: Make, utc: None) -> None:
    """3.8: jobs that catch up by nature; its attempt is raised, and only the latest is made up."""
    midnight = At(at=NOON.time().replace(hour=0), timezone="UTC")
    spec = JobSpec(name=NAME, slots=(midnight,), catch_up=True)
    today, two_days_ago = NOON.replace(hour=0), NOON.replace(hour=0) - timedelta(days=2)
    async with bench(spec=spec) as made:
        assert await catch_up(made.runner, made.database, NOON, no_close) == []  # a new database
        async with made.database.connection() as connection:
            await job_runs.ensure_month(connection, two_days_ago)
        async with made.database.connection() as connection:
            await job_runs.open_run(connection, NAME, two_days_ago, two_days_ago, two_days_ago)
        assert await made.runner._ledger.recover(NOON) == 1

        assert await catch_up(made.runner, made.database, NOON, no_close) == [NAME]
        assert await catch_up(made.runner, made.database, NOON, no_close) == []
        rows = await made.rows()

    assert [(row["scheduled_at"], row["status"]) for row in rows] == [
        (two_days_ago, "lost"),
        (today, "ok"),
    ]


async def test_the_list_of_jobs_shows_schedule_last_run_outcome_and_rate(bench: Make) -> None:
    """M2.7, 3.2: the shape of `tradebotctl jobs`; missed runs do not count as failed ones."""
    async with bench() as made:
        scheduler = ClockScheduler(made.clock, no_close, made.runner.trigger)
        await made.runner.run_due([due(earlier=3)])
        made.clock.advance(timedelta(seconds=1))
        scheduler.schedule([MINUTELY])
        scheduler.start()
        now = made.clock.now()
        (status,) = await job_statuses(made.runner, scheduler, made.database, now)
        scheduler.shutdown()

    assert (status.name, status.enabled, status.schedule) == (NAME, True, "every 1m")
    assert status.next_run_at == NOON + timedelta(minutes=1)
    assert (status.last_status, status.last_started_at) == (RunStatus.OK, NOON)
    assert (status.runs_24h, status.missed_24h, status.success_rate_24h) == (1, 3, 1.0)
    assert status.outcome is not None
    assert status.outcome.ok


async def test_ping_proves_the_way_down_to_the_database(database: Database) -> None:
    ping = Ping(database)
    summary = await ping.run(RunContext(scheduled_at=None, now=NOON))

    assert summary.status() is RunStatus.OK
    assert (await ping.outcome()).ok


def no_close(calendar: str, instant: datetime) -> datetime | None:
    return None


async def has_status(made: Bench, status: str) -> bool:
    return any(row["status"] == status for row in await made.rows())


async def until(condition: Callable[[], Any]) -> None:
    with anyio.fail_after(30):
        while not await condition():
            await anyio.lowlevel.checkpoint()
