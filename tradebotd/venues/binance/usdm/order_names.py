"""Ids of orders as the venue has told them: a stop has two, its own and that of what it became."""

from collections import OrderedDict
from typing import Final, TypeVar

from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.order import FINAL, OrderReport, OrderStatus

K = TypeVar("K")
V = TypeVar("V")
MOST: Final = 20_000  # orders that are remembered
FAILED: Final = frozenset({OrderStatus.REJECTED, OrderStatus.EXPIRED})
ALGO: Final = "algo-"  # ids of algo orders and of orders are counted apart, and may be equal


def algo_id(number: int) -> VenueOrderId:
    """Return the id of an algo order, which no order has."""
    return VenueOrderId(f"{ALGO}{number}")


def is_algo(order: VenueOrderId) -> bool:
    return order.startswith(ALGO)


class OrderNames:
    """Client ids by market and the venue's ids, and the other way.

    Ids of orders count up within a market, so one of two markets may be equal.
    """

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[str, VenueOrderId], ClientOrderId] = OrderedDict()
        self._algos: OrderedDict[tuple[str, ClientOrderId], VenueOrderId] = OrderedDict()
        self._orders: OrderedDict[tuple[str, ClientOrderId], VenueOrderId] = OrderedDict()
        self._reasons: OrderedDict[tuple[str, ClientOrderId], str] = OrderedDict()
        self._ended: OrderedDict[tuple[str, VenueOrderId], None] = OrderedDict()

    def learn(self, symbol: str, report: OrderReport) -> None:
        name, ids = report.client_order_id, (report.venue_order_id, *report.other_ids)
        is_stop = any(is_algo(each) for each in ids)  # what it became may have a name of its own
        for each in ids:
            known = name if is_stop else self._names.get((symbol, each), name)
            _put(self._names, (symbol, each), known)
            if is_algo(each):
                _put(self._algos, (symbol, name), each)
            else:
                _put(self._orders, (symbol, name), each)
                if report.status in FINAL:
                    _put(self._ended, (symbol, each), None)
        if report.reason is not None and report.status in FAILED:
            _put(self._reasons, (symbol, name), report.reason)

    def name(self, symbol: str, order: VenueOrderId) -> ClientOrderId | None:
        return self._names.get((symbol, order))

    def algo(self, symbol: str, name: ClientOrderId) -> VenueOrderId | None:
        """Return the id of the algo order of that name; None where it is not known to be one."""
        return self._algos.get((symbol, name))

    def order(self, symbol: str, name: ClientOrderId) -> VenueOrderId | None:
        """Return the id of the order of that name, or of what its algo order became."""
        return self._orders.get((symbol, name))

    def has_ended(self, symbol: str, order: VenueOrderId) -> bool:
        """Return whether it was told how that order ended."""
        return (symbol, order) in self._ended

    def reason(self, symbol: str, name: ClientOrderId) -> str | None:
        """F5: return why an algo order failed: the stream tells it, and no question does."""
        return self._reasons.get((symbol, name))


def _put(table: "OrderedDict[K, V]", key: K, value: V) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > MOST:
        table.popitem(last=False)
