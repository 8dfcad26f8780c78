"""Checks of resting exits that are due, by position."""

from collections.abc import Iterator

from tradebotd.domain.ids import PositionId


class DueChecks:
    """Positions whose resting exits are to be checked, in the order in which they were marked.

    One that is marked again while its check reads stays due: what was read may be of before that.
    """

    def __init__(self) -> None:
        self._due: dict[PositionId, None] = {}
        self._marked_again: set[PositionId] = set()

    def __iter__(self) -> Iterator[PositionId]:
        return iter(list(self._due))

    def mark(self, position_id: PositionId) -> None:
        self._due[position_id] = None
        self._marked_again.add(position_id)

    def begin(self, position_id: PositionId) -> None:
        """Note that a check of the position begins to read."""
        self._marked_again.discard(position_id)

    def end(self, position_id: PositionId) -> None:
        """Note that all is as it should be, as of when its check began to read."""
        if position_id not in self._marked_again:
            self._due.pop(position_id, None)

    def discard(self, position_id: PositionId) -> None:
        self._due.pop(position_id, None)
        self._marked_again.discard(position_id)
