"""What a venue said of an order, written down once: status, fills, position, the bot's day.

Every way in (answer, poll, reconciliation) leads here, and nothing moves backwards.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Protocol

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.ids import BotName, ClientOrderId, PositionId
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import LEGAL_TRANSITIONS, OrderReport, OrderStatus
from tradebotd.domain.position import Position
from tradebotd.ports.clock import Clock
from tradebotd.storage import orders
from tradebotd.storage.database import Connection, Database, Lane
from tradebotd.storage.orders import StoredOrder
from tradebotd.trading.fill_ledger import Effects, FillLedger

log = structlog.get_logger(__name__)

RECORD_SECONDS: Final = 5.0


class PositionWatcher(Protocol):
    """Who must know at once what is held: protection."""

    def watch(self, position: Position) -> None: ...

    def forget(self, position_id: PositionId) -> None: ...

    def release(self, position_id: PositionId) -> None:
        """Its exit came to nothing: it may trigger again."""
        ...


class OrderRecorder:
    """*specs* by bot name is shared with whoever reloads the configuration."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        specs: Mapping[BotName, BotSpec],
        watcher: PositionWatcher,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = FillLedger(clock=clock, instruments=instruments, specs=specs)
        self._watcher = watcher
        # Orders that this process is sending: a venue's "never seen" means nothing of them yet.
        self.in_flight: set[ClientOrderId] = set()

    async def record(self, report: OrderReport) -> Effects:
        """A venue's report and its fills, in one durable transaction.

        Shielded with a deadline of its own: what was sent must not stay unrecorded because
        somebody lost patience. Raises DatabaseUnavailableError; reconciliation then asks again.
        """
        return await self._shielded(report.client_order_id, report.status, report, report.reason)

    async def record_rejected(self, client_order_id: ClientOrderId, reason: str) -> Effects:
        return await self._shielded(client_order_id, OrderStatus.REJECTED, None, reason)

    async def record_unknown(self, client_order_id: ClientOrderId, reason: str) -> Effects:
        return await self._shielded(client_order_id, OrderStatus.UNKNOWN, None, reason)

    async def _shielded(
        self,
        client_order_id: ClientOrderId,
        status: OrderStatus,
        report: OrderReport | None,
        reason: str | None,
    ) -> Effects:
        effects = Effects()
        with anyio.fail_after(RECORD_SECONDS, shield=True):
            async with self._database.transaction(Lane.ORDERS, durable=True) as connection:
                stored = await orders.lock(connection, client_order_id)
                if stored is None:
                    log.warning("report of an order that is not ours", order=client_order_id)
                    return effects
                for fill in () if report is None else report.fills:
                    stored = await self._ledger.apply(connection, stored, fill, effects)
                await self._move(connection, stored, status, report, reason, effects)
        self._tell(effects)
        return effects

    async def _move(
        self,
        connection: Connection,
        stored: StoredOrder,
        status: OrderStatus,
        report: OrderReport | None,
        reason: str | None,
        effects: Effects,
    ) -> None:
        order = stored.order
        if status is order.status or status not in LEGAL_TRANSITIONS[order.status]:
            status = order.status
        settled = await orders.update_state(
            connection,
            order.id,
            status,
            venue_order_id=None if report is None else report.venue_order_id,
            venue_filled_quantity=None if report is None else report.filled_quantity,
            reason=reason if status is OrderStatus.REJECTED else None,
            at=self._clock.now(),
        )
        if settled and stored.exit_group_id is not None:
            await orders.close_exit_group(connection, stored.exit_group_id)
            if order.position_id is not None:
                effects.released.append(order.position_id)

    # After the commit

    def _tell(self, effects: Effects) -> None:
        closed = {position.id for position, _, _ in effects.closed}
        for position in effects.opened:
            self._watcher.watch(position)
            log.info("position opened", **_words(position, position.entry_price))
        for position in effects.changed:
            if position.id not in closed:
                self._watcher.watch(position)
        for position, books, reason in effects.closed:
            self._watcher.forget(position.id)
            log.info(
                "position closed",
                **_words(position, books.exit_price),
                close_reason=reason,
                realized_pnl=books.realized_pnl,
            )
        for position_id in effects.released:
            if position_id not in closed:
                self._watcher.release(position_id)


def _words(position: Position, price: Decimal | None) -> dict[str, object]:
    return {
        "bot": position.bot,
        "symbol": position.symbol,
        "side": position.side,
        "quantity": position.quantity,
        "price": price,
    }
