"""Stops that are known to rest, by position."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.trading.exits.exit_intents import RestingPair, follows, near_enough
from tradebotd.trading.exits.unprotected_times import UnprotectedTimes

MOVE_EVERY: Final = timedelta(seconds=1)


class LiveStops:
    """What rests by position, and when it was last moved; *times* learn what guards a position."""

    def __init__(self, clock: Clock, times: UnprotectedTimes) -> None:
        self._clock = clock
        self._times = times
        self._pairs: dict[PositionId, RestingPair] = {}
        self._moved_at: dict[PositionId, datetime] = {}
        self._on_lost: list[Callable[[PositionId], None]] = []

    def subscribe_to_losses(self, listener: Callable[[PositionId], None]) -> None:
        """Notify *listener* when what rested is gone, and it was not us who took it away."""
        self._on_lost.append(listener)

    def __contains__(self, position_id: PositionId) -> bool:
        return position_id in self._pairs

    def get(self, position_id: PositionId) -> RestingPair | None:
        """Return what rests; None once its day is over, whether the venue has told so or not."""
        pair = self._pairs.get(position_id)
        return None if pair is None or pair.is_over(self._clock.now()) else pair

    def begin(self, position_id: PositionId) -> None:
        """Note that a check of the position begins to read."""
        self._times.begin(position_id)

    def rests(self, position_id: PositionId, pair: RestingPair) -> None:
        self._pairs[position_id] = pair
        self._times.rests(position_id)

    def drop(self, position_id: PositionId) -> None:
        """Count on nothing, since it is read anew, or makes way."""
        self._pairs.pop(position_id, None)

    def lost(self, position_id: PositionId) -> bool:
        """Note that nothing rests: its guard has ended with the last of its orders, or its day.

        Returns whether something was known to rest, by this moment.
        """
        was_live = self.get(position_id) is not None
        pair = self._pairs.pop(position_id, None)
        self._times.lost(position_id, None if pair is None else pair.ends_at)
        for listener in self._on_lost:
            listener(position_id)
        return was_live

    def withdrawn(self, position_id: PositionId) -> None:
        """Note that what rested was cancelled by us, for what takes its place."""
        self._pairs.pop(position_id, None)
        self._times.lost(position_id)

    def moved(self, position_id: PositionId) -> None:
        self._moved_at[position_id] = self._clock.now()

    def is_due(
        self, position: Position, live: RestingPair | None, wanted: RestingPair | None
    ) -> bool:
        """Return whether *live* is another stop than *wanted* by enough.

        One that trails is moved at most once in MOVE_EVERY.
        """
        if live is None or wanted is None:
            return live != wanted
        if near_enough(live, wanted, position.side):
            return False
        return not (self._was_moved_just_now(position.id) and follows(live, wanted, position.side))

    def _was_moved_just_now(self, position_id: PositionId) -> bool:
        moved_at = self._moved_at.get(position_id)
        return moved_at is not None and self._clock.now() - moved_at < MOVE_EVERY

    def forget(self, position_id: PositionId) -> None:
        self._pairs.pop(position_id, None)
        self._moved_at.pop(position_id, None)
