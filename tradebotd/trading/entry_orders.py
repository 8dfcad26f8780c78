"""Entries that rest at a venue: taken back when their time is over or nobody wants them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import OrderRejectedError, VenueError
from tradebotd.domain.ids import BotName, VenueName
from tradebotd.domain.order import FINAL, OrderReport
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Venue
from tradebotd.storage import entry_orders
from tradebotd.storage.database import Database
from tradebotd.storage.entry_orders import RestingEntry
from tradebotd.trading.entry_gate import EntryGate
from tradebotd.trading.recorder import OrderRecorder

log = structlog.get_logger(__name__)

CANCEL_SECONDS: Final = 10.0


@dataclass(slots=True)
class CancelResult:
    """`cancelled`: order to its reason. `failed`: asked again at the next sweep."""

    resting: int = 0
    cancelled: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class EntryOrders:
    """A cancel that raced a fill leaves a position like any other; nothing is sent anew.

    *specs* by bot name is shared with whoever reloads the configuration.
    """

    def __init__(
        self,
        *,
        database: Database,
        venues: Mapping[VenueName, Venue],
        recorder: OrderRecorder,
        gate: EntryGate,
        specs: Mapping[BotName, BotSpec],
    ) -> None:
        self._database = database
        self._venues = venues
        self._recorder = recorder
        self._gate = gate
        self._specs = specs
        self._one_at_a_time = anyio.Lock()

    async def sweep(self, now: datetime) -> CancelResult:
        """Take back whatever has a reason to. Raises DatabaseUnavailableError."""
        result = CancelResult()
        async with self._one_at_a_time:
            async with self._database.connection() as connection:
                resting = await entry_orders.select_resting(connection)
            result.resting = len(resting)
            for order in resting:
                why = self._unwanted(order, now)
                if why is not None:
                    await self._cancel(order, why, result)
        return result

    async def withdraw(
        self, bot: BotName, why: str, *, unless: PositionSide | None = None
    ) -> CancelResult:
        """Take back what rests for *bot*, but for entries to the side *unless*."""
        result = CancelResult()
        async with self._one_at_a_time:
            async with self._database.connection() as connection:
                resting = await entry_orders.select_resting(connection, bot)
            result.resting = len(resting)
            for order in resting:
                if unless is None or order.side is not unless.entry:
                    await self._cancel(order, why, result)
        return result

    def _unwanted(self, order: RestingEntry, now: datetime) -> str | None:
        if order.expires_at is not None and order.expires_at <= now:
            return "its lifetime is over"
        spec = self._specs.get(order.bot)
        if spec is None or not spec.active or not order.active:
            return "its bot is stopped"
        if spec.symbol != order.symbol:
            return f"its bot trades {spec.symbol} now"
        if order.paused:
            return "its bot is paused"
        if order.position_closed:
            return "what it had filled is closed"
        return self._gate.cancels_entries()

    async def _cancel(self, order: RestingEntry, why: str, result: CancelResult) -> None:
        """Once; what the venue then says is recorded, be it `canceled` or `filled`."""
        venue = self._venues.get(order.venue)
        if venue is None:
            result.failed[order.client_order_id] = f"venue {order.venue} is not configured"
            return
        try:
            with anyio.fail_after(CANCEL_SECONDS):
                report = await _ask(venue, order)
        except (VenueError, TimeoutError) as error:
            words = str(error) or "timed out"
            log.warning("entry not cancelled yet", order=order.client_order_id, error=words)
            result.failed[order.client_order_id] = f"{type(error).__name__}: {words}"
            return
        if report is None:
            result.failed[order.client_order_id] = "neither cancelled nor found"
            return
        await self._recorder.record(report)
        if report.status not in FINAL:
            result.failed[order.client_order_id] = f"the venue says it is {report.status} still"
            return
        result.cancelled[order.client_order_id] = why
        log.info(
            "resting entry ended",
            order=order.client_order_id,
            bot=order.bot,
            status=report.status,
            why=why,
        )


async def _ask(venue: Venue, order: RestingEntry) -> OrderReport | None:
    """None: the venue has neither cancelled it nor knows of it; reconciliation seeks it."""
    try:
        return await venue.cancel(order.symbol, order.client_order_id)
    except OrderRejectedError:  # too late: it has filled, or somebody else was faster
        return (await venue.find_order(order.symbol, order.client_order_id)).report
