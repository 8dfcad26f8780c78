"""What the venues say of orders in doubt, as they are told: nothing is concluded here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from tradebotd.domain.errors import VenueError
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.domain.order import Order
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import OrderSearch
from tradebotd.trading.venue_round import VenueRound, side_by_side, words


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Without a `search`: `why` there is none. `asked_at`: host time."""

    asked_at: datetime
    search: OrderSearch | None = None
    why: str = ""


async def ask_for(
    orders: Sequence[Order],
    venues: VenueRound,
    in_flight: Collection[ClientOrderId],
    host: HostClock,
) -> dict[ClientOrderId, Answer]:
    """Each venue for one after the other, and the venues side by side. What is being sent when its
    turn comes is left out: the venue cannot know it yet.
    """
    answers: dict[ClientOrderId, Answer] = {}

    async def ask_at(name: VenueName) -> None:
        for order in orders:
            if order.venue == name and order.client_order_id not in in_flight:
                answers[order.client_order_id] = await _answer(order, venues, host)

    await side_by_side(sorted({order.venue for order in orders}), ask_at)
    return answers


async def _answer(order: Order, venues: VenueRound, host: HostClock) -> Answer:
    asked_at = host.now()
    try:
        search = await venues.ask(
            order.venue, lambda venue: venue.find_order(order.symbol, order.client_order_id)
        )
    except (VenueError, TimeoutError) as error:
        return Answer(asked_at=asked_at, why=words(error))
    return Answer(asked_at=asked_at, search=search)
