"""Positions whose resting exits are to be looked at, by venue.

First come those for which nothing may rest, then the others, each in the order in which they came.
"""

import anyio

from tradebotd.domain.ids import PositionId, VenueName


class RestingQueue:
    """Queue of positions. One that is taken is at work until `done`, and not taken meanwhile.

    `dirty` and `wakeup` signal that something has come.
    """

    def __init__(self) -> None:
        self.dirty = False
        self.wakeup = anyio.Event()
        self._urgent: dict[VenueName, dict[PositionId, None]] = {}
        self._others: dict[VenueName, dict[PositionId, None]] = {}
        self._venues: dict[PositionId, VenueName] = {}
        self._at_work: set[PositionId] = set()

    def wake(self) -> None:
        """Wake the task that waits, though no position has come: it has to wait less long."""
        self.wakeup.set()

    def signal(self) -> None:
        """Signal that positions wait."""
        self.dirty = True
        self.wakeup.set()

    def clear_signal(self) -> None:
        """Reset the signal, for what comes from now on."""
        self.dirty, self.wakeup = False, anyio.Event()

    def add(self, position_id: PositionId, venue: VenueName, *, is_urgent: bool) -> None:
        """Add the position, or make it urgent; what is urgent stays so."""
        known = self._venues.get(position_id)
        if known is not None and (not is_urgent or position_id in self._urgent.get(known, ())):
            return
        self.discard(position_id)
        self._venues[position_id] = venue
        queue = self._urgent if is_urgent else self._others
        queue.setdefault(venue, {})[position_id] = None

    def discard(self, position_id: PositionId) -> None:
        venue = self._venues.pop(position_id, None)
        if venue is not None:
            self._urgent.get(venue, {}).pop(position_id, None)
            self._others.get(venue, {}).pop(position_id, None)

    def clear(self, venue: VenueName) -> None:
        for queue in (self._urgent, self._others):
            for position_id in queue.pop(venue, {}):
                del self._venues[position_id]

    def waiting(self, venue: VenueName) -> int:
        return len(self._urgent.get(venue, ())) + len(self._others.get(venue, ()))

    @property
    def venues(self) -> list[VenueName]:
        """Venues of the positions that wait, by name."""
        return sorted(venue for venue in {*self._urgent, *self._others} if self.waiting(venue))

    def take(self, venue: VenueName) -> PositionId | None:
        """Take the next position that nobody is at work on; None: there is none."""
        for queue in (self._urgent, self._others):
            for position_id in queue.get(venue, ()):
                if position_id not in self._at_work:
                    self.discard(position_id)
                    self._at_work.add(position_id)
                    return position_id
        return None

    def take_all(self, venue: VenueName) -> list[PositionId]:
        """Take all of the venue, each rank by id, for a caller that handles one after the other."""
        taken = [*sorted(self._urgent.get(venue, ())), *sorted(self._others.get(venue, ()))]
        self.clear(venue)
        return taken

    def is_at_work(self, position_id: PositionId) -> bool:
        return position_id in self._at_work

    def done(self, position_id: PositionId) -> None:
        self._at_work.discard(position_id)
