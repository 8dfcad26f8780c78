"""Overtaken exits: rejected since the position's own stop, which rests, most likely came before."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Replacement, Venue
from tradebotd.trading.condition_alerts import subject
from tradebotd.trading.execution.listeners import PositionListener
from tradebotd.trading.exits.backoff import Backoff

AWAITED: Final = "its stop may have come before: tried again in a moment"
REPORTED_WITHIN: Final = timedelta(seconds=2)  # of market time, after the rejection


class OvertakenExits:
    """Rejections beside a stop that rests, which the stop's report may follow by a moment.

    A reduce-only order of a position that its own stop has just closed is rejected, and the stop's
    fill is told right after that. What is rejected beside a stop is a refusal only once that could
    have been told. Elsewhere the exit cancels the stop before it is sent, and knows what it filled.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        backoff: Backoff,
        current: Callable[[PositionId], Position | None],
        listeners: PositionListener,
        rests: Callable[[PositionId], bool],
    ) -> None:
        self._clock = clock
        self._venues = venues
        self._backoff = backoff
        self._current = current
        self._listeners = listeners
        self._rests = rests
        self._beside: set[PositionId] = set()  # exits under way that were sent beside a stop
        self._rejected: set[PositionId] = set()  # by the attempt under way
        self._silent_since: dict[PositionId, datetime] = {}  # refused beside a stop from the first

    def begin(self, position: Position) -> None:
        """Note whether a stop rests beside the exit, before that is sent."""
        self._rejected.discard(position.id)
        self._beside.discard(position.id)
        if self._overlaps(position) and self._rests(position.id):
            self._beside.add(position.id)

    def _overlaps(self, position: Position) -> bool:
        """Return whether an exit is sent while the stop rests: what they sell is capped."""
        venue = self._venues.get(position.venue)
        overlap = venue is not None and venue.traits.replacement is Replacement.OVERLAP
        return overlap and position.position_type is PositionType.FUTURES

    def refused(self, position_id: PositionId, reason: str, *, rejected: bool) -> timedelta:
        """Count a refusal of the attempt under way; return the pause after it.

        *rejected*: the venue has answered that it does not take the order.
        """
        pause = self._backoff.refused(position_id, reason)
        if rejected:
            self._rejected.add(position_id)
        if not (rejected and position_id in self._beside):
            self._silent_since.pop(position_id, None)
        elif self._backoff.count(position_id) == 1:  # what has been told once stays told
            self._silent_since[position_id] = self._clock.now()
        return pause

    def forget(self, position_id: PositionId) -> None:
        self._beside.discard(position_id)
        self._silent_since.pop(position_id, None)

    def take_back(
        self, position_id: PositionId, failed: dict[str, str], waiting: dict[str, str]
    ) -> None:
        """Take back what the attempt was refused, if that is over or its stop may soon report.

        Called once the attempt has ended; a rejection of an earlier one is left as it was judged.
        """
        if position_id not in self._rejected:
            return
        self._rejected.discard(position_id)
        if self._current(position_id) is None:
            self._listeners.forget(position_id)
            waiting[str(position_id)] = DenialRule.POSITION_CLOSED
        elif self._is_awaited(position_id):
            waiting[str(position_id)] = AWAITED
        else:
            return
        failed.pop(str(position_id), None)

    def refusals(self) -> dict[str, str]:
        """Return the reasons of what is refused, by subject."""
        return {
            subject(position_id): reason
            for position_id, reason in self._backoff.reasons.items()
            if not self._is_awaited(position_id)
        }

    def _is_awaited(self, position_id: PositionId) -> bool:
        since = self._silent_since.get(position_id)
        return since is not None and self._clock.now() - since < REPORTED_WITHIN
