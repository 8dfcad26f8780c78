"""Names of orders: client ids of ours, the venue's ids, and pairs under one client id.

The venue takes a client id for an OCO's target alone; its stop gets one that the venue makes up. So
the target is sent with both of ours, `oco.TARGET.STOP`, and what the stop is can be told after a
restart, too.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.decimals import ZERO
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
        own = text_if_any(leg, "client_order_id") or id_of(leg["id"])
        if pair is not None and leg["type"].text() in STOPS and not own.startswith(OURS):
            yield leg, pair.stop
        else:  # it is none of a pair of ours, or was put in the place of the pair's by us
            yield leg, ClientOrderId(own)


def is_ours(told: Value) -> bool:
    """Return whether the client id that the venue tells of an order is one that we have made."""
    own = text_if_any(told, "client_order_id") or ""
    return own.startswith(OURS) or pair_of(own) is not None


def is_lone_leg(told: Value) -> bool:
    """Return whether an order is the stop of a pair, told without the pair: nobody knows its name.

    The client id that the venue has made up for it is none of ours, and not somebody else's either.
    """
    is_leg = text_if_any(told, "order_class") == "oco" and told["type"].text() in STOPS
    return is_leg and not is_ours(told)


class OrderNames:
    """Client ids by the venue's ids and back, as answers and events have told them.

    An order that the venue, or somebody in its app, has replaced has several ids here: the root is
    what we have sent, the tip what is in its place now.
    """

    def __init__(self) -> None:
        self._names: OrderedDict[str, ClientOrderId] = OrderedDict()
        self._ids: dict[ClientOrderId, str] = {}  # of roots
        self._tips: dict[ClientOrderId, str] = {}
        self._sizes: dict[str, Decimal] = {}
        self._left: dict[str, Decimal] = {}
        self._promised: OrderedDict[str, str] = OrderedDict()

    def learn(self, order_id: str, name: ClientOrderId) -> None:
        """Learn an order; the name that it was known by first stays, but for one made up."""
        known = self._names.get(order_id)
        if known is None or (name.startswith(OURS) and not known.startswith(OURS)):
            self._names[order_id] = name
            if known is not None:
                self._drop(known, order_id)
        self._names.move_to_end(order_id)
        self._ids.setdefault(self._names[order_id], order_id)
        if len(self._names) > MOST_NAMES:
            forgotten, its_name = self._names.popitem(last=False)
            self._sizes.pop(forgotten, None)
            self._left.pop(forgotten, None)
            self._drop(its_name, forgotten)

    def _drop(self, name: ClientOrderId, order_id: str) -> None:
        for ids in (self._ids, self._tips):
            if ids.get(name) == order_id:
                del ids[name]

    def follow(self, name: ClientOrderId, chain: Sequence[str]) -> None:
        """Learn the ids that one order has had, from its root to its tip."""
        for order_id in chain:
            self.learn(order_id, name)
        self._ids[name], self._tips[name] = chain[0], chain[-1]

    def learn_all(self, told: Value, *, is_event: bool = False) -> None:
        """Learn an order and its legs, and how much each of them was to trade at first.

        An event of a fill has its legs as they were before it, or after: it tells no size of them.
        """
        is_pair = text_if_any(told, "order_class") == "oco"
        sold, of_target = amount_if_any(told, "filled_qty") or ZERO, amount_if_any(told, "qty")
        for each, name in named_orders(told):
            order_id = id_of(each["id"])
            self.learn(order_id, name)
            quantity = amount_if_any(each, "qty")
            if quantity is None or not is_pair:
                continue
            if each is told:
                self._left[order_id] = quantity - sold
                continue
            if is_event and sold:
                continue
            self._left[order_id] = quantity
            # What was put in the place of a stop is of what was left when it came. Any other was of
            # as much as its target, whose quantity stays: its own is made less by some of the fills
            # (not by one that ends both).
            came_later = each.get("replaces") is not None
            of_both = quantity if came_later or of_target is None else of_target
            self._sizes.setdefault(order_id, of_both)

    def is_of_pair(self, old_id: str, new_id: str, quantity: Decimal) -> None:
        """Learn what has taken the place of an order, which may be one of a pair."""
        if old_id in self._left:
            self._left[new_id] = quantity
        if old_id in self._sizes:
            self._sizes.setdefault(new_id, quantity)

    def left_of_pair(self, order_id: str) -> Decimal | None:
        """Return how much an order of a pair was to trade yet; None: it is not known as one."""
        return self._left.get(order_id)

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
        """Return the id of the order that was sent under *name*."""
        return self._ids.get(name)

    def tip(self, name: ClientOrderId) -> str | None:
        """Return the id of what is in the order's place now, as far as it is known."""
        return self._tips.get(name) or self._ids.get(name)

    def is_replacement(self, order_id: str) -> bool:
        """Return whether the order is known to have taken the place of one of ours."""
        name = self._names.get(order_id)
        return name is not None and self._ids.get(name, order_id) != order_id
