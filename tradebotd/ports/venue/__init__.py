"""The port of a venue: what every adapter implements, and the words that both sides use.

`port` is the interface, method by method; `traits` what an adapter claims to be able to do;
`answers` what it tells; `statuses` its words for the state of an order; `signing` the last check
before an order leaves. The numbered acceptance cases stand in tests/contract; docs/architecture.md
says how an adapter is written.
"""

from tradebotd.ports.venue.answers import (
    Balance,
    Commission,
    KeyVerdict,
    OrderLookup,
    Replaced,
    StreamListener,
    StreamState,
    SymbolSetup,
    VenueAccount,
    VenueClock,
)
from tradebotd.ports.venue.port import Listener, RunsBetweenCalls, Venue, VetsItsKey
from tradebotd.ports.venue.signing import SendBlockedBy, check_may_leave, not_blocked
from tradebotd.ports.venue.statuses import VENUE_WORDS, status_of
from tradebotd.ports.venue.traits import Replacement, SelfTrade, VenueTraits

__all__ = [
    "VENUE_WORDS",
    "Balance",
    "Commission",
    "KeyVerdict",
    "Listener",
    "OrderLookup",
    "Replaced",
    "Replacement",
    "RunsBetweenCalls",
    "SelfTrade",
    "SendBlockedBy",
    "StreamListener",
    "StreamState",
    "SymbolSetup",
    "Venue",
    "VenueAccount",
    "VenueClock",
    "VenueTraits",
    "VetsItsKey",
    "check_may_leave",
    "not_blocked",
    "status_of",
]
