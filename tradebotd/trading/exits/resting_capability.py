"""Capability of venues to let exits rest: types, times in force, the limit of a stop-limit."""

from collections.abc import Callable, Container, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order_type import TimeInForce
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind
from tradebotd.market.calendars import Calendar
from tradebotd.ports.prices import PriceSource
from tradebotd.ports.venue import Venue, VenueTraits
from tradebotd.risk.resting_types import (
    STOP_LIMIT_OFFSET,
    STOPS,
    RestingTypes,
    stop_type,
    taken_limit_price,
    taken_types,
    target_type,
)
from tradebotd.trading.exits.exit_intents import RestingPair, pair_for

GUARDS_ALONE: Final = "the daemon guards alone, no stop can rest"


class RestingCapability:
    """Orders that may rest for a position, by its venue and its symbol as they are known now.

    *limit_offsets*: of stop-limits, by venue, as fractions of the stop. *stops_only*: positions
    whose target stays with the daemon, since there is room for one order. *bounded*: makes of a
    position one of no more than its venue has.
    """

    def __init__(
        self,
        *,
        venues: Mapping[VenueName, Venue],
        symbols: Mapping[str, MarketSymbol],
        prices: PriceSource,
        limit_offsets: Mapping[VenueName, Decimal],
        stops_only: Container[PositionId] = (),
        bounded: Callable[[Position], Position] = lambda position: position,
    ) -> None:
        self._venues = venues
        self._symbols = symbols
        self._prices = prices
        self._limit_offsets = limit_offsets
        self._stops_only = stops_only
        self._bounded = bounded

    def wanted(self, position: Position) -> RestingPair | None:
        """Return what should rest; None: nothing should, or nothing can."""
        symbol, venue = self._symbols.get(position.symbol), self._venues.get(position.venue)
        if symbol is None or venue is None:
            return None
        # What the venue cannot compare a stop with, the daemon does; at the venue the last price.
        kind, traits = position.trigger_kind, venue.traits
        return pair_for(
            self._bounded(position),
            symbol.instrument,
            linked=traits.linked_orders and position.id not in self._stops_only,
            types=self._types(position),
            working_price=kind if kind in traits.stop_prices else PriceKind.LAST,
        )

    def takes_no_stop(self, position: Position) -> bool:
        """Return whether the position has a stop that its venue takes in no type (any more).

        What rests all the same stays: no other could take its place.
        """
        known = position.symbol in self._symbols and position.venue in self._venues
        return position.has_stop and known and self._types(position).stop is None

    def stays(self, position: Position, rests: RestingPair | None) -> bool:
        """Return whether what *rests* stays, since no other stop could take its place.

        Its venue takes none any more, or the filters that it tells now shut the position in.
        """
        if not position.has_stop:
            return False
        if self.takes_no_stop(position):
            return True
        if rests is None or rests.quantity > position.quantity:
            return False
        return self.wanted(position) is None

    def taken_by_venue_alone(self, position: Position) -> str | None:
        """Return why no stop rests, though its venue takes some: its symbol takes none of them.

        Returns None where the venue takes none either, as `check` has said.
        """
        if not self.takes_no_stop(position):
            return None
        if stop_type(self._venues[position.venue].traits.order_types) is None:
            return None
        rule, words = DenialRule.ORDER_TYPE, " or ".join(STOPS)
        return f"{GUARDS_ALONE}: {rule}, {position.symbol} takes no {words} of its venue"

    def limit(self, position: Position, pair: RestingPair) -> Decimal | None:
        """Return the second price of a stop-limit; None of other stops. Raises OrderDeniedError."""
        if not pair.has_limit:
            return None
        last = self._prices.last_prices(position.symbol)
        return taken_limit_price(
            position.side.exit,
            pair.stop,
            pair.types.limit_offset,
            self._symbols[position.symbol].instrument,
            None if last is None else last.believed,
        )

    def _types(self, position: Position) -> RestingTypes:
        instrument, venue = self._symbols[position.symbol].instrument, self._venues[position.venue]
        offset = self._limit_offsets.get(position.venue, STOP_LIMIT_OFFSET)
        return resting_types(venue.traits, instrument, offset)


def resting_types(
    traits: VenueTraits, instrument: Instrument, limit_offset: Decimal = STOP_LIMIT_OFFSET
) -> RestingTypes:
    """Return in which types a stop and its target may rest, by what venue and symbol take.

    Both last equally long where the venue takes that: one that outlives the other stands alone.
    """
    taken = taken_types(traits.order_types, instrument.order_types)
    stop, target = stop_type(taken), target_type(taken) if traits.linked_orders else None
    lasts = TimeInForce.GTC if stop is None else traits.time_in_force(stop)
    return RestingTypes(
        stop=stop,
        target=None if stop is None else target,
        stop_lasts=lasts,
        target_lasts=lasts if target is None else traits.time_in_force(target, lasts),
        limit_offset=limit_offset,
    )


def end_of(lasts: TimeInForce, placed_at: datetime, calendar: Calendar) -> datetime | None:
    """Return when an order ends by itself; None: it rests until it is cancelled.

    A DAY order ends with the session it was placed in, also on a half day; a lunch is no end.
    """
    return calendar.next_close(placed_at) if lasts is TimeInForce.DAY else None
