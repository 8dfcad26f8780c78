"""Whether what a venue tells of is the order that we sent. Pure."""

import hashlib
from decimal import Decimal

from tradebotd.domain.decimals import plain
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.storage.orders import StoredOrder


def request_fingerprint(request: OrderRequest) -> str:
    """The same for the same numbers, however many zeros they are written with."""
    words = "|".join(
        plain(part) if isinstance(part, Decimal) else str(part)
        for part in (
            request.venue,
            request.symbol,
            request.side,
            request.type,
            request.time_in_force,
            request.quantity,
            request.limit_price,
            request.stop_price,
            request.reduce_only,
        )
    )
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def was_seen(stored: StoredOrder) -> bool:
    return stored.order.venue_order_id is not None or stored.order.filled_quantity > 0


def is_as_sent(stored: StoredOrder, report: OrderReport) -> bool:
    """Whether the venue's order is the one that we sent: what it trades, to which side, how much,
    and at which prices, where both tell them.

    The rest a venue tells in its own words: GTC of a market order, DAY, MARKET of a stop that has
    been triggered.
    """
    asked, order = report.asked, stored.order
    if asked is None:
        return True
    prices = ((stored.limit_price, asked.limit_price), (stored.stop_price, asked.stop_price))
    return (
        (asked.venue, asked.symbol, asked.side) == (order.venue, order.symbol, order.side)
        and asked.quantity == order.quantity
        and all(
            ours == theirs for ours, theirs in prices if ours is not None and theirs is not None
        )
    )


def in_other_words(stored: StoredOrder, report: OrderReport) -> bool:
    """Whether any parameter is told otherwise than it was sent: an adapter's mistake, or the
    venue's way to speak.
    """
    return report.asked is not None and request_fingerprint(report.asked) != stored.params_hash
