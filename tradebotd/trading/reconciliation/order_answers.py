"""Answers of the venues on orders in doubt, as reported: nothing is concluded here."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import anyio

from tradebotd.domain.errors import VenueError, describe_error
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.order import Order, OrderReport
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import OrderLookup
from tradebotd.trading.contradictions import answer_contradiction
from tradebotd.trading.reconciliation.venue_round import VenueRound, side_by_side

# Of the venue's own time, for all orders there; less than a round's patience: what proves an order
# absent, and what is held there, is asked for after them.
ORDERS_SECONDS: Final = 20.0
AT_ONCE: Final = 6  # orders that one venue is asked for: each may take two questions


class Answer(NamedTuple):
    """Answer on one order. Without a `search`: `reason` there is none. `asked_at`: host time."""

    asked_at: datetime
    search: OrderLookup | None = None
    reason: str = ""


Take = Callable[[Order, Answer], Awaitable[None]]


class OrderAnswers:
    """Answers on orders; one whose turn does not come at a slow venue is first the next time."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._questions = 0
        self._asked: dict[ClientOrderId, int] = {}  # number of the question about it

    async def ask_for(
        self,
        orders: Sequence[Order],
        venues: VenueRound,
        in_flight: Collection[ClientOrderId],
        take: Take,
    ) -> None:
        """Ask each venue for AT_ONCE orders at a time, and the venues concurrently.

        *take* is given each answer as soon as it is there, one after the other: a stop that is gone
        does not wait for what became of other orders. An order that is being sent when its turn
        comes is left out: the venue cannot know it yet. Raises what *take* raises.
        """
        names = {order.client_order_id for order in orders}
        self._asked = {name: number for name, number in self._asked.items() if name in names}
        in_turn = sorted(
            orders, key=lambda asked_for: self._asked.get(asked_for.client_order_id, 0)
        )
        one_at_a_time = anyio.Lock()

        async def ask_at(name: VenueName) -> None:
            before, left = venues.spent(name), iter([one for one in in_turn if one.venue == name])

            async def work(_: int) -> None:
                for order in left:
                    if order.client_order_id in in_flight:
                        continue
                    if venues.spent(name) - before > ORDERS_SECONDS:
                        reason = f"{name} answers too slowly"
                        answer = Answer(asked_at=self._host.now(), reason=reason)
                    else:
                        answer = await self._answer(order, venues)
                    async with one_at_a_time:
                        await take(order, answer)

            await side_by_side(range(AT_ONCE), work)

        await side_by_side(sorted({order.venue for order in orders}), ask_at)

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
