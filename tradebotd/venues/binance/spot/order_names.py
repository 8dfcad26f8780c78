"""Client ids and numbers of orders, as answers and events have told them."""

import re
from collections import OrderedDict
from typing import Final

from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.order import OrderReport
from tradebotd.venues.binance.payload import Node

CLIENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}", re.ASCII)

# A cancel has an id of its own, by which the venue may know the order from then on: so it is made
# of the order's.
CANCELLED_AS: Final = "-x"
OURS: Final = "tb"
ALONE: Final = -1  # as the number of an order's list

MOST_NAMES: Final = 20_000  # client ids by the venue's


class OrderNames:
    """Client ids of orders by market and the venue's id, as answers and events have told them."""

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[str, VenueOrderId], ClientOrderId] = OrderedDict()
        self._numbers: dict[tuple[str, ClientOrderId], VenueOrderId] = {}

    def learn(self, symbol: str, report: OrderReport) -> None:
        """Learn an order, which keeps the id that it was known by first, not a cancel's."""
        key = (symbol, report.venue_order_id)
        name = self._names.setdefault(key, report.client_order_id)
        self._names.move_to_end(key)
        self._numbers[symbol, name] = report.venue_order_id
        if len(self._names) > MOST_NAMES:
            (where, _), forgotten = self._names.popitem(last=False)
            self._numbers.pop((where, forgotten), None)

    def number(self, symbol: str, name: ClientOrderId) -> VenueOrderId | None:
        return self._numbers.get((symbol, name))

    def name(self, symbol: str, order: VenueOrderId) -> ClientOrderId | None:
        return self._names.get((symbol, order))


def cancel_id(client_order_id: ClientOrderId) -> str | None:
    """Return the id for the cancel of an order; None where the order's leaves no room for it."""
    name = f"{client_order_id}{CANCELLED_AS}"
    return name if CLIENT_ID.fullmatch(name) else None


def names_a_list(told: Node) -> bool:
    """Return whether an order's id is that of a cancel of its list: then all legs have it."""
    in_list = told.has("orderListId") and told.integer("orderListId") != ALONE
    return in_list and _is_cancels(told.text("clientOrderId"))


def _is_cancels(name: str) -> bool:
    return name.startswith(OURS) and name.endswith(CANCELLED_AS)


def placed_as(told: str, number: int, *, in_list: bool) -> ClientOrderId:
    """Return the id that an order was placed by, or one that is made of the venue's.

    The cancel of a list has one id for all its orders: it tells of none by which it was placed.
    """
    if _is_cancels(told):
        told = "" if in_list else told.removesuffix(CANCELLED_AS)
    return ClientOrderId(told or f"venue-{number}")
