"""APScheduler on a Clock: its jobs and store with our triggers, "now", timer and executor.

The only importer of apscheduler. It relies on internals of 3.11.3 (`_process_jobs`, `_modify`,
the memory store), so that version is pinned and tests compare it with the stock
`AsyncIOScheduler`. The library's own cron trigger fires twice or an hour late on days of clock
changes, and its own code reads the wall clock wherever no next run time is given: neither is
used.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from apscheduler.executors.base import BaseExecutor
from apscheduler.schedulers.base import STATE_RUNNING, BaseScheduler
from apscheduler.triggers.base import BaseTrigger

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import JobSpec, Slot
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.slots import (
    ClosesAfter,
    DueRun,
    due_between,
    first_fire,
    next_fire,
    order_key,
)

# The machine's clock may be set, and a timer does not count suspend: look again this often.
LONGEST_TIMER_SECONDS: Final = 10.0
# uvloop's timers count whole milliseconds: they are set early, and for the rest each turn of the
# loop looks at the clock. Not earlier: whoever spins on a busy machine loses the processor just
# when the job starts. Where the clock stands still, it is looked at now and then.
EARLY_SECONDS: Final = 0.001
LONGEST_WATCH_SECONDS: Final = 0.01
STANDSTILL_POLL_SECONDS: Final = 0.005


class SlotTrigger(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """Trigger of one slot of one job; without a previous time it returns the first from *now*."""

    def __init__(self, slot: Slot, closes_after: ClosesAfter) -> None:
        self.slot = slot
        self.closes_after = closes_after

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        if previous_fire_time is None:
            return first_fire(self.slot, now, self.closes_after)
        return next_fire(self.slot, previous_fire_time, self.closes_after)


class DueCollector(BaseExecutor):  # type: ignore[misc]  # apscheduler has no types
    """Executor that collects due runs for `take_due`; runs nothing, so shutdown cancels nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.due: dict[JobName, DueRun] = {}

    def submit_job(self, job: Any, run_times: list[DueRun]) -> None:  # noqa: ARG002  # the library's signature
        for due in run_times:
            same = self.due.get(due.name)
            self.due[due.name] = due if same is None else same.joined(due)

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        raise AssertionError(f"submit_job hands over by itself: {job} {run_times}")


class ClockScheduler(BaseScheduler):  # type: ignore[misc]  # apscheduler has no types
    """Scheduler for every clock, woken by a timer; at speed 0 the timeline asks instead.

    *hand_over* gets what fell due, in the order of `slots.ORDER`.
    """

    def __init__(
        self,
        clock: Clock,
        closes_after: ClosesAfter,
        hand_over: Callable[[list[DueRun]], None],
    ) -> None:
        self._clock = clock
        self._closes_after = closes_after
        self._hand_over = hand_over
        self._collect = DueCollector()
        self._timer: asyncio.Handle | None = None
        self._job_names: dict[str, JobName] = {}
        super().__init__(timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": False})
        self.add_executor(self._collect)

    def schedule(self, specs: Iterable[JobSpec]) -> None:
        """Add a library job for each slot. Call it once the clock has its starting time."""
        now = self._clock.now()
        for spec in specs:
            for number, slot in enumerate(spec.slots):
                trigger = SlotTrigger(slot, self._closes_after)
                first = trigger.get_next_fire_time(None, now)
                if first is None:
                    continue
                job_id = f"{spec.name}#{number}"
                self._job_names[job_id] = spec.name
                self.add_job(_nothing, trigger, id=job_id, next_run_time=first)

    def unschedule(self) -> None:
        """Remove every slot, before `schedule` after a reload."""
        self.remove_all_jobs()
        self._job_names.clear()

    def next_due(self) -> datetime | None:
        """Return the earliest due time; None without schedules."""
        store = self._jobstores.get("default")  # there from the start on
        instant: datetime | None = None if store is None else store.get_next_run_time()
        return instant

    def next_run_at(self, name: JobName) -> datetime | None:
        """Return the job's next run; None also before the start, when status may ask."""
        store = self._jobstores.get("default")
        jobs = [] if store is None else store.get_all_jobs()
        times = [job.next_run_time for job in jobs if self._job_names.get(job.id) == name]
        return min(times, default=None)

    def take_due(self) -> list[DueRun]:
        """Return what is due, each job once, in the fixed order; advances the schedules."""
        self._process_jobs()
        taken = sorted(self._collect.due.values(), key=lambda due: order_key(due.name))
        self._collect.due = {}
        return taken

    def wakeup(self) -> None:
        """Hand over what is due; called by the timer, and by the library when jobs are added.

        Does nothing at speed 0.
        """
        if self._clock.speed == 0:
            return
        if due := self.take_due():
            self._hand_over(due)
            self._disarm()
            # What was started goes first: its row is on the way while the timer is set.
            self._timer = asyncio.get_running_loop().call_soon(self._arm)
        else:
            self._arm()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002  # the library's signature
        self._disarm()
        super().shutdown(wait)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._disarm()
        instant = self.next_due() if self.state == STATE_RUNNING else None
        if instant is not None:
            delay = min(max(self._seconds_until(instant) - EARLY_SECONDS, 0), LONGEST_TIMER_SECONDS)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay, self._watch, instant, None)

    def _watch(self, instant: datetime, until: float | None) -> None:
        """Wake up at *instant*; *until* (of the loop's time) each turn of the loop looks for it."""
        loop, left = asyncio.get_running_loop(), self._seconds_until(instant)
        until = loop.time() + LONGEST_WATCH_SECONDS if until is None else until
        if left <= 0:
            self.wakeup()
        elif left > EARLY_SECONDS:
            self._arm()
        elif loop.time() < until:
            self._timer = loop.call_soon(self._watch, instant, until)
        else:
            pause = max(left, STANDSTILL_POLL_SECONDS)
            self._timer = loop.call_later(pause, self._watch, instant, until)

    def _seconds_until(self, instant: datetime) -> float:
        """Return host seconds, of a clock that runs on."""
        return (instant - self._clock.now()).total_seconds() / self._clock.speed

    def _process_jobs(self) -> None:
        """Run the library's loop by the clock, with successive due times computed at once."""
        if self.state != STATE_RUNNING:
            return
        now = self._clock.now()
        store = self._jobstores["default"]
        for job in store.get_due_jobs(now):
            trigger: SlotTrigger = job.trigger
            due = due_between(
                self._job_names[job.id], trigger.slot, job.next_run_time, now, self._closes_after
            )
            self._collect.submit_job(job, [due])
            following = trigger.get_next_fire_time(due.at, now)
            if following is None:
                self.remove_job(job.id)
            else:
                job._modify(next_run_time=following)  # noqa: SLF001  # as the library's loop does
                store.update_job(job)


def _nothing() -> None:
    """Do nothing: APScheduler requires a callable, but the runner runs the job."""
