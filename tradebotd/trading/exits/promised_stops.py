"""Replacements of resting stops that a venue has promised, until it says what became of them.

Meanwhile both orders are live in our books, the old one guards the position, and no third one is
made: the venue lets the new one rest only once the old one is gone.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Replacement, Venue
from tradebotd.storage.exit_groups import ExitGroup, Groups
from tradebotd.trading.exits.exit_intents import RestingPair
from tradebotd.trading.exits.exit_placement import ExitPlacement
from tradebotd.trading.exits.resting_groups import is_resting

PATIENCE: Final = timedelta(seconds=60)


class PromisedStops:
    """Promised stops by position."""

    def __init__(
        self, placement: ExitPlacement, clock: Clock, venues: Mapping[VenueName, Venue]
    ) -> None:
        self._placement = placement
        self._clock = clock
        self._venues = venues
        self._promised: set[PositionId] = set()  # by this process

    def applies_to(self, position: Position) -> bool:
        venue = self._venues.get(position.venue)
        return venue is not None and venue.traits.replacement is Replacement.PROMISED

    def takes(self, position: Position, old: RestingPair, new: RestingPair) -> bool:
        """Return whether *new* is promised in the place of *old*; only a stop alone is."""
        return self.applies_to(position) and old.target is None and new.target is None

    def add(self, position_id: PositionId) -> None:
        self._promised.add(position_id)

    def end(self, position_id: PositionId) -> bool:
        """Forget the promise: it was kept, or broken. Returns whether there was one."""
        if position_id not in self._promised:
            return False
        self._promised.discard(position_id)
        return True

    def is_pending(self, position: Position, groups: Groups) -> bool:
        """Return whether both orders of a promise are live in our books."""
        return self.applies_to(position) and _all_live(groups.retiring) and _all_live(groups.active)

    async def look(self, position: Position, groups: Groups) -> str | None:
        """Look both orders up; return what to say of a venue that is silent longer than PATIENCE.

        Then the new order is cancelled, so that the old one may be moved or cancelled again. Raises
        as `ExitPlacement.place`.
        """
        both = [group for group in (groups.retiring, groups.active) if group is not None]
        orders = [order for group in both for order in group.unsettled]
        await self._placement.look_up(position.id, orders)
        now = (await self._placement.groups([position.id]))[position.id]
        new = now.active
        if new is None or not self.is_pending(position, now):
            return None
        promised_at = max(order.created_at for order in new.unsettled)
        if self._clock.now() - promised_at <= PATIENCE:
            return None
        await self._placement.clear(position.id, new)
        seconds = PATIENCE.total_seconds()
        return f"the venue has promised another stop and not placed it within {seconds:.0f} s"


def _all_live(group: ExitGroup | None) -> bool:
    return (
        group is not None and is_resting(group) and all(order.is_live for order in group.unsettled)
    )
