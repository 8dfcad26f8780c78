import asyncio
from datetime import UTC, datetime, time, timedelta
from importlib.metadata import version
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from tests.fakes.clock import FakeClock
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import At, Every, JobSpec
from tradebotd.scheduling import scheduler as scheduler_module
from tradebotd.scheduling.scheduler import ClockScheduler, SlotTrigger
from tradebotd.scheduling.slots import DueRun

START = datetime(2026, 3, 27, tzinfo=UTC)
END = START + timedelta(days=4)  # Berlin's clocks change on the 29th


def no_close(calendar: str, instant: datetime) -> datetime | None:
    return None


def spec(name: str, *slots: Every | At) -> JobSpec:
    return JobSpec(name=JobName(name), slots=slots)


def every(**interval: float) -> Every:
    return Every(interval=timedelta(**interval))


def started(clock: FakeClock, specs: list[JobSpec], taken: list[DueRun]) -> ClockScheduler:
    scheduler = ClockScheduler(clock, no_close, taken.extend)
    scheduler.schedule(specs)
    scheduler.start()
    return scheduler


def play(scheduler: ClockScheduler, clock: FakeClock, end: datetime) -> list[DueRun]:
    found: list[DueRun] = []
    while (instant := scheduler.next_due()) is not None and instant < end:
        clock.set(instant)
        found += scheduler.take_due()
    return found


def test_before_its_start_nothing_is_due_and_nothing_fails() -> None:
    """M8.1: the control socket answers while the daemon still reconciles."""
    scheduler = ClockScheduler(FakeClock(START), no_close, list[DueRun]().extend)
    scheduler.schedule([spec("ping", every(seconds=5))])

    assert (scheduler.next_due(), scheduler.next_run_at(JobName("ping"))) == (None, None)


def test_the_library_is_the_version_whose_internals_are_leant_on() -> None:
    assert version("apscheduler") == "3.11.3"


@pytest.mark.parametrize(
    ("slot", "stock"),
    [
        (every(seconds=300), IntervalTrigger(seconds=300, start_date=START, timezone=UTC)),
        (
            At(at=time(20, 59), timezone="Europe/Berlin", days=("mon", "fri", "sun")),
            CronTrigger(
                day_of_week="mon,fri,sun", hour=20, minute=59, timezone=ZoneInfo("Europe/Berlin")
            ),
        ),
    ],
    ids=["every", "at"],
)
def test_triggers_agree_with_the_librarys_own(
    slot: Every | At, stock: IntervalTrigger | CronTrigger
) -> None:
    """Where the stock trigger is right (not at 02:30 on the days of change), they are the same."""
    ours, theirs = SlotTrigger(slot, no_close), []
    following, previous = stock.get_next_fire_time(None, START), None
    while following < END:
        theirs.append(following.astimezone(UTC))
        previous = following
        following = stock.get_next_fire_time(previous, previous)
    found, instant = [], ours.get_next_fire_time(None, START)
    while instant is not None and instant < END:
        found.append(instant)
        instant = ours.get_next_fire_time(instant, instant)

    assert found == theirs


def test_four_days_over_the_change_of_clocks_fire_as_often_as_they_should() -> None:
    """M2.10: on one timeline, each occurrence once."""
    clock = FakeClock(START)
    specs = [
        spec("stop_loss_check", every(seconds=60)),
        spec("daily_reset", At(at=time(2, 30), timezone="Europe/Berlin")),
    ]

    found = play(started(clock, specs, []), clock, END)

    resets = [due.at for due in found if due.name == "daily_reset"]
    assert len(found) - len(resets) == 4 * 24 * 60
    assert [instant.isoformat() for instant in resets] == [
        "2026-03-27T01:30:00+00:00",
        "2026-03-28T01:30:00+00:00",
        "2026-03-29T01:00:00+00:00",
        "2026-03-30T00:30:00+00:00",
    ]
    assert all(not due.earlier for due in found)


def test_what_is_due_at_one_instant_comes_in_the_fixed_order_and_once() -> None:
    """3.8; two slots of a job at one instant are one occurrence."""
    clock = FakeClock(START)
    noon = At(at=time(12), timezone="UTC")
    names = ["ping", "reconcile", "run_bots", "realtime_pull", "equity_snapshot", "daily_reset"]
    specs = [spec(name, noon, every(hours=12)) for name in names]
    scheduler = started(clock, specs, [])
    scheduler.take_due()

    clock.set(START + timedelta(hours=12))

    assert [(due.name, due.earlier) for due in scheduler.take_due()] == [
        ("daily_reset", 0),
        ("realtime_pull", 0),
        ("run_bots", 0),
        ("reconcile", 0),
        ("equity_snapshot", 0),
        ("ping", 0),
    ]
    assert scheduler.take_due() == []


