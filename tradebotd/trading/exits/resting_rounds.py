"""Rounds over resting exits, also behind closed positions: when, and how many at once.

While a task runs `run`, all of it happens there: ticks and sweeps only signal that something is
new, and wait for no venue. Without one (speed 0, so that effects repeat) they do it themselves.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.trading.exits.exit_intents import ExitIntent
from tradebotd.trading.exits.market_exits import SweepResult
from tradebotd.trading.exits.orphaned_exits import OrphanedExits
from tradebotd.trading.exits.resting_stops import RestingStops

log = structlog.get_logger(__name__)

AT_ONCE: Final = 12  # at a venue
MOST: Final = 4 * AT_ONCE  # in a round: then positions without a resting stop come first again

End = Callable[[Sequence[ExitIntent], SweepResult], Awaitable[None]]


class RestingRounds:
    """Rounds over resting stops.

    *end* ends positions whose stop has been met meanwhile. *sequential*: one after the other.
    """

    def __init__(
        self,
        resting: RestingStops,
        *,
        orphaned: OrphanedExits,
        clock: Clock,
        held: Mapping[PositionId, Position],
        end: End,
        sequential: bool,
    ) -> None:
        self._resting = resting
        self._orphaned = orphaned
        self._clock = clock
        self._held = held
        self._end = end
        self._at_once = 1 if sequential else AT_ONCE
        self._is_running = False
        self._busy: set[VenueName] = set()
        self._swept = self._clearing = False
        self._working = False  # without a task in `run`

    @property
    def has_work(self) -> bool:
        """Return whether the caller that saw something new has to handle it."""
        return self._resting.dirty and not (self._is_running or self._working)

    async def run(self) -> None:
        """Run rounds for ever, one at a time at a venue, so that no venue waits for another."""
        self._is_running = True
        try:
            async with anyio.create_task_group() as rounds:
                while True:
                    await self._resting.wakeup.wait()
                    self._resting.clear_dirty()
                    if self._swept and not self._clearing:
                        self._swept, self._clearing = False, True
                        rounds.start_soon(self._clear)
                    for venue in self._resting.dirty_venues(self._held) - self._busy:
                        self._busy.add(venue)
                        rounds.start_soon(self._round, venue)
        finally:
            self._is_running = False

    async def run_once(self) -> None:
        """Wait until something is new, and handle it."""
        await self._resting.wakeup.wait()
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
            self._resting.wakeup.set()
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

    async def _all(self, result: SweepResult) -> None:
        if self._working:
            self._resting.clear_dirty()
            return
        self._working = True
        try:
            self._resting.mark_due_dirty()
            self._resting.clear_dirty()
            for venue in sorted(self._resting.dirty_venues(self._held)):
                taken = self._resting.take_dirty(self._held, venue, self._clock.now())
                await self._maintain(taken, result)
        finally:
            self._working = False

    async def _round(self, venue: VenueName) -> None:
        result = SweepResult()
        try:
            taken = self._resting.take_dirty(self._held, venue, self._clock.now(), MOST)
            await self._maintain(taken, result)
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("resting stops deferred", error=str(error))
        finally:
            self._busy.discard(venue)
        if result.failed:
            log.warning("resting stops not placed", failed=result.failed)
        if venue in self._resting.dirty_venues(self._held):
            self._resting.wakeup.set()

    async def _maintain(self, taken: Sequence[PositionId], result: SweepResult) -> None:
        """Handle each independently of the others; then raise the first database error."""
        away: list[Exception] = []
        limiter = anyio.CapacityLimiter(self._at_once)

        async def maintain(position_id: PositionId) -> None:
            async with limiter:
                if away:
                    return  # it stays due
                try:
                    hit = await self._resting.maintain(position_id, self._held, result.failed)
                except DatabaseUnavailableError as error:
                    away.append(error)
                    return
            if hit is not None:
                await self._end([hit], result)

        if self._at_once == 1:
            for position_id in taken:
                await maintain(position_id)
        else:
            async with anyio.create_task_group() as maintaining:
                for position_id in taken:
                    maintaining.start_soon(maintain, position_id)
        if away:
            raise away[0]
        if taken:
            await self._resting.update_alerts()
