"""Work on resting exits, also behind closed positions: when, and how much of it at once.

While a task runs `run`, all of it happens there: ticks and sweeps only signal that something is
new, and wait for no venue. Without one (speed 0, so that effects repeat) they do it themselves.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from tradebotd.domain.errors import DatabaseUnavailableError, RolledBackError, describe_error
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.position import Position
from tradebotd.trading.exits.exit_intents import ExitIntent
from tradebotd.trading.exits.market_exits import SweepResult
from tradebotd.trading.exits.orphaned_exits import OrphanedExits
from tradebotd.trading.exits.resting_stops import RestingStops
from tradebotd.trading.exits.tracked_positions import TrackedPositions, moves

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(seconds=1)  # of market time: at stops that ticks have moved
LOOKED_AT: Final = 200  # positions, then everything else has its turn

End = Callable[[Sequence[ExitIntent], SweepResult], Awaitable[None]]


class RestingRounds:
    """Work on resting stops, by so many workers at each venue as it allows.

    *end* ends positions whose stop has been met meanwhile. *sequential*: no workers, one position
    after the other.
    """

    def __init__(
        self,
        resting: RestingStops,
        *,
        orphaned: OrphanedExits,
        tracked: TrackedPositions,
        end: End,
        sequential: bool,
    ) -> None:
        self._resting = resting
        self._queue = resting.queue
        self._orphaned = orphaned
        self._tracked = tracked
        self._held: Mapping[PositionId, Position] = tracked.positions
        self._end = end
        self._sequential = sequential
        self._is_running = False
        self._workers: dict[VenueName, int] = {}
        self._swept = self._clearing = False
        self._looks_at: datetime | None = None  # stops that ticks have moved, from then on
        self._ticked = self._looking = False
        self._working = False  # without a task in `run`

    @property
    def has_work(self) -> bool:
        """Return whether the caller that saw something new has to handle it."""
        return self._resting.queue.dirty and not (self._is_running or self._working)

    def on_tick(self, at: datetime) -> None:
        """Look at the stops that ticks have moved, at most once in LOOK_EVERY."""
        if self._is_running and (self._looks_at is None or at >= self._looks_at):
            self._looks_at = at + LOOK_EVERY
            self._ticked = True
            self._resting.queue.wake()

    async def run(self) -> None:
        """Work for ever, at each venue by itself, so that no venue waits for another."""
        self._is_running = self._resting.is_attended = True
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._resting.times.run)
                while True:
                    with anyio.move_on_after(self._resting.missing.seconds_to_retry()):
                        await self._resting.queue.wakeup.wait()
                    self._resting.queue.clear_signal()
                    for position_id in self._resting.missing.pauses_over():
                        self._resting.mark_dirty(position_id)
                    if self._swept and not self._clearing:
                        self._swept, self._clearing = False, True
                        tasks.start_soon(self._clear)
                    if self._ticked and not self._looking:
                        self._ticked, self._looking = False, True
                        tasks.start_soon(self._look_at_moves)
                    for venue in self._queue.venues:
                        self._employ(venue, tasks)
        finally:
            self._is_running = self._resting.is_attended = False

    async def run_once(self) -> None:
        """Wait until something is new, and handle it."""
        await self._resting.queue.wakeup.wait()
        await self.run_quietly()

    async def run_quietly(self) -> None:
        result = SweepResult()
        try:
            await self._all(result)
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("resting stops deferred", error=str(error))
        if result.failed:
            log.warning("resting stops not placed", failed=result.failed)

    async def after_sweep(self, result: SweepResult) -> None:
        """Retry what waited. Raises DatabaseUnavailableError where no task attends."""
        if self._is_running:
            result.failed |= self._resting.failing | self._orphaned.failing
            self._resting.mark_due_dirty()
            self._swept = True
            self._resting.queue.wake()
        else:
            await self._all(result)
            await self._orphaned.clear(result.failed)

    async def _clear(self) -> None:
        try:
            await self._orphaned.clear({})
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("orphaned exits deferred", error=str(error))
        finally:
            self._clearing = False

    async def _look_at_moves(self) -> None:
        """Mark the stops that ticks have moved by enough, once those are stored.

        The row is never behind what rests at a venue: a trailing stop that is read after a restart
        loosens none.
        """
        try:
            moved = [held.id for held in self._held.values() if moves(held.exits)]
            stored = False
            for number, position_id in enumerate(moved, 1):
                position = None
                if self._resting.live(position_id) is not None:
                    position = self._tracked.current(position_id)
                if position is not None and self._resting.needs_change(position):
                    if not stored:
                        stored = True
                        await self._tracked.persist()
                    self._resting.on_position_changed(position)
                if number % LOOKED_AT == 0:
                    await anyio.lowlevel.checkpoint()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("resting stops deferred", error=str(error))
        finally:
            self._looking = False

    async def _all(self, result: SweepResult) -> None:
        """Handle all that is new, each independently; then raise the first database error."""
        if self._working:
            self._resting.queue.clear_signal()
            return
        self._working = True
        try:
            self._resting.mark_due_dirty()
            self._resting.queue.clear_signal()
            for venue in self._queue.venues:
                taken = self._queue.take_all(venue)
                await self._handle([one for one in taken if self._is_ready(one)], venue, result)
        finally:
            self._working = False
        if self._queue.venues:  # marked meanwhile, and a caller that met this round has said so
            self._resting.queue.signal()

    async def _handle(
        self, taken: Sequence[PositionId], venue: VenueName, result: SweepResult
    ) -> None:
        """Handle each independently of the others; then raise the first database error."""
        away: list[Exception] = []
        at_once = 1 if self._sequential else self._resting.moves_at_once(venue)
        limiter = anyio.CapacityLimiter(at_once)

        async def maintain(position_id: PositionId) -> None:
            async with limiter:
                if away:
                    return  # it stays due
                try:
                    hit = await self._maintain(position_id, result)
                except DatabaseUnavailableError as error:
                    away.append(error)
                    return
            if hit is not None:
                await self._end([hit], result)

        if self._sequential:
            for position_id in taken:
                await maintain(position_id)
        else:
            async with anyio.create_task_group() as maintaining:
                for position_id in taken:
                    maintaining.start_soon(maintain, position_id)
        if away:
            raise away[0]
        if taken:
            await self._resting.missing.update_alerts()

    async def _maintain(self, position_id: PositionId, result: SweepResult) -> ExitIntent | None:
        """Handle one position. A transaction that was rolled back fails it alone: it stays due."""
        try:
            return await self._resting.maintain(position_id, self._held, result.failed)
        except RolledBackError as error:
            result.failed[str(position_id)] = describe_error(error)
            return None

    # Workers

    def _employ(self, venue: VenueName, tasks: TaskGroup) -> None:
        """Start as many workers as the venue still allows, for what waits there."""
        at_work = self._workers.get(venue, 0)
        more = min(self._resting.moves_at_once(venue) - at_work, self._queue.waiting(venue))
        for _ in range(more):
            tasks.start_soon(self._work, venue, tasks)
        self._workers[venue] = at_work + max(more, 0)

    async def _work(self, venue: VenueName, tasks: TaskGroup) -> None:
        """Handle what waits at the venue, one position after the other, until nothing does."""
        result = SweepResult()
        try:
            while (position_id := self._take(venue)) is not None:
                try:
                    hit = await self._maintain(position_id, result)
                finally:
                    self._queue.done(position_id)
                if hit is not None:
                    tasks.start_soon(self._end_met, hit)
        except (DatabaseUnavailableError, TimeoutError) as error:
            self._queue.clear(venue)  # all of it stays due
            log.warning("resting stops deferred", error=str(error))
        finally:
            self._workers[venue] -= 1
        if result.failed:
            log.warning("resting stops not placed", failed=result.failed)
        if not self._workers[venue]:
            await self._update_alerts()

    def _take(self, venue: VenueName) -> PositionId | None:
        while (position_id := self._queue.take(venue)) is not None:
            if self._is_ready(position_id):
                return position_id
            self._queue.done(position_id)
        return None

    def _is_ready(self, position_id: PositionId) -> bool:
        return self._resting.is_ready(position_id, self._held)

    async def _end_met(self, hit: ExitIntent) -> None:
        result = SweepResult()
        await self._end([hit], result)
        if result.failed:
            log.warning("exits not made", failed=result.failed)

    async def _update_alerts(self) -> None:
        try:
            await self._resting.missing.update_alerts()
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("resting stop alert not stored", error=str(error))
