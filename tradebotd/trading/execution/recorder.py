"""Recording of a venue's reports, once each: status, fills, position, the bot's day.

Every way in (answer, poll, reconciliation) leads here, and nothing moves backwards.
"""

import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import DatabaseUnavailableError, OpenedMeanwhileError, RefusedError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, ClientOrderId, PositionId
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderReport, OrderStatus, moved
from tradebotd.domain.position import Position
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.clock import Clock
from tradebotd.storage import exit_groups, externals, orders
from tradebotd.storage.orders import NewOrder, StoredOrder
from tradebotd.storage.postgres.database import Connection, Database
from tradebotd.storage.postgres.rolled_back import repeated
from tradebotd.trading.account.bot_days import BotDays
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.contradiction_alarms import alert_order
from tradebotd.trading.contradictions import report_contradiction
from tradebotd.trading.execution.committed_changes import CommittedChanges, position_fields
from tradebotd.trading.execution.dust_write_off import write_off
from tradebotd.trading.execution.fill_ledger import FillLedger
from tradebotd.trading.execution.listeners import (
    ExternalOrderListener,
    PositionListener,
    PositionListeners,
)
from tradebotd.trading.execution.order_identity import was_seen
from tradebotd.trading.execution.outcome import INFERRED, UNCHANGED, Outcome, told_by
from tradebotd.trading.execution.report_booking import ReportBooking
from tradebotd.trading.execution.report_checks import fits, lock_order

log = structlog.get_logger(__name__)

RECORD_SECONDS: Final = 5.0

AlsoThen = Callable[[Connection, CommittedChanges], Awaitable[None]]


