"""Speed 0: order at an instant, resumption after a kill at each step, the database away."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from tests.fakes.jobs import ScriptedJob
from tradebotd.clocks.market import LONGEST_STANDSTILL_SECONDS, MarketClock
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Every, JobSpec, RunStatus, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.scheduling.timeline import AHEAD, PacedPlayer, Playback, Timeline, read_reached
from tradebotd.storage import job_runs
from tradebotd.storage.job_runs import RunRecord
from tradebotd.storage.postgres.database import Database

START = datetime(2026, 1, 31, 23, 57, tzinfo=UTC)  # a month ends on the way
MINUTE = timedelta(minutes=1)
MINUTES = 6
END = START + timedelta(minutes=MINUTES)
PULL, BOTS = JobName("realtime_pull"), JobName("run_bots")
EVERY_MINUTE = (Every(interval=timedelta(minutes=1)),)


class Killed(BaseException):
    """SIGKILL, as far as a test can: nothing after it is done."""


class Recorded:
    def span(self) -> tuple[datetime, datetime]:
        return START, END

    def path(self, after: datetime | None) -> Iterator[Tick]:
        for minute in range(MINUTES):
            for second in (0, 20, 40, 59):
                at = START + timedelta(minutes=minute, seconds=second)
                if after is None or at > after:
                    yield Tick(at, "BTCUSDT", Decimal(minute * 100 + second))


class Replay:
    """One life of the daemon on *database*; `steps` is everything that happened, in order."""

    def __init__(self, database: Database, kill_at_step: int | None = None) -> None:
        self.database = database
        self.kill_at_step = kill_at_step
        self.steps: list[tuple[str, datetime]] = []
        self.primed: list[datetime] = []
        self.ended = 0
        self.during: Callable[[Timeline], Awaitable[None] | None] = lambda _timeline: None

    tasks: TaskGroup
    runner: JobRunner

    def step(self, what: str, at: datetime) -> None:
        if len(self.steps) == self.kill_at_step:
            raise Killed
        self.steps.append((what, at))

    async def run(self) -> bool:
        ledger = RunLedger(self.database, deferred=True)
        reached = await read_reached(self.database)
        clock = MarketClock(reached.at or START, 0)
        await ledger.recover(clock.now())

        async def work(context: RunContext) -> Summary:
            assert context.scheduled_at == clock.now()
            self.step(names.pop(), clock.now())
            pending = self.during(timeline)
            if pending is not None:
                await pending
            return Summary()

        names: list[str] = []
        jobs = [Named(BOTS, work, names), Named(PULL, work, names)]
        scheduler = ClockScheduler(clock, lambda _code, _instant: None, lambda _dues: None)
        scheduler.schedule([JobSpec(name=job.name, slots=EVERY_MINUTE) for job in jobs])
        scheduler.start()
        async with anyio.create_task_group() as tasks:
            runner = JobRunner(
                tasks=tasks,
                clock=clock,
                ledger=ledger,
                jobs=jobs,
                specs=[JobSpec(name=job.name, slots=EVERY_MINUTE, retries=0) for job in jobs],
                hold=clock.hold,
            )
            self.tasks, self.runner = tasks, runner
            timeline = Timeline(
                playback=Playback(
                    recording=Recorded(),
                    clock=clock,
                    reached=reached,
                    on_tick=lambda point: self.step("tick", point.at),
                    prime=lambda point: self.primed.append(point.at),
                ),
                clock=clock,
                scheduler=scheduler,
                runner=runner,
                ledger=ledger,
                on_end=self.at_end,
            )
            came_to_its_end = await timeline.run()
        return came_to_its_end  # noqa: RET504 - a task group may swallow, mypy says

    async def at_end(self) -> None:
        self.ended += 1

    async def rows(self) -> list[Any]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM job_runs ORDER BY scheduled_at, id")
        return list(rows)


class Named(ScriptedJob):
    """Says its name to the shared script first."""

    def __init__(self, name: JobName, work: Any, names: list[str]) -> None:
        super().__init__(name, work)
        self._names = names

    async def run(self, context: RunContext) -> Summary:
        self._names.append(self.name)
        return await super().run(context)


async def test_everything_of_an_instant_happens_in_the_fixed_order(database: Database) -> None:
    """2.4, 3.8: path points first, then the jobs; due at the start and at the end too."""
    replay = Replay(database)

    assert await replay.run()

    first = [(what, (at - START).seconds) for what, at in replay.steps[:9]]
    assert first == [
        ("tick", 0),
        ("realtime_pull", 0),
        ("run_bots", 0),
        ("tick", 20),
        ("tick", 40),
        ("tick", 59),
        ("tick", 60),
        ("realtime_pull", 60),
        ("run_bots", 60),
    ]
    assert replay.steps[-2:] == [("realtime_pull", END), ("run_bots", END)]
    assert replay.ended == 1
    rows = await replay.rows()
    assert [row["status"] for row in rows] == ["ok"] * 2 * (MINUTES + 1)
    assert (await read_reached(database)).ended


async def test_a_finished_replay_ends_at_once_and_adds_nothing(database: Database) -> None:
    """3.8: end of data."""
    await Replay(database).run()
    again = Replay(database)

    assert await again.run()

    assert (again.steps, again.ended) == ([], 0)


@pytest.mark.parametrize("step", range(0, 38, 1))
async def test_killed_at_any_step_it_goes_on_where_it_was(database: Database, step: int) -> None:
    """R1: every occurrence has one good row, no row is open, no tick is left out."""
    first = Replay(database, kill_at_step=step)
    with pytest.raises(BaseException) as killed:
        await first.run()
    assert killed.group_contains(Killed) if hasattr(killed.value, "exceptions") else True
    reached = (await read_reached(database)).at
    second = Replay(database)

    assert await second.run()

    rows = await second.rows()
    assert [(row["status"], row["attempt"]) for row in rows] == [("ok", 1)] * 2 * (MINUTES + 1)
    assert len({(row["job"], row["scheduled_at"]) for row in rows}) == len(rows)
    assert all(at > reached for what, at in second.steps if what == "tick" and reached)
    assert {at for what, at in first.steps + second.steps if what == "tick"} == {
        point.at for point in Recorded().path(None)
    }
    if reached is not None:
        assert second.primed[-1] == max(p.at for p in Recorded().path(None) if p.at <= reached)


async def test_it_stops_between_instants_and_goes_on_there(database: Database) -> None:
    """SIGTERM: what was done is committed, and nothing of it is done again."""
    first = Replay(database)
    first.during = lambda timeline: timeline.stop() if len(first.steps) > 20 else None
    assert not await first.run()
    second = Replay(database)
    assert await second.run()

    both = first.steps + second.steps
    assert len(both) == len(set(both))
    assert len(await second.rows()) == 2 * (MINUTES + 1)


@pytest.mark.parametrize("at", [START + timedelta(minutes=2), END])
async def test_jobs_that_a_stop_left_out_are_run_at_the_next_start(
    database: Database, at: datetime
) -> None:
    """SIGTERM in the midst of an instant, the last one too: each occurrence runs exactly once."""
    first = Replay(database)

    def stop(timeline: Timeline) -> None:
        if first.steps[-1] == ("realtime_pull", at):
            timeline.stop()
            first.tasks.start_soon(first.runner.drain, 5)
            first.runner._draining = True  # what the drain does first, before this job has ended

    first.during = stop
    assert not await first.run()
    assert ("run_bots", at) not in first.steps
    assert not first.ended
    second = Replay(database)
    assert await second.run()

    both = first.steps + second.steps
    assert len(both) == len(set(both))
    assert len(await second.rows()) == 2 * (MINUTES + 1)


async def test_time_stands_still_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trouble: nothing is lost, and work resumes by itself."""
    write, failures = job_runs.commit_instant, [2, 3, 7]
    calls = 0

    async def sometimes(*arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls in failures:
            raise DatabaseUnavailableError("away")
        await write(*arguments)

    monkeypatch.setattr(job_runs, "commit_instant", sometimes)
    monkeypatch.setattr("tradebotd.scheduling.timeline.DATABASE_RETRY_SECONDS", 0.001)
    replay = Replay(database)

    assert await replay.run()

    assert len(replay.steps) == len(set(replay.steps))
    assert len(await replay.rows()) == 2 * (MINUTES + 1)


async def test_paced_it_delivers_every_point_and_remembers_how_far_it_came(
    database: Database,
) -> None:
    clock = MarketClock(START, 100_000)
    seen: list[Tick] = []
    ended: list[bool] = []

    async def at_end() -> None:
        ended.append(True)

    player = PacedPlayer(
        playback=Playback(
            recording=Recorded(),
            clock=clock,
            reached=await read_reached(database),
            on_tick=seen.append,
            prime=seen.append,
        ),
        clock=clock,
        ledger=RunLedger(database, deferred=False),
        on_end=at_end,
    )

    assert await player.run()

    assert seen == list(Recorded().path(None))
    assert ended == [True]
    assert clock.now() == END
    assert player.progress().share == 1
    assert (await read_reached(database)).ended


async def test_paced_market_time_does_not_outrun_the_prices(database: Database) -> None:
    """2.4: at 120 times a host that is busy for a second would make each price two minutes old."""
    blocked = [0.0]
    clock = MarketClock(START, 120, host_seconds=lambda: monotonic() + blocked[0])
    ages: list[timedelta] = []

    def slow(tick: Tick) -> None:
        ages.append(clock.now() - tick.at)
        blocked[0] += 1  # a loop that is blocked, or an exit that is being sent
        ages.append(clock.now() - tick.at)

    async def at_end() -> None:
        """Nothing more is to be done."""

    player = PacedPlayer(
        playback=Playback(
            recording=Recorded(),
            clock=clock,
            reached=await read_reached(database),
            on_tick=slow,
            prime=slow,
        ),
        clock=clock,
        ledger=RunLedger(database, deferred=False),
        on_end=at_end,
    )
    with anyio.fail_after(60):
        assert await player.run()

    assert len(ages) == 2 * len(list(Recorded().path(None)))
    assert max(ages[:-2]) <= AHEAD
    assert clock.now() == END


async def test_paced_market_time_waits_for_a_run_but_not_for_ever(database: Database) -> None:
    """2.4: a run that takes longer than a minute at this speed finds no candle late."""
    host, is_running = [100.0], False
    clock = MarketClock(START, 120, host_seconds=lambda: host[0])
    played: list[datetime] = []
    playback = Playback(
        recording=Recorded(),
        clock=clock,
        reached=await read_reached(database),
        on_tick=lambda tick: played.append(tick.at),
        prime=lambda _: None,
    )

    async def never() -> None:
        raise AssertionError("the data has not ended")

    player = PacedPlayer(
        playback=playback,
        clock=clock,
        ledger=RunLedger(database, deferred=False),
        on_end=never,
        must_wait=lambda: is_running,
    )

    async def passes(seconds: float) -> datetime:
        host[0] += seconds
        await playback.deliver(clock.now())
        player._let_run()
        return clock.now()

    await passes(0)
    await passes(1)
    is_running = True
    stands = {await passes(1) for _ in range(int(LONGEST_STANDSTILL_SECONDS) - 1)}
    assert stands == {played[-1] + AHEAD}
    is_running = False
    assert await passes(1) in stands
    assert await passes(1) > max(stands), "it goes on behind the run"

    is_running = True
    reached = [await passes(1) for _ in range(int(LONGEST_STANDSTILL_SECONDS) + 3)]
    assert reached == sorted(reached)
    assert reached[0] == reached[-5] < reached[-1], "no run keeps it for ever"


async def test_paced_what_is_due_at_the_end_is_begun_before_the_end_is_told(
    database: Database,
) -> None:
    """3.8, end of data: what is due until then runs; M2.10: each occurrence once."""
    clock = MarketClock(START, 240)  # a busy machine takes its time for a run
    ledger = RunLedger(database, deferred=False)
    pull = ScriptedJob(PULL)
    async with anyio.create_task_group() as tasks:
        specs = [JobSpec(name=PULL, slots=EVERY_MINUTE, retries=0)]
        runner = JobRunner(tasks=tasks, clock=clock, ledger=ledger, jobs=[pull], specs=specs)
        scheduler = ClockScheduler(clock, lambda _code, _instant: None, runner.trigger)
        scheduler.schedule(specs)
        scheduler.start()

        async def at_end() -> None:
            assert await runner.drain(5)

        player = PacedPlayer(
            playback=Playback(
                recording=Recorded(),
                clock=clock,
                reached=await read_reached(database),
                on_tick=lambda _point: None,
                prime=lambda _point: None,
            ),
            clock=clock,
            ledger=ledger,
            on_end=at_end,
        )
        assert await player.run()
        scheduler.shutdown()

    due = [context.scheduled_at for context in pull.contexts]
    assert due[-1] == END
    assert len(due) == len(set(due))


async def test_rows_wait_in_bounded_memory_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trouble: uneventful rows go first; what is kept is written when the database is back."""

    async def away(*arguments: Any) -> None:
        raise DatabaseUnavailableError("away")

    ledger = RunLedger(database, deferred=False, capacity=3)
    with monkeypatch.context() as patched:
        patched.setattr(job_runs, "insert_runs", away)
        for minute, eventful in enumerate([True, False, False, True, True]):
            await ledger.note(record(minute, eventful=eventful))
    assert (ledger.waiting, ledger.dropped) == (3, 2)

    await ledger.flush()

    assert ledger.waiting == 0
    async with database.connection() as connection:
        kept = await connection.fetch("SELECT scheduled_at FROM job_runs ORDER BY scheduled_at")
    assert [(row["scheduled_at"] - START).seconds // 60 for row in kept] == [0, 3, 4]


def record(minute: int, *, eventful: bool) -> RunRecord:
    at = START + timedelta(minutes=minute)
    return RunRecord(
        id=None,
        job=PULL,
        scheduled_at=at,
        slot_at=at,
        started_at=at,
        finished_at=at,
        status=RunStatus.OK,
        eventful=eventful,
    )
