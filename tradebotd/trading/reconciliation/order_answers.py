"""Answers of the venues on orders in doubt, as reported: nothing is concluded here."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from anyio import current_time

from tradebotd.domain.errors import VenueError, describe_error
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.order import Order, OrderReport
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import OrderLookup
from tradebotd.trading.contradictions import answer_contradiction
from tradebotd.trading.reconciliation.venue_round import VenueRound, side_by_side

# For all orders at one venue, less than a round's patience: what proves an order absent, and what
# is held there, is asked for after them.
ORDERS_SECONDS: Final = 20.0


class Answer(NamedTuple):
    """Answer on one order. Without a `search`: `reason` there is none. `asked_at`: host time."""

    asked_at: datetime
    search: OrderLookup | None = None
    reason: str = ""


class OrderAnswers:
    """Answers on orders; one whose turn does not come at a slow venue is first the next time."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._questions = 0
        self._asked: dict[ClientOrderId, int] = {}  # number of the question about it

    async def ask_for(
        self, orders: Sequence[Order], venues: VenueRound, in_flight: Collection[ClientOrderId]
    ) -> dict[ClientOrderId, Answer]:
        """Ask each venue for one order after the other, and the venues concurrently.

        An order that is being sent when its turn comes is left out: the venue cannot know it yet.
        """
        answers: dict[ClientOrderId, Answer] = {}
        names = {order.client_order_id for order in orders}
        self._asked = {name: number for name, number in self._asked.items() if name in names}
        in_turn = sorted(
            orders, key=lambda asked_for: self._asked.get(asked_for.client_order_id, 0)
        )

        async def ask_at(name: VenueName) -> None:
            began = current_time()
            for order in in_turn:
                if order.venue != name or order.client_order_id in in_flight:
                    continue
                if current_time() - began > ORDERS_SECONDS:
                    slow = Answer(asked_at=self._host.now(), reason=f"{name} answers too slowly")
                    answers[order.client_order_id] = slow
                else:
                    answers[order.client_order_id] = await self._answer(order, venues)

        await side_by_side(sorted({order.venue for order in orders}), ask_at)
        return answers

    async def _answer(self, order: Order, venues: VenueRound) -> Answer:
        asked_at = self._host.now()
        self._questions += 1
        self._asked[order.client_order_id] = self._questions
        try:
            search = await venues.ask(
                order.venue, lambda venue: venue.find_order(order.symbol, order.client_order_id)
            )
        except (VenueError, TimeoutError) as error:
            return Answer(asked_at=asked_at, reason=describe_error(error))
        return Answer(asked_at=asked_at, search=search)


async def cancelled(order: Order, venues: VenueRound) -> OrderReport:
    """Cancel the order by its id, there or not.

    Raises OrderRejectedError (it is not), VenueError, TimeoutError.
    """
    report = await venues.ask(
        order.venue, lambda venue: venue.cancel(order.symbol, order.client_order_id)
    )
    if (reason := answer_contradiction(order.client_order_id, report)) is not None:
        raise VenueError(reason)
    return report
