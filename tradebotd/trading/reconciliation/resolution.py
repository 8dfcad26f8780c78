"""Result of one round of asking about orders in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.order import Order, OrderReport
from tradebotd.ports.venue import Venue
from tradebotd.storage.order_searches import OrderSearchState
from tradebotd.storage.orders import StoredOrder
from tradebotd.trading.reconciliation.rules import MissingOrderVerdict, can_rest, judge
from tradebotd.trading.reconciliation.venue_round import VenueRound


class MissingOrder(NamedTuple):
    """An order that its venue has just denied; the search with that answer counted."""

    stored: StoredOrder
    search: OrderSearchState | None
    venue: Venue

    @property
    def client_order_id(self) -> ClientOrderId:
        return self.stored.order.client_order_id

    def verdict(self, *, moved: bool, silent: bool = False) -> MissingOrderVerdict:
        return judge(
            self.search,
            can_rest=can_rest(self.stored),
            moved=moved,
            silent=silent,
            traits=self.venue.traits,
        )


@dataclass(slots=True)
class ResolutionResult:
    """Result of a round.

    `waiting`: id to the host time until which it could be sent. `open`: what rests, by venue.
    `unanswered`: id to why its outcome cannot be determined; `unheard`: all orders without an
    answer in this round. `troubled`: venues of orders that failed.
    """

    venues: VenueRound
    asked: int = 0
    resolved: int = 0
    waiting: dict[ClientOrderId, datetime] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unanswered: dict[ClientOrderId, str] = field(default_factory=dict)
    unheard: list[StoredOrder] = field(default_factory=list)
    open: dict[VenueName, Sequence[OrderReport]] = field(default_factory=dict)
    troubled: set[VenueName] = field(default_factory=set)
    waiting_at: set[VenueName] = field(default_factory=set)

    def fail(self, order: Order, reason: str) -> None:
        self.failed[order.client_order_id] = reason
        self.troubled.add(order.venue)

    def wait(self, stored: StoredOrder) -> None:
        self.waiting[stored.order.client_order_id] = stored.send_by
        self.waiting_at.add(stored.order.venue)
