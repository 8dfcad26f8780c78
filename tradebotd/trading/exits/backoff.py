"""Positions that must not be retried before a given time. Pure, in market time."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.ids import PositionId

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=30)


class RetryTimers:
    """Retry times by position. `next` is the earliest, so that a tick costs one comparison.

    *on_sooner* is called when `next` is sooner than a caller that waits for it can know.
    """

    def __init__(self, on_sooner: Callable[[], None] | None = None) -> None:
        self._until: dict[PositionId, datetime] = {}
        self._on_sooner = on_sooner
        self.next: datetime | None = None

    def hold_until(self, position_id: PositionId, end: datetime) -> None:
        before = self.next
        self._until[position_id] = end
        self._refresh_next()
        if self._on_sooner is not None and (before is None or end < before):
            self._on_sooner()

    def take_over_due(self, now: datetime) -> Iterator[PositionId]:
        """Yield the positions whose pause has ended, in order; each once."""
        for position_id in sorted(
            position_id for position_id, end in self._until.items() if end <= now
        ):
            del self._until[position_id]
            yield position_id
        self._refresh_next()

    def held_until(self, position_id: PositionId, now: datetime) -> datetime | None:
        """Return until when the position must wait; None when it may be tried."""
        end = self._until.get(position_id)
        return None if end is None or end <= now else end

    def forget(self, position_id: PositionId) -> None:
        if self._until.pop(position_id, None) is not None:
            self._refresh_next()

    def __contains__(self, position_id: PositionId) -> bool:
        return position_id in self._until

    def _refresh_next(self) -> None:
        self.next = min(self._until.values(), default=None)


class Backoff:
    """Growing wait after the n-th refusal in a row: 1 s (*first*), 2 s, 4 s … 30 s."""

    def __init__(self, first: timedelta = FIRST) -> None:
        self._first = first
        self._refused: dict[PositionId, int] = {}
        self.reasons: dict[PositionId, str] = {}

    def refused(self, position_id: PositionId, reason: str) -> timedelta:
        """Count a refusal."""
        count = self._refused[position_id] = self._refused.get(position_id, 0) + 1
        self.reasons[position_id] = reason
        return min(self._first * (1 << min(count - 1, 10)), LONGEST)

    def accepted(self, position_id: PositionId) -> None:
        """Drop the reason of the last refusal; how many there were in a row is kept."""
        self.reasons.pop(position_id, None)

    def count(self, position_id: PositionId) -> int:
        """Return how many refusals there were in a row."""
        return self._refused.get(position_id, 0)

    def forget(self, position_id: PositionId) -> None:
        self._refused.pop(position_id, None)
        self.reasons.pop(position_id, None)