class OrderRecorder:
    """Recorder of reports. *specs* (by bot name) is shared with the configuration reload."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        specs: Mapping[BotName, BotSpec],
        currencies: CurrencyConverter,
    ) -> None:
        self._database = database
        self._clock = clock
        self.days = BotDays(specs, currencies)
        self._ledger = FillLedger(clock=clock, instruments=instruments, days=self.days)
        self._booking = ReportBooking(clock=clock, instruments=instruments, days=self.days)
        self.positions = PositionListeners()
        # Orders that this process is sending: a venue's "never seen" means nothing of them yet.
        self.in_flight: set[ClientOrderId] = set()
        self._fill_listeners: list[Callable[[], None]] = []
        self._external_orders: list[ExternalOrderListener] = []

    def subscribe(self, listener: PositionListener) -> None:
        """Notify *listener* after each commit that opens, changes or closes a position."""
        self.positions.add(listener)

    def subscribe_to_fills(self, listener: Callable[[], None]) -> None:
        """Notify *listener* after each fill: a limit of the bot's day may be reached by it."""
        self._fill_listeners.append(listener)

    def subscribe_to_external_orders(self, listener: ExternalOrderListener) -> None:
        """Notify *listener* of a stream's reports of orders that are not ours."""
        self._external_orders.append(listener)

    async def record(self, report: OrderReport, *others: OrderReport) -> CommittedChanges:
        """Record a venue's report and its fills, in one durable transaction.

        *others*: reports of exits that one call has placed or ended with it. Returns the changes by
        *report*. Shielded with a deadline of its own: what was sent must not stay unrecorded
        because a caller was cancelled. Raises DatabaseUnavailableError; reconciliation then asks
        again.
        """
        if others:
            return await self._record_together(report, *others)
        return await self._shielded(report.client_order_id, told_by(report), report.fills)

    async def _record_together(self, *reports: OrderReport) -> CommittedChanges:
        """Record all *reports* or none. Locks: all orders first, then as for one of them."""

        async def write(connection: Connection) -> dict[ClientOrderId, CommittedChanges]:
            changes = {report.client_order_id: CommittedChanges() for report in reports}
            locked = await orders.lock_all(connection, list(changes))
            for report in sorted(reports, key=lambda each: not each.fills):
                of_report = changes[report.client_order_id]
                stored = locked.get(report.client_order_id)
                if stored is None:
                    log.warning("external order reported", order=report.client_order_id)
                    of_report.is_foreign = True
                    continue
                await self._apply(
                    connection, stored, told_by(report), report.fills, changes=of_report
                )
            return changes

        with anyio.fail_after(RECORD_SECONDS, shield=True):
            changes = await repeated(self._database, write)
        for of_report in changes.values():
            self._notify(of_report)
        return changes[reports[0].client_order_id]

    async def record_rejected(
        self, client_order_id: ClientOrderId, reason: str
    ) -> CommittedChanges:
        told = Outcome(status=lambda _: OrderStatus.REJECTED, reason=reason)
        return await self._shielded(client_order_id, told)

    async def record_unknown(self, client_order_id: ClientOrderId, reason: str) -> CommittedChanges:
        told = Outcome(status=lambda _: OrderStatus.UNKNOWN, reason=reason)
        return await self._shielded(client_order_id, told)

    async def record_absent(self, stored: StoredOrder, reason: str) -> CommittedChanges:
        """Record an inferred absence. The order's own reason stays last: its fill may come yet."""
        inferred = Outcome(
            status=lambda now: OrderStatus.CANCELED if was_seen(now) else OrderStatus.REJECTED,
            reason=f"{INFERRED}: {reason}; made for {stored.order.reason}",
        )
        return await self._shielded(stored.order.client_order_id, inferred)

    async def record_fills(
        self, client_order_id: ClientOrderId, fills: Sequence[Fill]
    ) -> CommittedChanges:
        """Record fills of an order that the venue denies, or says nothing else of."""
        return await self._shielded(client_order_id, UNCHANGED, fills)

    async def write_off(
        self,
        position_id: PositionId,
        instrument: Instrument,
        is_dust: Callable[[Position], bool],
    ) -> None:
        """Close a position of which nothing can be sold any more, by *is_dust* of the locked row.

        Raises OrderDeniedError (an order of it is not settled; it can be sold now),
        DatabaseUnavailableError, TimeoutError.
        """

        async def write(connection: Connection) -> CommittedChanges:
            changes = CommittedChanges()
            await write_off(
                connection,
                position_id,
                is_dust,
                changes,
                days=self.days,
                instrument=instrument,
                now=self._clock.now(),
            )
            return changes

        with anyio.fail_after(RECORD_SECONDS, shield=True):
            changes = await repeated(self._database, write)
        self._notify(changes)

    async def on_order_report(self, report: OrderReport) -> None:
        """Record a report of a venue's order stream, and never end the stream.

        A report that cannot be recorded, or fails in an unforeseen way, is found by reconciliation.
        """
        try:
            changes = await self.record(report)
            if changes.is_foreign:
                for listener in self._external_orders:
                    await listener.on_external_order(report)
        except (DatabaseUnavailableError, TimeoutError) as error:
            log.warning(
                "order report not recorded",
                order=report.client_order_id,
                status=report.status,
                error=str(error) or "timed out",
            )
        except Exception:  # noqa: BLE001 - the next report may well be recorded
            log.error(  # noqa: TRY400
                "order report not recorded",
                order=report.client_order_id,
                status=report.status,
                traceback=traceback.format_exc(),  # not by exc_info: renderers read source files
            )

    async def adopt(
        self,
        account: str,
        token: int,
        order: NewOrder,
        fills: Sequence[Fill],
        also: AlsoThen | None = None,
    ) -> CommittedChanges:
        """Book external *fills* as *order*, which was never sent.

        All of them or none, with *also* in the same transaction. Raises as
        `storage.orders.insert_order`, RefusedError when the bot's position is no longer what it was
        when the order was made.
        """

        async def write(connection: Connection) -> CommittedChanges:
            changes = CommittedChanges()
            grouped = await _in_group(connection, order)
            await orders.insert_order(connection, account, token, grouped)
            await self._fill_adopted(connection, order, fills, changes)
            if also is not None:
                await also(connection, changes)
            return changes

        with anyio.fail_after(RECORD_SECONDS, shield=True):
            try:
                changes = await repeated(self._database, write)
            except OpenedMeanwhileError as error:
                raise RefusedError(
                    RefusalCode.CHANGED_MEANWHILE, str(error), "try again"
                ) from error
        self._notify(changes)
        return changes

    async def _fill_adopted(
        self,
        connection: Connection,
        order: NewOrder,
        fills: Sequence[Fill],
        changes: CommittedChanges,
    ) -> None:
        stored = await orders.lock(connection, order.client_order_id)
        if stored is None:
            raise AssertionError(f"order {order.id} was inserted and is not there")
        for fill in fills:
            stored = await self._ledger.apply(connection, stored, fill, changes)
        joined = order.intent.position_id is None and not changes.opened
        if changes.fills != len(fills) or joined or not changes.touched:
            raise RefusedError(RefusalCode.CHANGED_MEANWHILE, f"{order.intent.bot} traded just now")
        filled = Outcome(status=lambda _: OrderStatus.FILLED)
        await self._move(connection, stored, filled, changes)

    async def _shielded(
        self,
        client_order_id: ClientOrderId,
        outcome: Outcome,
        fills: Sequence[Fill] = (),
    ) -> CommittedChanges:
        """Write, shielded; again if the server rolled it back: until then an order that was filled
        has no position, and nothing guards it. How far the order is its lock says each time.

        Twice, too, if the first fills of two orders of a bot were written at once. The second
        attempt finds the position of the first order, and joins it.
        """

        async def write(connection: Connection) -> CommittedChanges:
            changes = CommittedChanges()
            stored = await lock_order(connection, client_order_id, outcome.report)
            if stored is None:
                log.warning("external order reported", order=client_order_id)
                changes.is_foreign = True
                return changes
            await self._apply(connection, stored, outcome, fills, changes=changes)
            return changes

        with anyio.fail_after(RECORD_SECONDS, shield=True):
            try:
                changes = await repeated(self._database, write)
            except OpenedMeanwhileError:
                changes = await repeated(self._database, write)
        self._notify(changes)
        return changes

    async def _apply(
        self,
        connection: Connection,
        stored: StoredOrder,
        outcome: Outcome,
        fills: Sequence[Fill],
        *,
        changes: CommittedChanges,
    ) -> None:
        """Write what is told of the order, which is locked."""
        report, now = outcome.report, self._clock.now()
        if report is not None and not await fits(connection, stored, report, now):
            changes.differs = True
            return
        if (
            report is not None
            and (contradiction := report_contradiction(stored, report)) is not None
        ):
            changes.contradiction = contradiction
            await alert_order(connection, stored, contradiction, now)
        # An algo order's execution may bear another name than the order.
        name = stored.order.client_order_id
        ours = [replace(fill, client_order_id=name) for fill in fills]
        if ours and changes.contradiction is None:
            settled = await self._booking.book(connection, stored, ours, outcome, changes)
            if settled is not None:
                await self._end_group(connection, stored, changes, settled=settled, at=outcome.at)
                return
        for fill in ours:
            stored = await self._ledger.apply(connection, stored, fill, changes)
        if changes.contradiction is None:
            await self._move(connection, stored, outcome, changes)

    async def _move(
        self,
        connection: Connection,
        stored: StoredOrder,
        outcome: Outcome,
        changes: CommittedChanges,
    ) -> None:
        order = stored.order
        status = moved(order.status, outcome.status(stored))
        settled = await orders.update_state(
            connection,
            order.id,
            status,
            venue_order_id=outcome.venue_order_id,
            venue_filled_quantity=outcome.venue_filled_quantity,
            reason=outcome.reason_of(status),
            at=self._clock.now(),
        )
        await self._end_group(connection, stored, changes, settled=settled, at=outcome.at)

    async def _end_group(
        self,
        connection: Connection,
        stored: StoredOrder,
        changes: CommittedChanges,
        *,
        settled: bool,
        at: datetime | None,
    ) -> None:
        """End the exit group of an order that is settled, if it is the last one."""
        if settled and stored.exit_group_id is not None:
            await exit_groups.close(connection, stored.exit_group_id)
            if stored.order.position_id is not None:
                changes.released[stored.order.position_id] = at or self._clock.now()

    # After the commit

    def _notify(self, changes: CommittedChanges) -> None:
        closed = {position.id for position, _, _ in changes.closed}
        if changes.fills:
            for listener in self._fill_listeners:
                listener()
        for position in changes.opened:
            self.positions.watch(position)
            log.info("position opened", **position_fields(position, position.entry_price))
        for position in changes.changed:
            if position.id not in closed:
                self.positions.watch(position)
        for position, books, reason in changes.closed:
            self.positions.forget(position.id)
            log.info(
                "position closed",
                **position_fields(position, books.exit_price),
                close_reason=reason,
                realized_pnl=books.realized_pnl,
                **({"dust": books.dust} if books.dust else {}),
                **changes.gap_fields(position.id),
            )
        for position, books in changes.of_dust:
            log.info(
                "dust closed",
                position=position.id,
                **position_fields(position, books.exit_price),
                realized_pnl=books.realized_pnl,
                dust=books.dust,
            )
        for position_id, at in changes.released.items():
            if position_id not in closed:
                self.positions.release(position_id, at)


async def _in_group(connection: Connection, order: NewOrder) -> NewOrder:
    """Put an exit that was executed already into a closed group: it takes no other exit's place."""
    position_id = order.intent.position_id
    if position_id is None:
        return order
    group = await externals.insert_closed_group(connection, position_id, order.created_at)
    return replace(order, exit_group_id=group)
