"""Entries that rest at a venue: cancelled when their time is over or they are not wanted."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderRejectedError,
    VenueError,
    describe_error,
)
from tradebotd.domain.ids import BotName, ClientOrderId, VenueName
from tradebotd.domain.job import Summary
from tradebotd.domain.order import FINAL, OrderReport
from tradebotd.domain.side import PositionSide
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.storage import entry_orders
from tradebotd.storage.entry_orders import RestingEntry
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.account.daily_limits import reached_limit
from tradebotd.trading.account.trading_day import local_day
from tradebotd.trading.contradictions import answer_contradiction
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.execution.recorder import OrderRecorder

log = structlog.get_logger(__name__)

CANCEL_SECONDS: Final = 10.0
CANCELS_AT_ONCE: Final = 24
SWEEP_SECONDS: Final = 20.0  # host seconds, for all of them
HURRIED_SECONDS: Final = 3.0  # for a job that has other work to do after it

Unwanted = tuple[RestingEntry, str]  # with the reason


@dataclass(slots=True)
class CancelResult:
    """Result of cancels. `cancelled`: reason by order. `failed`: tried again at the next sweep."""

    resting: int = 0
    cancelled: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def note_in(self, summary: Summary) -> None:
        for order, reason in self.cancelled.items():
            summary.attempted += 1
            summary.acted += 1
            summary.items[order] = f"entry taken back: {reason}"
        for order, error in self.failed.items():
            summary.attempted += 1
            summary.fail(order, error)


@dataclass(slots=True)
class _Cancelling:
    """One cancel, shared by all who want it. `failed` None: the order has ended at the venue."""

    over: anyio.Event = field(default_factory=anyio.Event)
    failed: str | None = "the cancel was cut short"


class RestingEntries:
    """Resting entries and their cancels.

    A cancel that raced a fill leaves a position like any other; nothing is sent anew. Cancels run
    concurrently: one without an answer from its venue delays no other. *sequential*: one after the
    other, where effects must repeat (speed 0). *specs* (by bot name) is shared with the
    configuration reload. `dirty`: something was stopped; `run` waits for that.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        venues: Mapping[VenueName, Venue],
        recorder: OrderRecorder,
        gate: EntryGate,
        specs: Mapping[BotName, BotSpec],
        sequential: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._venues = venues
        self._recorder = recorder
        self._gate = gate
        self._specs = specs
        self._at_once = 1 if sequential else CANCELS_AT_ONCE
        self._cancelling: dict[ClientOrderId, _Cancelling] = {}
        self.dirty = False
        self._wakeup = anyio.Event()

    def mark_dirty(self) -> None:
        """Signal that resting entries may have to be cancelled: `run` checks at once."""
        self.dirty = True
        self._wakeup.set()

    async def run(self) -> None:
        """Cancel resting entries as soon as they are stopped, for ever, independent of the jobs."""
        while True:
            await self.run_once()

    async def run_once(self) -> None:
        """Wait until something was stopped, and cancel; what fails is left to the next job."""
        await self._wakeup.wait()
        try:
            result = await self.sweep(self._clock.now())
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("resting entries deferred", error=str(error))
            return
        if result.failed:
            log.warning("entries not cancelled", failed=result.failed)

    async def sweep(self, now: datetime, patience: float = SWEEP_SECONDS) -> CancelResult:
        """Cancel every entry that has a reason to be. Raises DatabaseUnavailableError.

        *patience*, in host seconds: a cancel not answered by then has failed, and is tried again.
        """
        self.dirty = False
        if self._wakeup.is_set():  # else `run` waits for this very event
            self._wakeup = anyio.Event()
        resting = await self._resting(None)
        unwanted = [(entry, reason) for entry in resting if (reason := self._unwanted(entry, now))]
        return await self._take_back(resting, unwanted, patience)

    async def withdraw(
        self, bot: BotName, reason: str, *, unless: PositionSide | None = None
    ) -> CancelResult:
        """Cancel the resting entries of *bot*, except those to the side *unless*."""
        resting = await self._resting(bot)
        unwanted = [
            (entry, reason) for entry in resting if unless is None or entry.side is not unless.entry
        ]
        return await self._take_back(resting, unwanted, SWEEP_SECONDS)

    async def _resting(self, bot: BotName | None) -> list[RestingEntry]:
        async with self._database.connection() as connection:
            return await entry_orders.select_resting(connection, bot)

    async def _take_back(
        self, resting: Sequence[RestingEntry], unwanted: Sequence[Unwanted], patience: float
    ) -> CancelResult:
        result = CancelResult(resting=len(resting))
        limiter = anyio.CapacityLimiter(self._at_once)

        async def cancel(order: RestingEntry, reason: str) -> None:
            result.failed[order.client_order_id] = "its venue did not answer in time"
            async with limiter:
                failed = await self._cancel_once(order, reason)
            if failed is None:
                del result.failed[order.client_order_id]
                result.cancelled[order.client_order_id] = reason
            else:
                result.failed[order.client_order_id] = failed

        with anyio.move_on_after(patience) as limit:
            async with anyio.create_task_group() as cancels:
                for order, reason in unwanted:
                    cancels.start_soon(cancel, order, reason)
        if limit.cancelled_caught and patience < SWEEP_SECONDS:
            self.mark_dirty()  # `run` has nothing else to do
        return result

    def _unwanted(self, order: RestingEntry, now: datetime) -> str | None:
        if order.expires_at is not None and order.expires_at <= now:
            return "its lifetime is over"
        spec = self._specs.get(order.bot)
        if spec is None or not spec.active or not order.active:
            return "its bot is stopped"
        if spec.symbol != order.symbol:
            return f"its bot trades {spec.symbol} now"
        if order.position_closed:
            return "what it had filled is closed"
        currencies = self._recorder.days.currencies
        return _paused(order, spec, now, currencies) or self._gate.cancel_reason()

    async def _cancel_once(self, order: RestingEntry, reason: str) -> str | None:
        """Cancel an order once: a caller that comes meanwhile shares the result.

        Returns the error, or None when the order has ended.
        """
        cancelling = self._cancelling.get(order.client_order_id)
        if cancelling is not None:
            await cancelling.over.wait()
            return cancelling.failed
        cancelling = self._cancelling[order.client_order_id] = _Cancelling()
        try:
            cancelling.failed = await self._cancel(order, reason)
        finally:
            del self._cancelling[order.client_order_id]
            cancelling.over.set()
        return cancelling.failed

    async def _cancel(self, order: RestingEntry, reason: str) -> str | None:
        """Cancel an order; return why it has not ended, or None.

        The venue's answer is recorded, be it `canceled` or `filled`.
        """
        venue = self._venues.get(order.venue)
        if venue is None:
            return f"venue {order.venue} is not configured"
        try:
            with anyio.fail_after(CANCEL_SECONDS):
                report = await _ask(venue, order)
            if report is None:
                return "neither cancelled nor found"
            await self._recorder.record(report)
        except (VenueError, DatabaseUnavailableError, TimeoutError) as error:
            detail = str(error) or "timed out"
            log.warning("entry cancel deferred", order=order.client_order_id, error=detail)
            return f"{type(error).__name__}: {detail}"
        except Exception as error:  # noqa: BLE001 - an adapter's mistake about one: the others go on
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("entry not cancelled", order=order.client_order_id, traceback=trace)  # noqa: TRY400
            return describe_error(error)
        if report.status not in FINAL:
            return f"the venue says it is {report.status} still"
        log.info(
            "resting entry ended",
            order=order.client_order_id,
            bot=order.bot,
            status=report.status,
            why=reason,
        )
        return None


def _paused(
    order: RestingEntry, spec: BotSpec, now: datetime, currencies: CurrencyConverter
) -> str | None:
    """Return why the bot is paused: by the user, or by the counters as they are; else None.

    A pause of yesterday's limits does not count.
    """
    if order.paused_by_user:
        return "its bot is paused"
    limit = reached_limit(spec, order, local_day(now, spec.day_zone), currencies)
    return None if limit is None else f"its bot is paused ({limit})"


async def _ask(venue: Venue, order: RestingEntry) -> OrderReport | None:
    """Cancel an order at its venue.

    Returns None when the venue has neither cancelled it nor knows it; reconciliation searches for
    it.
    """
    try:
        report: OrderReport | None = await venue.cancel(order.symbol, order.client_order_id)
    except OrderRejectedError:  # too late: it has filled, or has ended already
        report = (await venue.find_order(order.symbol, order.client_order_id)).report
    if (
        report is not None
        and (reason := answer_contradiction(order.client_order_id, report)) is not None
    ):
        raise VenueError(reason)
    return report
