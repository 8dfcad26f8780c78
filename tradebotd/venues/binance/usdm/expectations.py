"""Events that the user stream owes us: of each order that was taken there must come one.

A stream may be alive, answer pings, and tell nothing any more. How often orders happen says nothing
about when the next event is due, but an order that was just taken does.
"""

from collections import OrderedDict
from typing import Final

from tradebotd.domain.ids import ClientOrderId
from tradebotd.ports.clock import HostClock

WITHIN: Final = 15.0  # seconds: events come within some milliseconds
MOST: Final = 2_000


class Expectations:
    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._owed: OrderedDict[ClientOrderId, float] = OrderedDict()  # since when
        self._heard: OrderedDict[ClientOrderId, None] = OrderedDict()

    def expect(self, order: ClientOrderId) -> None:
        """Expect an event of an order that was taken; it may have come before the answer."""
        if order not in self._heard:
            self._owed[order] = self._host.monotonic()
            if len(self._owed) > MOST:
                self._owed.popitem(last=False)

    def heard(self, order: ClientOrderId) -> None:
        self._owed.pop(order, None)
        self._heard[order] = None
        self._heard.move_to_end(order)
        if len(self._heard) > MOST:
            self._heard.popitem(last=False)

    def forget(self) -> None:
        """Expect nothing of what was taken before: the stream is a new one."""
        self._owed.clear()

    def overdue(self) -> ClientOrderId | None:
        """Return an order whose event has not come in time; None where all have."""
        if not self._owed:
            return None
        order, since = next(iter(self._owed.items()))
        return order if self._host.monotonic() - since > WITHIN else None
