"""What was asked of a venue, as one hash: it tells an adapter's mistakes, not whose an order is."""

import hashlib
from decimal import Decimal

from tradebotd.domain.decimals import plain
from tradebotd.domain.order import OrderRequest


def params_hash(request: OrderRequest) -> str:
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
