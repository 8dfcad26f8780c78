"""Exits that outlive their position: cancelled, and looked up until the venue has none left.

A stop that rests behind a closed position fires at another one: the bot's next position, or the
coins of another bot.
"""

from collections.abc import Sequence
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import DatabaseUnavailableError, OrderDeniedError, VenueError
from tradebotd.domain.ids import PositionId
from tradebotd.ports.clock import Clock
from tradebotd.storage.exit_groups import Groups
from tradebotd.trading.condition_alerts import subject
from tradebotd.trading.exits.backoff import Backoff, RetryTimers
from tradebotd.trading.exits.exit_placement import ExitPlacement

log = structlog.get_logger(__name__)

MOST_AT_ONCE: Final = 12


class OrphanedExits:
    """Orphaned exits; `stir` says that a close, or the death of a process, may have left some.

    While there are any, each sweep handles them; a quiet sweep asks no venue.
    """

    def __init__(self, groups: ExitPlacement, clock: Clock, *, sequential: bool) -> None:
        self._groups = groups
        self._clock = clock
        self._at_once = 1 if sequential else MOST_AT_ONCE
        self._stirred = True  # an earlier process may have left some
        self._pauses = RetryTimers()
        self._backoff = Backoff()

    def stir(self) -> None:
        self._stirred = True

    async def clear(self, failed: dict[str, str], *, patient: bool = True) -> None:
        """Clear exits that outlive their position; *failed* gains those that may still be there.

        As many as one round of calls holds; the rest waits for the next sweep, and what could not
        be cleared waits for longer each time. Not *patient*: all of them, now. Raises
        DatabaseUnavailableError.
        """
        if not self._stirred:
            return
        self._stirred = False
        try:
            found = await self._groups.leftovers()
        except BaseException:
            self._stirred = True
            raise
        self._stirred = bool(found)
        now = self._clock.now()
        ready = list(found)
        if patient:
            ready = [each for each in found if self._pauses.holds(each, now) is None]
            ready = ready[: self._at_once]
        limiter = anyio.CapacityLimiter(self._at_once)

        async def clear(position_id: PositionId) -> None:
            async with limiter:
                await self._clear(position_id, found[position_id])

        async with anyio.create_task_group() as clearing:
            for position_id in ready:
                clearing.start_soon(clear, position_id)
        failed |= self.failing

    @property
    def failing(self) -> dict[str, str]:
        """Exits that may still be there, and why, by position."""
        return {subject(each): why for each, why in self._backoff.reasons.items()}

    async def _clear(self, position_id: PositionId, groups: Groups) -> None:
        try:
            for group in (groups.retiring, groups.active):
                if group is not None:
                    await self._groups.clear(position_id, group)
            await self._look(position_id)
        except OrderDeniedError as denied:  # an exit is being made: the next check sees its end
            log.debug("orphaned exit deferred", position=position_id, rule=denied.rule)
        except (VenueError, DatabaseUnavailableError, TimeoutError) as error:
            self._wait(position_id, f"{type(error).__name__}: {error}")

    async def _look(self, position_id: PositionId) -> None:
        left = await self._groups.groups([position_id])
        orders = _unsettled(left[position_id])
        if orders:
            self._wait(position_id, f"not known to be gone: {', '.join(orders)}")
        else:
            self._pauses.forget(position_id)
            self._backoff.forget(position_id)
            log.info("orphaned exits cleared", position=position_id)

    def _wait(self, position_id: PositionId, why: str) -> None:
        if position_id not in self._backoff.reasons:
            log.warning("orphaned exit found", position=position_id, error=why)
        pause = self._backoff.refused(position_id, f"an exit outlives its position: {why}")
        self._pauses.until(position_id, self._clock.now() + pause)


def _unsettled(groups: Groups) -> Sequence[str]:
    return [
        order.client_order_id
        for group in (groups.retiring, groups.active)
        if group is not None
        for order in group.unsettled
    ]
