"""Futures that a venue holds otherwise than our books, and a snapshot's wait for them.

After a forced close the cash has lost it at once, while our books hold the position until
reconciliation reports it: in between it looks as if money had been taken out.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol, PositionType
from tradebotd.ports.venue import VenueAccount
from tradebotd.storage.equity import OpenHolding

HEARD_WITHIN: Final = timedelta(seconds=150)  # two reconciliations and their duration
WAITS_AT_MOST: Final = 2 * HEARD_WITHIN  # without a break, whatever becomes of the difference

More = tuple[VenueName, str, Decimal]  # a venue, a symbol, by how much it holds more there


def futures_behind(
    accounts: Mapping[VenueName, VenueAccount],
    holdings: Sequence[OpenHolding],
    symbols: Mapping[str, MarketSymbol],
) -> frozenset[More]:
    """Return the futures a venue holds otherwise than our books, and by how much.

    Less than a lot is the remainder of earlier positions: a venue closes whole lots.
    """
    ours: dict[tuple[VenueName, str], Decimal] = defaultdict(Decimal)
    for each in holdings:
        if each.position_type is PositionType.FUTURES and each.venue in accounts:
            ours[each.venue, each.symbol] += each.quantity
    found: set[More] = set()
    for (venue, symbol), quantity in ours.items():
        more = accounts[venue].positions.get(symbol, ZERO) - quantity
        known = symbols.get(symbol)
        if more and (known is None or abs(more) >= known.instrument.lot_size):
            found.add((venue, symbol, more))
    return frozenset(found)


class Unheard:
    """Bounded wait for reconciliation to book the differences seen.

    A difference that lasts longer is external. External trading all the time, so that no difference
    lasts, does not keep the limits waiting any longer either.
    """

    def __init__(self) -> None:
        self._seen: dict[More, datetime] = {}
        self._waits_since: datetime | None = None

    def waits(self, behind: Collection[More], now: datetime) -> bool:
        """Return whether a snapshot waits, since reconciliation is about to book a difference."""
        self._seen = {each: self._seen.get(each, now) for each in behind}
        if all(now >= since + HEARD_WITHIN for since in self._seen.values()):
            self._waits_since = None
            return False
        if self._waits_since is None:
            self._waits_since = now
        if now < self._waits_since + WAITS_AT_MOST:
            return True
        self._waits_since = None
        return False
