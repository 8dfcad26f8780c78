"""Fills of unknown orders that may be those of our orders in doubt. Pure."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId
from tradebotd.storage.order_searches import Doubt

CLOCK_TOLERANCE: Final = timedelta(minutes=1)  # a venue's clock may be this far behind ours
LATE: Final = timedelta(hours=1)  # what was inferred absent may have been executed until then


def evidence(fills: Sequence[Fill], doubts: Sequence[Doubt]) -> dict[ClientOrderId, list[Fill]]:
    """Return, by order in doubt, those of *fills* that may be its own.

    *fills* are of no known order of ours. A trade without a name may be ours: the list of trades
    often has the venue's number alone. One with a name that is not ours is external, unless it is
    of the very size that we sent: a triggered order, or a broker, may have renamed it. More than we
    sent is not ours.
    """
    possible: dict[ClientOrderId, list[Fill]] = {}
    for theirs in _by_order(fills).values():
        total = sum((fill.quantity for fill in theirs), ZERO)
        for doubt in doubts:
            if _may_be(theirs, total, doubt):
                possible.setdefault(doubt.client_order_id, []).extend(theirs)
    return possible


def _by_order(fills: Sequence[Fill]) -> dict[tuple[str, ...], list[Fill]]:
    orders: dict[tuple[str, ...], list[Fill]] = {}
    for fill in fills:
        if fill.forced is None:
            name = fill.venue_order_id or fill.client_order_id or f"trade {fill.trade_id}"
            orders.setdefault((fill.symbol, fill.side, name), []).append(fill)
    return orders


def _may_be(fills: Sequence[Fill], total: Decimal, doubt: Doubt) -> bool:
    first = fills[0]
    if (first.symbol, first.side) != (doubt.symbol, doubt.side):
        return False
    soonest = min(fill.executed_at for fill in fills)
    if soonest < doubt.created_at - CLOCK_TOLERANCE:
        return False
    if doubt.is_inferred_absent and soonest > doubt.created_at + LATE:
        return False
    is_named = any(fill.client_order_id is not None for fill in fills)
    return total == doubt.missing if is_named else total <= doubt.missing
