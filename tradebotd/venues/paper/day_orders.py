"""DAY orders of the paper venue: they end with the session that they were accepted in or for."""

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Final

from tradebotd.domain.order_type import TimeInForce
from tradebotd.storage.paper_orders import RestingOrder

DAY_IS_OVER: Final = "the day of the order is over"

DayEnd = Callable[[str, datetime], datetime]
"""Return the end of the session of a symbol that an order accepted at an instant belongs to."""


def end_of_utc_day(symbol: str, at: datetime) -> datetime:  # noqa: ARG001 - the same for all
    """Return the next midnight UTC: the session's end of a market that never closes."""
    return datetime.combine(at.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


class DayOrders:
    """Ends of the resting DAY orders, by number; most venues have none."""

    def __init__(self, day_end: DayEnd) -> None:
        self._day_end = day_end
        self._ends: dict[int, datetime] = {}

    def clear(self) -> None:
        self._ends.clear()

    def add(self, order: RestingOrder) -> None:
        if order.request.time_in_force is TimeInForce.DAY:
            self._ends[order.id] = self._day_end(order.request.symbol, order.accepted_at)

    def discard(self, order_ids: Collection[int]) -> None:
        for order_id in order_ids & self._ends.keys():
            del self._ends[order_id]

    def any_over(self, now: datetime) -> bool:
        return any(end <= now for end in self._ends.values())

    def over(self, resting: Iterable[RestingOrder], now: datetime) -> list[RestingOrder]:
        """Return the orders whose day is over, with those that are linked to them."""
        orders = list(resting)
        ids = {order_id for order_id, end in self._ends.items() if end <= now}
        linked = {order.linked_id for order in orders if order.id in ids} - {None}
        return [order for order in orders if order.id in ids or order.linked_id in linked]
