"""Futures that a venue holds otherwise than our books, and a snapshot's wait for them.

After a forced close the cash has lost it at once, while our books hold the position until
reconciliation reports it: in between it looks as if money had been taken out.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Generic, TypeVar

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.equity import OpenHolding

BOOKED_WITHIN: Final = timedelta(seconds=150)  # two reconciliations and their duration
WAITS_AT_MOST: Final = 2 * BOOKED_WITHIN  # without a break, whatever becomes of the difference

Difference = TypeVar("Difference", bound=tuple[object, ...])

FuturesDifference = tuple[
    VenueName, str, Decimal
]  # a venue, a symbol, by how much it holds more there


def futures_behind(
    accounts: Mapping[VenueName, VenueAccount],
    holdings: Sequence[OpenHolding],
    symbols: Mapping[str, MarketSymbol],
) -> frozenset[FuturesDifference]:
    """Return the futures a venue holds otherwise than our books, and by how much.

    Less than a lot is the remainder of earlier positions: a venue closes whole lots.
    """
    ours: dict[tuple[VenueName, str], Decimal] = defaultdict(Decimal)
    for holding in holdings:
        if holding.position_type is PositionType.FUTURES and holding.venue in accounts:
            ours[holding.venue, holding.symbol] += holding.quantity
    differing: set[FuturesDifference] = set()
    for (venue, symbol), quantity in ours.items():
        excess = accounts[venue].positions.get(symbol, ZERO) - quantity
        market = symbols.get(symbol)
        if excess and (market is None or abs(excess) >= market.instrument.lot_size):
            differing.add((venue, symbol, excess))
    return frozenset(differing)


class BoundedWait(Generic[Difference]):
    """Bounded wait for our books to have the differences seen: `FuturesDifference` or `UntoldCash`.

    A difference that lasts longer is external. External trading all the time, so that no difference
    lasts, does not keep the limits waiting any longer either.
    """

    def __init__(self) -> None:
        self._seen: dict[Difference, datetime] = {}
        self._waits_since: datetime | None = None

    def should_wait(self, behind: Collection[Difference], now: datetime) -> bool:
        """Return whether a snapshot waits, since a difference is about to be booked."""
        self._seen = {difference: self._seen.get(difference, now) for difference in behind}
        if all(now >= since + BOOKED_WITHIN for since in self._seen.values()):
            self._waits_since = None
            return False
        if self._waits_since is None:
            self._waits_since = now
        if now < self._waits_since + WAITS_AT_MOST:
            return True
        self._waits_since = None
        return False
