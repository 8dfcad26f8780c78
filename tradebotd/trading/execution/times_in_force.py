"""Time in force of an order: the wanted one where its venue takes that, else the venue's own."""

from collections.abc import Mapping
from dataclasses import replace

from tradebotd.domain.ids import VenueName
from tradebotd.domain.order import OrderIntent
from tradebotd.ports.venue import Venue


def as_taken(intent: OrderIntent, venues: Mapping[VenueName, Venue]) -> OrderIntent:
    """Return *intent* with a time in force that its venue takes; nothing else is changed."""
    request = intent.request
    venue = venues.get(request.venue)
    if venue is None:  # it cannot be sent anyway
        return intent
    lasts = venue.traits.time_in_force(request.type, request.time_in_force)
    if lasts is request.time_in_force:
        return intent
    return replace(intent, request=replace(request, time_in_force=lasts))
