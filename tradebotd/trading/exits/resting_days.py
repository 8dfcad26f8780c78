"""Days of resting exits: whether orders are accepted, and when those that last for a day end."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order_type import TimeInForce
from tradebotd.domain.position import Position
from tradebotd.market.calendars import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.storage.exit_groups import ExitGroup
from tradebotd.trading.exits.exit_intents import RestingPair
from tradebotd.trading.exits.resting_capability import end_of
from tradebotd.trading.exits.resting_groups import pair_of

END_MARGIN: Final = timedelta(seconds=5)  # a venue's clock may be as far ahead of ours


class RestingDays:
    """Days by position, from the calendar of its symbol."""

    def __init__(
        self,
        clock: Clock,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        venues: Mapping[VenueName, Venue],
    ) -> None:
        self._clock = clock
        self._symbols = symbols
        self._calendars = calendars
        self._venues = venues

    def is_open(self, position: Position) -> bool:
        return self._calendar(position).is_open(self._clock.now())

    def pair_of(self, group: ExitGroup | None, position: Position) -> RestingPair | None:
        """Return what rests of *group*, with its end; None when not all of it is acknowledged."""
        return None if group is None else pair_of(group, self._calendar(position))

    def placed_now(self, pair: RestingPair, position: Position) -> RestingPair:
        """Return *pair* with its end, if it is placed at this moment."""
        ends_at = end_of(pair.types.stop_lasts, self._clock.now(), self._calendar(position))
        return replace(pair, ends_at=ends_at)

    def is_ending(self, wanted: RestingPair, position: Position) -> bool:
        """Return whether the day of *wanted* is nearly over: by the venue's clock it may be.

        An end that is told now is no loss, and what is placed now would end at once, or rest in a
        day that the venue has begun.
        """
        if wanted.types.stop_lasts is not TimeInForce.DAY:
            return False
        window = self._venues[position.venue].traits.receive_window
        soon = self._clock.now() + max(END_MARGIN, window)
        return self.placed_now(wanted, position).is_over(soon)

    def _calendar(self, position: Position) -> Calendar:
        return self._calendars[self._symbols[position.symbol].calendar]
