"""Exits that a resting stop came before: what their venue rejects is no refusal."""

from collections.abc import Callable
from typing import Final

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.ids import PositionId
from tradebotd.trading.condition_alerts import subject
from tradebotd.trading.execution.listeners import PositionListener
from tradebotd.trading.exits.backoff import Backoff
from tradebotd.trading.exits.tracked_positions import TrackedPositions

AWAITED: Final = "its stop may have come before: tried again in a moment"


class OvertakenExits:
    """Rejections beside a stop that rests, which the stop's report may follow by a moment.

    A reduce-only order of a position that its own stop has just closed is rejected, and the stop's
    fill is told right after that. Only the next rejection, a second later, is told as a refusal.
    """

    def __init__(
        self,
        *,
        backoff: Backoff,
        tracked: TrackedPositions,
        listeners: PositionListener,
        rests: Callable[[PositionId], bool],
    ) -> None:
        self._backoff = backoff
        self._tracked = tracked
        self._listeners = listeners
        self._rests = rests
        self._beside: set[PositionId] = set()

    def begin(self, position_id: PositionId) -> None:
        """Note whether a stop rests, before the exit is sent."""
        (self._beside.add if self._rests(position_id) else self._beside.discard)(position_id)

    def forget(self, position_id: PositionId) -> None:
        self._beside.discard(position_id)

    def take_back(
        self, position_id: PositionId, failed: dict[str, str], waiting: dict[str, str]
    ) -> None:
        """Take back a refusal whose position is closed, or whose stop may soon report."""
        if not self._backoff.is_rejected(position_id):
            return
        if self._tracked.current(position_id) is None:
            self._listeners.forget(position_id)
            waiting[str(position_id)] = DenialRule.POSITION_CLOSED
        elif self._is_awaited(position_id):
            waiting[str(position_id)] = AWAITED
        else:
            return
        del failed[str(position_id)]

    def refusals(self) -> dict[str, str]:
        """Return the reasons of what is refused, by subject."""
        return {
            subject(position_id): reason
            for position_id, reason in self._backoff.reasons.items()
            if not self._is_awaited(position_id)
        }

    def _is_awaited(self, position_id: PositionId) -> bool:
        once = self._backoff.is_rejected(position_id) and self._backoff.count(position_id) == 1
        return once and position_id in self._beside
