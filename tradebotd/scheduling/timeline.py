"""Timeline of speed 0: jumps to the next path point or due job and acts there in order.

The instant reached is committed before its jobs run, together with the rows of earlier instants.
A killed replay therefore restarts at an instant whose jobs may have run in part: those without a
row are run again, which each of them must tolerate.
"""

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

import anyio
import structlog
from anyio.lowlevel import checkpoint

from tradebotd.clocks.host import monotonic
from tradebotd.clocks.market import STANDSTILL_POLL_SECONDS, MarketClock
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import JobName
from tradebotd.scheduling.run_ledger import RunLedger
from tradebotd.scheduling.runner import JobRunner
from tradebotd.scheduling.scheduler import ClockScheduler
from tradebotd.storage import settings
from tradebotd.storage.postgres.database import Database

log = structlog.get_logger(__name__)

POINTS_A_CANDLE: Final = 4
POINTS_BEFORE_YIELDING: Final = 200
PRIME_LOOK_BACK: Final = timedelta(days=5)  # the longest weekend of an exchange, and a day
DATABASE_RETRY_SECONDS: Final = 0.5
LAST_TIMER_SECONDS: Final = 0.1
AHEAD: Final = timedelta(seconds=5)  # of market time: how far it may be ahead of the prices played
SLOWED_SECONDS: Final = 5.0  # of host time lost, then it is logged

OnTick = Callable[[Tick], Awaitable[None] | None]


class Recording(Protocol):
    """Time span and path of a simulated feed (ports.feed.SimulatedFeed)."""

    def span(self) -> tuple[datetime, datetime]: ...

    def path(self, after: datetime | None) -> Iterator[Tick]: ...


class Reached(NamedTuple):
    """Stored `market_clock`: how far a replay has come. `at` is None if it never started."""

    at: datetime | None
    ended: bool


class ReplayProgress(NamedTuple):
    """Progress of a replay. `share`: None if endless; `candles_per_second`: of host time."""

    market_now: datetime
    share: float | None
    candles_per_second: float


async def read_reached(database: Database) -> Reached:
    """Read where to resume; the wiring builds the clock with it."""
    async with database.connection() as connection:
        stored: Any = await settings.get(connection, settings.MARKET_CLOCK)
    if stored is None:
        return Reached(None, ended=False)
    return Reached(datetime.fromisoformat(stored["reached"]), bool(stored["ended"]))


class Playback:
    """Playback shared by both players: the path from where it was left, and the progress."""

    def __init__(
        self,
        *,
        recording: Recording,
        clock: MarketClock,
        reached: Reached,
        on_tick: OnTick,
        prime: Callable[[Tick], object],
        look_back: timedelta = PRIME_LOOK_BACK,
        host_seconds: Callable[[], float] = monotonic,
    ) -> None:
        self.start, self.end = recording.span()
        self.reached = reached
        self._clock = clock
        self._on_tick = on_tick
        self._host_seconds = host_seconds
        self._host_start = host_seconds()
        self._points = 0
        self._path = recording.path(
            None
            if reached.at is None or reached.at - look_back < self.start
            else reached.at - look_back
        )
        self.next = next(self._path, None)
        self._prime(prime)

    def _prime(self, prime: Callable[[Tick], object]) -> None:
        """Load the prices before *reached* without acting on them."""
        if self.reached.at is None:
            return
        while self.next is not None and self.next.at <= self.reached.at:
            prime(self.next)
            self.next = next(self._path, None)

    async def deliver(self, until: datetime) -> None:
        """Deliver every path point up to *until*, in order; most need no waiting."""
        tick = self.next
        while tick is not None and tick.at <= until:
            pending = self._on_tick(tick)
            if pending is not None:
                await pending
            self._points += 1
            if self._points % POINTS_BEFORE_YIELDING == 0:
                await checkpoint()
            self.next = tick = next(self._path, None)

    def progress(self) -> ReplayProgress:
        now = self._clock.now()
        seconds = max(self._host_seconds() - self._host_start, 1e-9)
        endless = self.end.year >= datetime.max.year  # noqa: DTZ901 - only its year is used
        share = None if endless else (now - self.start) / (self.end - self.start)
        rate = self._points / POINTS_A_CANDLE / seconds
        return ReplayProgress(now, share, rate)


