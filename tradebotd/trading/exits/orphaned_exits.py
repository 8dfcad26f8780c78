"""Exits that outlive their position: cancelled, and looked up until the venue has none left.

A stop that rests behind a closed position fires at another one: the bot's next position, or the
coins of another bot.
"""

from collections.abc import Collection, Sequence
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderDeniedError,
    VenueError,
    describe_error,
)
from tradebotd.domain.ids import PositionId
from tradebotd.ports.clock import Clock
from tradebotd.storage.exit_groups import Groups
from tradebotd.trading.condition_alerts import subject
from tradebotd.trading.exits.backoff import Backoff, RetryTimers
from tradebotd.trading.exits.exit_placement import MOST_ORPHANS, ExitPlacement

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 12


class OrphanedExits:
    """Orphaned exits; `mark_dirty` says that a close, or the death of a process, may have left
    some.

    While there are any, each sweep handles them; a quiet sweep asks no venue.
    """

    def __init__(self, placement: ExitPlacement, clock: Clock, *, sequential: bool) -> None:
        self._placement = placement
        self._clock = clock
        self._at_once = 1 if sequential else MOST_AT_ONCE
        self._dirty = True  # an earlier process may have left some
        self._timers = RetryTimers()
        self._backoff = Backoff()

    def mark_dirty(self) -> None:
        self._dirty = True

    async def clear(self, failed: dict[str, str], *, patient: bool = True) -> None:
        """Clear exits that outlive their position; *failed* gains those that may still be there.

        As many as one round of calls holds; the rest waits for the next sweep, and what could not
        be cleared waits for longer each time. Not *patient*: all of them, now. Raises
        DatabaseUnavailableError.
        """
        if not self._dirty:
            return
        self._dirty = False
        try:
            orphans = await self._placement.orphans()
        except BaseException:
            self._dirty = True
            raise
        self._dirty = bool(orphans)
        if len(orphans) < MOST_ORPHANS:  # else there may be more than were read
            self._forget_all_but(orphans)
        now = self._clock.now()
        ready = list(orphans)
        if patient:
            ready = [
                position_id
                for position_id in orphans
                if self._timers.held_until(position_id, now) is None
            ]
            ready = ready[: self._at_once]
        limiter = anyio.CapacityLimiter(self._at_once)

        async def clear(position_id: PositionId) -> None:
            async with limiter:
                await self._clear(position_id, orphans[position_id])

        async with anyio.create_task_group() as clearing:
            for position_id in ready:
                clearing.start_soon(clear, position_id)
        failed |= self.failing

    def _forget_all_but(self, orphans: Collection[PositionId]) -> None:
        """Forget positions whose exits were settled without us, such as by reconciliation."""
        for position_id in self._backoff.reasons.keys() - set(orphans):
            self._timers.forget(position_id)
            self._backoff.forget(position_id)
            log.info("orphaned exits cleared", position=position_id)

    @property
    def failing(self) -> dict[str, str]:
        """Exits that may still be there, and why, by position."""
        return {
            subject(position_id): reason for position_id, reason in self._backoff.reasons.items()
        }

    async def _clear(self, position_id: PositionId, groups: Groups) -> None:
        try:
            for group in groups.newest_first:
                await self._placement.clear(position_id, group)
            await self._verify_gone(position_id)
        except OrderDeniedError as denied:  # an exit is being made: the next check sees its end
            log.debug("orphaned exit deferred", position=position_id, rule=denied.rule)
        except (VenueError, DatabaseUnavailableError, TimeoutError) as error:
            self._wait(position_id, describe_error(error))

    async def _verify_gone(self, position_id: PositionId) -> None:
        remaining = await self._placement.groups([position_id])
        orders = _unsettled(remaining[position_id])
        if orders:
            self._wait(position_id, f"not known to be gone: {', '.join(orders)}")
        else:
            self._timers.forget(position_id)
            self._backoff.forget(position_id)
            log.info("orphaned exits cleared", position=position_id)

    def _wait(self, position_id: PositionId, reason: str) -> None:
        if position_id not in self._backoff.reasons:
            log.warning("orphaned exit found", position=position_id, error=reason)
        pause = self._backoff.refused(position_id, f"an exit outlives its position: {reason}")
        self._timers.hold_until(position_id, self._clock.now() + pause)


def _unsettled(groups: Groups) -> Sequence[str]:
    return [
        order.client_order_id
        for group in (groups.retiring, groups.active)
        if group is not None
        for order in group.unsettled
    ]
