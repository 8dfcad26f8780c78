"""Time in force of an order: the wanted one where its venue takes that, else the venue's own."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.ids import VenueName
from tradebotd.domain.order import OrderIntent, OrderType
from tradebotd.domain.order_type import TimeInForce
from tradebotd.ports.venue import Venue
from tradebotd.storage.orders import SEND_WITHIN

MARKET_WAITS: Final = timedelta(seconds=10)  # after it was sent at the latest


def as_taken(intent: OrderIntent, venues: Mapping[VenueName, Venue]) -> OrderIntent:
    """Return *intent* with a time in force that its venue takes; nothing else is changed."""
    request = intent.request
    venue = venues.get(request.venue)
    if venue is None:  # it cannot be sent anyway
        return intent
    lasts = venue.traits.time_in_force(request.type, request.time_in_force)
    if venue.traits.fractions_end_with_the_day and request.quantity % 1:
        lasts = TimeInForce.DAY if lasts is TimeInForce.GTC else lasts
    if lasts is request.time_in_force:
        return intent
    return replace(intent, request=replace(request, time_in_force=lasts))


def entry_as_taken(
    intent: OrderIntent, venues: Mapping[VenueName, Venue], now: datetime
) -> OrderIntent:
    """Return an entry as `as_taken` does; one at the market that may wait gets an end of ours.

    Where no IOC is taken, a halt or an auction may keep it until it executes at quite another
    price. It is taken back like an entry that rests.
    """
    taken = as_taken(intent, venues)
    request = taken.request
    if request.type is not OrderType.MARKET or request.time_in_force is TimeInForce.IOC:
        return taken
    return replace(taken, expires_at=now + SEND_WITHIN + MARKET_WAITS)
