"""Holdings that say nothing about an order, however they compare."""

from collections.abc import Iterable

from tradebotd.domain.order import FINAL
from tradebotd.storage.orders import StoredOrder
from tradebotd.trading.reconciliation.holdings import Holdings


async def prove_nothing(
    holdings: Holdings, stored: StoredOrder, doubtful: Iterable[StoredOrder]
) -> bool:
    """Return whether the holdings are as they should be, executed or not.

    What was there before us has not been counted, or one of the *doubtful* at its venue, to the
    other side, makes up for it.
    """
    subject = await _subject(holdings, stored)
    if subject is None:
        return True
    opposite = (stored.order.venue, stored.order.side.opposite)
    for other in doubtful:
        opposes = (
            other.order.venue,
            other.order.side,
        ) == opposite and other.order.status not in FINAL
        if opposes and await _subject(holdings, other) == subject:
            return True
    return False


async def _subject(holdings: Holdings, stored: StoredOrder) -> str | None:
    order = stored.order
    return await holdings.subject(order.venue, order.symbol, stored.position_type)
