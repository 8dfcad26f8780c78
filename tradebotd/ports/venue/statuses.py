"""Words of venues for the state of an order, and what they mean in our eight states.

An adapter passes each word through `status_of`. A word that means nothing final yet is not taken
for an end: an order that may still trade stays live, one that neither works now nor is over is
`unknown`, and asked about until it is one or the other.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.order import OrderStatus

LIVE: Final = OrderStatus.NEW  # partially filled, once something of it has traded

# By FIX (OrdStatus 39), Binance and Alpaca, in lower case.
VENUE_WORDS: Final[Mapping[str, OrderStatus]] = MappingProxyType(
    {
        "new": LIVE,
        "accepted": LIVE,
        "pending_new": LIVE,  # it has arrived: a venue's word, not ours for an order on its way
        "partially_filled": OrderStatus.PARTIALLY_FILLED,
        "filled": OrderStatus.FILLED,
        "canceled": OrderStatus.CANCELED,
        "rejected": OrderStatus.REJECTED,
        "expired": OrderStatus.EXPIRED,
        # It works, or will again, and may still trade
        "held": LIVE,  # a leg that waits for its stop or for its parent
        "accepted_for_bidding": LIVE,
        "stopped": LIVE,  # its trade is promised, and has not happened
        "done_for_day": LIVE,  # nothing more today: GTC works tomorrow, DAY is told as expired
        "calculated": LIVE,  # done for the day, and not settled
        "pending_cancel": LIVE,  # it may fill before the cancel arrives
        "pending_replace": LIVE,
        # It is over
        "replaced": OrderStatus.CANCELED,  # what took its place has an id of its own
        "expired_in_match": OrderStatus.EXPIRED,  # self-trade prevention
        # It does not work now, and is not over: no stop to count on
        "suspended": OrderStatus.UNKNOWN,
        "pending_review": OrderStatus.UNKNOWN,
    }
)


def status_of(
    word: str, filled: Decimal = ZERO, quantity: Decimal | None = None
) -> tuple[OrderStatus, str | None]:
    """Return our state for a venue's *word*, and the word as the reason where it is `unknown`.

    *filled*: so much has traded; *quantity*: of so much. A word that nobody here knows is
    `unknown`, too.
    """
    status = VENUE_WORDS.get(word.lower(), OrderStatus.UNKNOWN)
    if status is OrderStatus.UNKNOWN:
        return status, word
    if status is LIVE and filled > 0:
        whole = quantity is not None and filled >= quantity
        status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
    return status, None
