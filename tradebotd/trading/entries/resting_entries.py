"""Entries that rest at a venue: taken back when their time is over or nobody wants them."""

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import DatabaseUnavailableError, OrderRejectedError, VenueError
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
from tradebotd.trading.contradictions import of_answer
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.execution.recorder import OrderRecorder

log = structlog.get_logger(__name__)

CANCEL_SECONDS: Final = 10.0
CANCELS_AT_ONCE: Final = 24
SWEEP_SECONDS: Final = 20.0  # host seconds, for all of them
HURRIED_SECONDS: Final = 3.0  # of a job that has other work to do behind it

Unwanted = tuple[RestingEntry, str]  # and why


@dataclass(slots=True)
class CancelResult:
    """`cancelled`: order to its reason. `failed`: asked again at the next sweep."""

    resting: int = 0
    cancelled: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def note_in(self, summary: Summary) -> None:
        for order, why in self.cancelled.items():
            summary.attempted += 1
            summary.acted += 1
            summary.items[order] = f"entry taken back: {why}"
        for order, error in self.failed.items():
            summary.attempted += 1
            summary.fail(order, error)


@dataclass(slots=True)
class _Asking:
    """One cancel, for all who want it. `failed` None: it has ended at the venue."""

    over: anyio.Event = field(default_factory=anyio.Event)
    failed: str | None = "the cancel was cut short"


class RestingEntries:
    """A cancel that raced a fill leaves a position like any other; nothing is sent anew.

    They are cancelled side by side: one that its venue does not answer keeps no other.
    *sequential*: one after the other, where effects must repeat (speed 0). *specs* by bot name is
    shared with whoever reloads the configuration. `stirred`: something was stopped; `attend` waits
    for that.
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
        self._asking: dict[ClientOrderId, _Asking] = {}
        self.stirred = False
        self._wake = anyio.Event()

    def stir(self) -> None:
        """Something may have stopped what rests: whoever attends looks at once."""
        self.stirred = True
        self._wake.set()

    async def attend(self) -> None:
        """For ever: take back what rests as soon as it is stopped, whenever the jobs come."""
        while True:
            await self.attend_once()

    async def attend_once(self) -> None:
        """Wait until something was stopped, and see to it. What fails is for the next job."""
        await self._wake.wait()
        try:
            result = await self.sweep(self._clock.now())
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning("what rests waits for the next sweep", error=str(error))
            return
        if result.failed:
            log.warning("entries not taken back yet", failed=result.failed)

    async def sweep(self, now: datetime, patience: float = SWEEP_SECONDS) -> CancelResult:
        """Take back whatever has a reason to. Raises DatabaseUnavailableError.

        *patience*, in host seconds: what is not answered by then has failed, and is asked again.
        """
        self.stirred = False
        if self._wake.is_set():  # else whoever attends waits for this very one
            self._wake = anyio.Event()
        resting = await self._resting(None)
        unwanted = [(each, why) for each in resting if (why := self._unwanted(each, now))]
        return await self._take_back(resting, unwanted, patience)

    async def withdraw(
        self, bot: BotName, why: str, *, unless: PositionSide | None = None
    ) -> CancelResult:
        """Take back what rests for *bot*, but for entries to the side *unless*."""
        resting = await self._resting(bot)
        unwanted = [
            (each, why) for each in resting if unless is None or each.side is not unless.entry
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

        async def one(order: RestingEntry, why: str) -> None:
            result.failed[order.client_order_id] = "its venue did not answer in time"
            async with limiter:
                failed = await self._once(order, why)
            if failed is None:
                del result.failed[order.client_order_id]
                result.cancelled[order.client_order_id] = why
            else:
                result.failed[order.client_order_id] = failed

        with anyio.move_on_after(patience) as limit:
            async with anyio.create_task_group() as cancels:
                for order, why in unwanted:
                    cancels.start_soon(one, order, why)
        if limit.cancelled_caught and patience < SWEEP_SECONDS:
            self.stir()  # whoever attends has nothing else to do
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
        return _paused(order, spec, now, currencies) or self._gate.cancels_entries()

    async def _once(self, order: RestingEntry, why: str) -> str | None:
        """Somebody else may be cancelling it: then their answer is ours. None: it has ended."""
        asking = self._asking.get(order.client_order_id)
        if asking is not None:
            await asking.over.wait()
            return asking.failed
        asking = self._asking[order.client_order_id] = _Asking()
        try:
            asking.failed = await self._cancel(order, why)
        finally:
            del self._asking[order.client_order_id]
            asking.over.set()
        return asking.failed

    async def _cancel(self, order: RestingEntry, why: str) -> str | None:
        """Why it has not ended; what the venue says is recorded, be it `canceled` or `filled`."""
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
            words = str(error) or "timed out"
            log.warning("entry not cancelled yet", order=order.client_order_id, error=words)
            return f"{type(error).__name__}: {words}"
        except Exception as error:  # noqa: BLE001 - an adapter's mistake about one: the others go on
            trace = traceback.format_exc()  # not by exc_info: renderers read source files
            log.error("entry not cancelled", order=order.client_order_id, traceback=trace)  # noqa: TRY400
            return f"{type(error).__name__}: {error}"
        if report.status not in FINAL:
            return f"the venue says it is {report.status} still"
        log.info(
            "resting entry ended",
            order=order.client_order_id,
            bot=order.bot,
            status=report.status,
            why=why,
        )
        return None


def _paused(
    order: RestingEntry, spec: BotSpec, now: datetime, currencies: CurrencyConverter
) -> str | None:
    """By the user, or by the counters as they are: a pause of yesterday's is none."""
    if order.paused_by_user:
        return "its bot is paused"
    limit = reached_limit(spec, order, local_day(now, spec.day_zone), currencies)
    return None if limit is None else f"its bot is paused ({limit})"


async def _ask(venue: Venue, order: RestingEntry) -> OrderReport | None:
    """None: the venue has neither cancelled it nor knows of it; reconciliation seeks it."""
    try:
        report: OrderReport | None = await venue.cancel(order.symbol, order.client_order_id)
    except OrderRejectedError:  # too late: it has filled, or somebody else was faster
        report = (await venue.find_order(order.symbol, order.client_order_id)).report
    if report is not None and (why := of_answer(order.client_order_id, report)) is not None:
        raise VenueError(why)
    return report
