"""Names of orders: client ids of ours, the venue's ids, and pairs under one client id.

The venue takes a client id for an OCO's target alone; its stop gets one that the venue makes up. So
the target is sent with both of ours, `oco.TARGET.STOP`, and what the stop is can be told after a
restart, too.
"""

from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.ids import ClientOrderId
from tradebotd.net.answers import Value
from tradebotd.venues.alpaca.payload import amount_if_any, id_of, text_if_any

MOST_NAMES: Final = 20_000
LONGEST: Final = 128  # characters of a client id
OURS: Final = "tb"  # what our client ids begin with
_PAIR: Final = "oco."
STOPS: Final = frozenset({"stop", "stop_limit"})


class Pair(NamedTuple):
    target: ClientOrderId
    stop: ClientOrderId

    @property
    def name(self) -> str:
        return f"{_PAIR}{self.target}.{self.stop}"


def pair_of(client_order_id: str) -> Pair | None:
    """Return the two ids of ours that the client id of an OCO has; None: it is no pair of ours."""
    if not client_order_id.startswith(_PAIR):
        return None
    target, _, stop = client_order_id.removeprefix(_PAIR).partition(".")
    if not target or not stop or "." in stop:
        return None
    return Pair(ClientOrderId(target), ClientOrderId(stop))


def named_orders(told: Value) -> Iterator[tuple[Value, ClientOrderId]]:
    """Yield an order and its legs, each under the client id that it has with us.

    Raises MisshapenError.
    """
    client_id = told["client_order_id"].text()
    pair = pair_of(client_id)
    yield told, ClientOrderId(client_id) if pair is None else pair.target
    legs = told.get("legs")
    for leg in legs.items() if legs is not None else []:
        if pair is not None and leg["type"].text() in STOPS:
            yield leg, pair.stop
        else:
            yield leg, ClientOrderId(text_if_any(leg, "client_order_id") or id_of(leg["id"]))


class OrderNames:
    """Client ids by the venue's ids and back, as answers and events have told them."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, ClientOrderId] = OrderedDict()
        self._ids: dict[ClientOrderId, str] = {}
        self._sizes: dict[str, Decimal] = {}
        self._promised: OrderedDict[str, str] = OrderedDict()

    def learn(self, order_id: str, name: ClientOrderId) -> None:
        """Learn an order; the name that it was known by first stays, but for one made up."""
        known = self._names.get(order_id)
        if known is None or (name.startswith(OURS) and not known.startswith(OURS)):
            self._names[order_id] = name
        self._names.move_to_end(order_id)
        self._ids[self._names[order_id]] = order_id
        if len(self._names) > MOST_NAMES:
            forgotten, its_name = self._names.popitem(last=False)
            self._sizes.pop(forgotten, None)
            if self._ids.get(its_name) == forgotten:
                del self._ids[its_name]

    def learn_all(self, told: Value) -> None:
        """Learn an order and its legs, and how much each of them was to trade at first."""
        size = amount_if_any(told, "qty")
        for each, name in named_orders(told):
            order_id = id_of(each["id"])
            self.learn(order_id, name)
            if size is not None and each is not told and pair_of(told["client_order_id"].text()):
                self._sizes.setdefault(order_id, size)

    def size(self, order_id: str) -> Decimal | None:
        """Return how much the stop of a pair was to trade, which its target's fills make less."""
        return self._sizes.get(order_id)

    def promise(self, old_id: str, new_id: str) -> None:
        """Learn which order was promised in the place of another."""
        self._promised[old_id] = new_id
        if len(self._promised) > MOST_NAMES:
            self._promised.popitem(last=False)

    def promised(self, old_id: str) -> str | None:
        return self._promised.get(old_id)

    def name(self, order_id: str) -> ClientOrderId | None:
        return self._names.get(order_id)

    def order_id(self, name: ClientOrderId) -> str | None:
        return self._ids.get(name)
