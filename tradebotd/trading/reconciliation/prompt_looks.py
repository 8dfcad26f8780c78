"""Prompt looks: reconciliations before the schedule's while an order's outcome is unknown.

Each such order is asked for once at once. An exit that was lost on its way leaves a position with
nothing to end it until its absence is proven: it is asked for again as soon as a venue's "never
seen" counts, as often as it must be heard. An entry is in no hurry, and to enter twice would be
worse than late. What is unknown after that, the schedule goes on to ask for.
"""

import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import ClientOrderId, VenueName
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import Venue
from tradebotd.storage import order_searches
from tradebotd.storage.order_searches import LostOrder
from tradebotd.storage.postgres.database import Database

log = structlog.get_logger(__name__)

FIRST_SECONDS: Final = 1.0  # host: a stream may have told it meanwhile
BETWEEN_SECONDS: Final = 5.0  # host: between two looks for one order; doubled for each in vain
IN_VAIN: Final = 5  # looks in a row that no venue has answered
AGAIN_SECONDS: Final = 1.0  # a reconciliation was under way already, or has just ended
DATABASE_SECONDS: Final = 5.0  # host: until a database that was away is asked again
CLOCKS: Final = timedelta(seconds=1)  # by which a venue's clock may be behind ours

Reconcile = Callable[[], Awaitable[bool]]
"""Reconcile now; False: one is under way, which may have begun before."""


@dataclass(slots=True)
class _Search:
    """*at*: monotonic host seconds of the next look; infinite once there were enough.

    `negatives`: answers that counted before the last look; `in_vain`: looks since that got none.
    """

    at: float
    looked_at: float = -math.inf
    negatives: int = 0
    in_vain: int = 0


class PromptLooks:
    """Looks for orders whose outcome is unknown. *in_flight*: those that are being sent."""

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        in_flight: Collection[ClientOrderId],
        host: HostClock,
    ) -> None:
        self._database = database
        self._venues = venues
        self._in_flight = in_flight
        self._host = host
        self._searches: dict[ClientOrderId, _Search] = {}
        self._wake = anyio.Event()

    def on_unknown(self) -> None:
        """Take note that the outcome of an order is unknown; never waits."""
        self._wake.set()

    async def attend(self, reconcile: Reconcile) -> None:
        """Look when it is time, until cancelled; also for what an earlier process left unknown."""
        while True:
            seconds = await self.look(reconcile)
            with anyio.move_on_after(seconds):
                await self._wake.wait()
            self._wake = anyio.Event()

    async def look(self, reconcile: Reconcile) -> float | None:
        """Look for what is due; return the seconds until something is. None: not before news."""
        try:
            async with self._database.connection() as connection:
                lost = await order_searches.select_lost(connection)
            lost = [each for each in lost if each.client_order_id not in self._in_flight]
            due = self._due(lost)
            if due:
                if not await reconcile():
                    return AGAIN_SECONDS
                self._looked(due)
                return AGAIN_SECONDS
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("unknown orders not asked for", error=str(error))
            return DATABASE_SECONDS
        soonest = min((each.at for each in self._searches.values()), default=math.inf)
        return None if soonest == math.inf else max(0.0, soonest - self._host.monotonic())

    def _due(self, lost: Collection[LostOrder]) -> list[LostOrder]:
        now = self._host.monotonic()
        self._searches = {
            each.client_order_id: self._searches.get(
                each.client_order_id, _Search(now + FIRST_SECONDS)
            )
            for each in lost
            if each.venue in self._venues
        }
        return [
            each
            for each in lost
            if (search := self._searches.get(each.client_order_id))
            and _next_look(search, each) <= now
        ]

    def _looked(self, due: Collection[LostOrder]) -> None:
        """Set the next look: of an exit when "never seen" counts, then at intervals, then none."""
        now = self._host.monotonic()
        for each in due:
            search, traits = self._searches[each.client_order_id], self._venues[each.venue].traits
            search.looked_at = now
            counts_from = each.send_by + traits.receive_window + traits.absence_margin + CLOCKS
            until = (counts_from - self._host.now()).total_seconds()
            if not each.is_exit or search.in_vain >= IN_VAIN:
                search.at = math.inf
            elif until > 0:
                search.at = now + until
            else:
                search.at = now + BETWEEN_SECONDS * 2**search.in_vain
                search.in_vain += 1


def _next_look(search: _Search, lost: LostOrder) -> float:
    """Return when to look next: soon after an answer that counted."""
    if lost.negatives > search.negatives:
        search.negatives, search.in_vain = lost.negatives, 0
        search.at = min(search.at, search.looked_at + BETWEEN_SECONDS)
    return search.at
