"""Exit orders at their venues: cancelled and looked up, and what is told of them recorded."""

from collections.abc import Mapping
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import OrderRejectedError, VenueError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.order import OrderReport
from tradebotd.ports.venue import Venue
from tradebotd.storage import exit_groups
from tradebotd.storage.exit_groups import ExitGroup, GroupOrder
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.contradictions import answer_contradiction
from tradebotd.trading.execution.recorder import OrderRecorder
from tradebotd.trading.exits.exit_conflicts import rests

log = structlog.get_logger(__name__)

ASK_SECONDS: Final = 10.0


class ExitOrders:
    """Exit orders of all venues. What it raises: VenueError, TimeoutError,
    DatabaseUnavailableError.
    """

    def __init__(
        self, database: Database, venues: Mapping[VenueName, Venue], recorder: OrderRecorder
    ) -> None:
        self._database = database
        self._venues = venues
        self._recorder = recorder

    async def clear(self, group: ExitGroup) -> None:
        """Cancel what rests, look up the others; then the group closes with its last order.

        Those that rest beside each other are linked: the cancel of one is that of all, so that the
        stream has most likely told of the others by then, and they are cancelled only if it is
        not so. Every call is time without guard.
        """
        cancelled = False
        for order in group.unsettled:
            if order.client_order_id in self._recorder.in_flight:
                continue
            if cancelled and await self._is_over(order):
                continue
            if rests(order):
                await self._cancel(order)
                cancelled = True
            else:
                await self.look_up(order)
        async with self._database.connection() as connection:
            await exit_groups.close(connection, group.id)

    async def _is_over(self, order: GroupOrder) -> bool:
        """Return whether the cancel of another one has ended the order, too."""
        async with self._database.connection() as connection:
            if await exit_groups.is_settled(connection, order.id):
                return True
        await self.look_up(order)
        async with self._database.connection() as connection:
            return await exit_groups.is_settled(connection, order.id)

    async def clear_quietly(self, group: ExitGroup) -> None:
        """Clear the group behind a new exit; what keeps it is left to the next sweep."""
        try:
            await self.clear(group)
        except (VenueError, TimeoutError) as error:
            log.warning("retired exit not cancelled", error=str(error))

    async def look_up(self, order: GroupOrder) -> bool:
        """Return whether the venue knows the order; its report is recorded."""
        with anyio.fail_after(ASK_SECONDS):
            search = await self._venues[order.venue].find_order(order.symbol, order.client_order_id)
        if search.report is None:
            return False
        await self._record(order, search.report)
        return True

    async def look_up_quietly(self, order: GroupOrder) -> None:
        try:
            await self.look_up(order)
        except (VenueError, TimeoutError) as error:
            log.warning("exit lookup failed", error=str(error))

    async def _cancel(self, order: GroupOrder) -> None:
        try:
            with anyio.fail_after(ASK_SECONDS):
                report = await self._venues[order.venue].cancel(order.symbol, order.client_order_id)
        except OrderRejectedError:
            await self.look_up(order)  # nothing to cancel: it has filled, or was never there
        else:
            await self._record(order, report)

    async def _record(self, order: GroupOrder, report: OrderReport) -> None:
        """Record the report. Raises VenueError where it is not about *order*."""
        if (reason := answer_contradiction(order.client_order_id, report)) is not None:
            raise VenueError(f"{order.client_order_id}: {reason}")
        await self._recorder.record(report)