class Timeline:
    """Player at speed 0. The clock must stand at `reached`, or at the recording's start."""

    def __init__(
        self,
        *,
        playback: Playback,
        clock: MarketClock,
        scheduler: ClockScheduler,
        runner: JobRunner,
        ledger: RunLedger,
        on_end: Callable[[], Awaitable[None]],
    ) -> None:
        self._playback = playback
        self._clock = clock
        self._scheduler = scheduler
        self._runner = runner
        self._ledger = ledger
        self._on_end = on_end
        self._stopping = anyio.Event()

    def stop(self) -> None:
        """Stop between two instants; finished work is committed first."""
        self._stopping.set()

    def progress(self) -> ReplayProgress:
        return self._playback.progress()

    async def run(self) -> bool:
        """Play; return True when the data ended, False when stopped before."""
        if self._playback.reached.ended:
            return True
        resumed_at = self._playback.reached.at
        done = set() if resumed_at is None else await self._ledger.done_at(resumed_at)
        while not self._stopping.is_set():
            instant = self._next_instant()
            await self._jump(instant)
            await self._playback.deliver(instant)
            await self._run_jobs(instant, done if instant == resumed_at else set())
            # Asked to stop meanwhile, jobs of this instant may have been left out: not the end yet.
            if instant >= self._playback.end and not self._stopping.is_set():
                await self._on_end()
                return await self._commit(instant, ended=True)
        await self._commit(self._clock.now(), ended=False)
        return False

    def _next_instant(self) -> datetime:
        tick = self._playback.next
        instants = [self._playback.end, self._scheduler.next_due(), self._clock.next_wake()]
        if tick is not None:
            instants.append(tick.at)
        return max(
            min(candidate for candidate in instants if candidate is not None), self._clock.now()
        )

    async def _jump(self, instant: datetime) -> None:
        if self._clock.is_held:
            await self._clock.wait_until_free()
        wake = self._clock.next_wake()
        self._clock.jump_to(instant)
        if wake is not None and wake <= instant:
            await checkpoint()  # sleepers act first at this instant
            await self._clock.wait_until_free()

    async def _run_jobs(self, instant: datetime, done: set[JobName]) -> None:
        next_due = self._scheduler.next_due()
        if next_due is None or next_due > instant:
            return
        dues = [due for due in self._scheduler.take_due() if due.name not in done]
        if await self._commit(instant, ended=False):
            await self._runner.run_due(dues)

    async def _commit(self, instant: datetime, *, ended: bool) -> bool:
        """Commit, retrying while the database is unavailable: market time stands still.

        Returns False if stopped meanwhile.
        """
        warned = False
        while True:
            try:
                await self._ledger.commit_instant(instant, ended=ended)
            except DatabaseUnavailableError as error:
                if self._stopping.is_set():
                    return False
                if not warned:
                    log.warning("replay suspended", error=str(error))
                warned = True
                with anyio.move_on_after(DATABASE_RETRY_SECONDS):
                    await self._stopping.wait()
            else:
                return True


class PacedPlayer:
    """Player with a speed: each path point at its time, none skipped when late.

    Market time waits for it: on a busy host a replay is slower than its speed, and no price grows
    old while the next one is on its way. *must_wait*: it waits for a run, too, behind which candles
    would be late, for as long as the clock stands still at most.
    """

    def __init__(
        self,
        *,
        playback: Playback,
        clock: MarketClock,
        ledger: RunLedger,
        on_end: Callable[[], Awaitable[None]],
        must_wait: Callable[[], bool] = lambda: False,
        commit_every_seconds: float = 1.0,
    ) -> None:
        self._playback = playback
        self._clock = clock
        self._ledger = ledger
        self._on_end = on_end
        self._must_wait = must_wait
        self._commit_every = commit_every_seconds
        self._stopping = anyio.Event()
        self._warned = False
        self._lost = 0.0

    def stop(self) -> None:
        self._stopping.set()

    def progress(self) -> ReplayProgress:
        return self._playback.progress()

    async def run(self) -> bool:
        """Play; return True when the data ended, False when stopped before."""
        end = self._playback.end
        self._clock.stop_at(end)
        if self._playback.reached.ended:
            return True
        committed = monotonic()
        self._let_run()
        while not self._stopping.is_set():
            now = self._clock.now()
            await self._playback.deliver(now)
            self._let_run()
            if now >= end:
                # The scheduler's timer is due in this very moment, too: let its jobs begin.
                await anyio.sleep(LAST_TIMER_SECONDS)
                await self._on_end()
                await self._commit(end, ended=True)
                return True
            if monotonic() - committed >= self._commit_every:
                await self._commit(now, ended=False)
                committed = monotonic()
            await self._wait(now)
        await self._commit(self._clock.now(), ended=False)
        return False

    def _let_run(self) -> None:
        if self._must_wait():
            return
        tick = self._playback.next
        self._lost += self._clock.run_no_further(None if tick is None else tick.at + AHEAD)
        if self._lost >= SLOWED_SECONDS:
            log.warning("replay slowed", lost_s=round(self._lost, 1), speed=self._clock.speed)
            self._lost = 0.0

    async def _wait(self, now: datetime) -> None:
        tick = self._playback.next
        following = self._playback.end if tick is None else min(tick.at, self._playback.end)
        seconds = (following - now).total_seconds() / self._clock.speed
        if self._must_wait():
            seconds = max(seconds, STANDSTILL_POLL_SECONDS)
        with anyio.move_on_after(max(0.0, min(seconds, self._commit_every))):
            await self._stopping.wait()

    async def _commit(self, now: datetime, *, ended: bool) -> None:
        try:
            await self._ledger.commit_instant(now, ended=ended)
        except DatabaseUnavailableError as error:
            if not self._warned:
                log.warning("market time not stored", error=str(error))
            self._warned = True
        else:
            self._warned = False