def test_after_a_jump_of_a_day_each_job_is_due_once() -> None:
    """M2.4: what was passed over is counted, not fired."""
    clock = FakeClock(START)
    scheduler = started(clock, [spec("stop_loss_check", every(seconds=5))], [])
    clock.set(START + timedelta(days=1))

    assert scheduler.take_due() == [
        DueRun(JobName("stop_loss_check"), START + timedelta(days=1), START, 17_280)
    ]
    assert scheduler.next_run_at(JobName("stop_loss_check")) == (
        START + timedelta(days=1, seconds=5)
    )


async def test_with_a_speed_a_timer_hands_over_and_shutdown_ends_it() -> None:
    class Quick(FakeClock):
        def now(self) -> datetime:
            return START + timedelta(seconds=(anyio.current_time() - began) * 1000)

    began = anyio.current_time()
    taken: list[DueRun] = []
    scheduler = started(Quick(START, speed=1000), [spec("ping", every(seconds=2))], taken)
    with anyio.fail_after(30):
        while len(taken) < 3:
            await anyio.lowlevel.checkpoint()
    scheduler.shutdown()

    assert {due.name for due in taken} == {"ping"}
    assert scheduler._timer is None


A_TURN = 5  # turns of the loop within which what is ready has run


async def turns_of_the_loop() -> None:
    for _ in range(A_TURN):
        await anyio.lowlevel.checkpoint()


def is_set(scheduler: ClockScheduler) -> bool:
    """Return whether a timer of the loop runs; a call at its next turn is none."""
    return hasattr(scheduler._timer, "when")


def just_before_it_is_due(taken: list[DueRun]) -> tuple[FakeClock, ClockScheduler]:
    clock = FakeClock(START + timedelta(seconds=59, microseconds=999_500), speed=1)
    return clock, started(clock, [spec("ping", every(seconds=60))], taken)


async def test_close_to_its_time_each_turn_of_the_loop_looks_at_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """B5: a timer of whole milliseconds would be late by half of one, and by one at worst."""
    monkeypatch.setattr(scheduler_module, "LONGEST_WATCH_SECONDS", 3600)
    taken: list[DueRun] = []
    clock, scheduler = just_before_it_is_due(taken)
    await turns_of_the_loop()
    assert taken == [], "never before its time"

    clock.set(START + timedelta(seconds=60))
    await turns_of_the_loop()
    scheduler.shutdown()

    assert [due.at for due in taken] == [START + timedelta(seconds=60)]


async def test_a_clock_that_stands_still_is_not_watched_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2.5: a simulation may stand still just before a due time, for a minute."""
    monkeypatch.setattr(scheduler_module, "LONGEST_WATCH_SECONDS", 0)
    taken: list[DueRun] = []
    clock, scheduler = just_before_it_is_due(taken)
    await turns_of_the_loop()
    assert is_set(scheduler), "it looks at every turn"

    clock.set(START + timedelta(seconds=60))
    with anyio.fail_after(30):
        while not taken:
            await anyio.lowlevel.checkpoint()
    scheduler.shutdown()


async def test_a_clock_that_is_set_back_gets_a_long_timer_again() -> None:
    """2.4: the machine's clock may be set."""
    taken: list[DueRun] = []
    clock, scheduler = just_before_it_is_due(taken)
    clock.set(START)
    await turns_of_the_loop()

    timer: Any = scheduler._timer
    assert timer.when() > asyncio.get_running_loop().time() + 5
    scheduler.shutdown()


async def test_what_is_handed_over_starts_before_the_next_timer_is_set() -> None:
    """B5: the row of the run is on its way meanwhile."""
    seen: list[bool] = []

    def start(_: list[DueRun]) -> None:
        loop.call_soon(lambda: seen.append(is_set(scheduler)))

    loop = asyncio.get_running_loop()
    clock = FakeClock(START + timedelta(seconds=1), speed=1)
    scheduler = ClockScheduler(clock, no_close, start)
    scheduler.schedule([spec("ping", every(seconds=60))])
    clock.set(START + timedelta(seconds=60))
    scheduler.start()
    await turns_of_the_loop()

    assert seen == [False]
    assert is_set(scheduler)
    scheduler.shutdown()
    await turns_of_the_loop()
    assert scheduler._timer is None


async def test_shut_down_by_what_it_hands_over_it_sets_no_timer() -> None:
    """M8.6: nothing starts once the daemon stops."""
    clock = FakeClock(START, speed=1)
    scheduler = ClockScheduler(clock, no_close, lambda _: scheduler.shutdown())
    scheduler.schedule([spec("ping", every(seconds=60))])
    scheduler.start()
    await turns_of_the_loop()

    assert scheduler._timer is None
