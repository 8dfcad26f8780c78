"""Order identity: is the order that a venue reports the one we sent? Pure."""

import hashlib
from decimal import Decimal

from tradebotd.domain.decimals import plain
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.quote import PriceKind
from tradebotd.storage.orders import StoredOrder


def request_fingerprint(request: OrderRequest) -> str:
    """Return a hash that is equal for equal numbers, however many zeros they are written with.

    A stop that is compared with the last price hashes as it did before there was another one.
    """
    compares = request.stop_price is not None and request.working_price is not PriceKind.LAST
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
            *([request.working_price] if compares else []),
        )
    )
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def was_seen(stored: StoredOrder) -> bool:
    return stored.order.venue_order_id is not None or stored.order.filled_quantity > 0


def is_as_sent(stored: StoredOrder, report: OrderReport) -> bool:
    """Return whether the venue's order is the one that we sent.

    Compared are what it trades, to which side, how much, and at which prices, where both have them.
    The rest is in the venue's own words: GTC for a market order, DAY, MARKET for a stop that has
    triggered.
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
    """Return whether the venue words any parameter differently from what was sent.

    This is an adapter's mistake, or the venue's way of putting it.
    """
    return report.asked is not None and request_fingerprint(report.asked) != stored.params_hash
