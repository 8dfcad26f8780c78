"""Booking of fills: the order, the position, the bot's day. Once each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, NamedTuple

import structlog

from tradebotd.domain.alert_code import AlertCode
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill, contents_changed, split
from tradebotd.domain.ids import OrderId, PositionId
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRole, OrderStatus, moved
from tradebotd.domain.position import Position, PositionTotals, paid_elsewhere
from tradebotd.domain.side import PositionSide, Side
from tradebotd.ports.clock import Clock
from tradebotd.storage import alerts, dust, externals, fills, orders, positions, symbols
from tradebotd.storage.fills import FeeWorth
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.positions import LockedPosition
from tradebotd.storage.postgres.database import Connection
from tradebotd.trading.account.bot_days import BotDays
from tradebotd.trading.contradiction_alarms import alert_order, counted_by_now, subject_of
from tradebotd.trading.contradictions import latest_possible
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.execution.fees import Fees
from tradebotd.trading.execution.fill_rules import (
    before_entry,
    closed_at_and_why,
    counted,
    counted_detail,
    exited,
    gap_through,
    misfit,
    without_excess,
)
from tradebotd.trading.execution.levels_after_fill import after_partial_exit, entered

log = structlog.get_logger(__name__)


# An exit's fill may arrive before the last one of its entry: then it did not fit yet.
OVERCOME: Final = [AlertCode.FILL_EXCEEDS_POSITION, AlertCode.FILL_NOT_APPLIED]


@dataclass(frozen=True, slots=True)
class Booked:
    """A booked fill: the part that is the position's, and the excess over what that held."""

    position_id: PositionId | None
    part: Fill | None
    excess: Fill | None = None
    elsewhere: Decimal = ZERO  # of the part's fee: paid by neither quote asset nor position


class FillLedger:
    def __init__(
        self,
        *,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        days: BotDays,
    ) -> None:
        self._fees = Fees(clock=clock, currencies=days.currencies)
        self._clock = clock
        self._instruments = instruments
        self._days = days

    async def apply(
        self, connection: Connection, stored: StoredOrder, fill: Fill, changes: CommittedChanges
    ) -> StoredOrder:
        """Apply a fill once; one that comes again and differs raises an alert, not an update."""
        if not fill.quantity:
            changes.ignored += 1
            log.warning("empty fill ignored", fill=str(fill))
            return stored
        recorded = await fills.select_fill(connection, fill.venue, fill.symbol, fill.trade_id)
        if recorded is not None:
            if recorded != fill:
                message = (
                    f"it came again, and {'; '.join(contents_changed(recorded, fill))}: {recorded}"
                )
                await self._alarm(connection, AlertCode.FILL_DIFFERS, fill, message)
            return stored
        instrument = await self._instrument(connection, stored.order.symbol)
        why = misfit(stored, fill) if instrument else "nothing is known of its symbol any more"
        if instrument is None or why is not None:
            await self._alarm(connection, AlertCode.FILL_NOT_APPLIED, fill, f"{why}: {fill}")
            return stored
        book = self._enter if stored.order.role is OrderRole.ENTRY else self._exit
        at = fill.executed_at
        fill = await counted_by_now(connection, fill, self._clock.now())
        rate = await self._fees.rate(connection, fill, instrument)
        booked = await book(connection, stored, fill, instrument, rate or ZERO, changes)
        if booked is None:
            return stored
        changes.fills += 1
        if booked.excess is None:
            await alerts.clear(connection, OVERCOME, subject_of(fill), self._clock.now())
        if booked.part is not None and booked.position_id is not None:
            if not await fills.insert_fill(
                connection,
                stored.order.id,
                booked.position_id,
                replace(booked.part, executed_at=at),
                FeeWorth(rate=rate, elsewhere=booked.elsewhere),
            ):
                raise AssertionError(f"fill {fill.trade_id} came in behind the order's lock")
            stored = await self._count(connection, stored, booked.part, booked.position_id)
        if booked.excess is not None:
            stored = await self._count_excess(connection, stored, booked.excess)
        return stored

    async def _instrument(self, connection: Connection, symbol: str) -> Instrument | None:
        """Return the instrument, also of a symbol that left the configuration: it may be filled."""
        configured = self._instruments.get(symbol)
        return configured or await symbols.select_instrument(connection, symbol)

    async def _count(
        self, connection: Connection, stored: StoredOrder, fill: Fill, position_id: PositionId
    ) -> StoredOrder:
        after = counted(stored, fill)
        order = replace(after.order, position_id=position_id)
        if order.filled_quantity > order.quantity:
            reason = f"{order.filled_quantity:f} was filled of {order.quantity:f} that were ordered"
            await alert_order(connection, stored, reason, self._clock.now())
        await orders.update_filled(
            connection,
            order.id,
            order.filled_quantity,
            after.average_price or ZERO,
            position_id=position_id,
            status=order.status,
            at=self._clock.now(),
        )
        return replace(after, order=order)

    async def _count_excess(
        self, connection: Connection, stored: StoredOrder, excess: Fill
    ) -> StoredOrder:
        """Book what was not ours to sell with the external fills, so that the order settles.

        A forced close of more than we hold is reported as a forced close; what earlier futures have
        left as dust is booked to them, and is no turn of the position.
        """
        order = stored.order
        await externals.insert_excess(connection, excess, order.id)
        status = await orders.add_excess(
            connection,
            order.id,
            excess.quantity,
            whole=moved(order.status, OrderStatus.FILLED),
            part=moved(order.status, OrderStatus.PARTIALLY_FILLED),
            at=self._clock.now(),
        )
        known = order.role is OrderRole.ENTRY or excess.forced is not None
        if not known and not await self._is_of_dust(connection, stored, excess):
            message = f"{excess.quantity:f} more than the position held was exited: {excess}"
            await self._alarm(connection, AlertCode.FILL_EXCEEDS_POSITION, excess, message)
        return replace(stored, order=replace(order, status=status))

    async def _is_of_dust(self, connection: Connection, stored: StoredOrder, excess: Fill) -> bool:
        if stored.position_type is not PositionType.FUTURES:
            return False
        closed = PositionSide.LONG if excess.side is Side.SELL else PositionSide.SHORT
        left = await positions.select_futures_dust(connection, excess.venue, excess.symbol, closed)
        return excess.quantity <= sum(quantity for _, quantity in left)

    async def _enter(
        self,
        connection: Connection,
        stored: StoredOrder,
        fill: Fill,
        instrument: Instrument,
        rate: Decimal,
        changes: CommittedChanges,
    ) -> "Booked | None":
        """Enter the fill into the bot's open position in the symbol, even another order's.

        A bot has one position in a symbol. A fill to the other side is not entered: the venue has
        netted the two, which raises an alert, and is settled like an exit of more than is held.
        """
        order = stored.order
        open_id = await positions.select_open_id(connection, order.bot, order.symbol)
        locked = None if open_id is None else await positions.lock(connection, open_id)
        side, before = before_entry(stored, locked)
        if before.side is not side:
            message = f"it enters {side} where {order.bot} is {before.side}: {fill}"
            await self._alarm(connection, AlertCode.FILL_NOT_APPLIED, fill, message)
            return Booked(None, None, fill)
        books = before.entered(fill, instrument.base_asset, rate)
        position = entered(stored, fill, locked, books, instrument)
        pnl = books.realized_pnl - before.realized_pnl
        first = 1 if order.filled_quantity == 0 else 0
        counted_by = await self._count_day(
            connection, stored, fill, pnl, instrument, trades=first, in_position=True
        )
        if locked is None:
            position_id = await positions.insert_position(
                connection, position, books, stored.leverage
            )
            position = replace(position, id=position_id)
            changes.opened.append(position)
        else:
            await positions.update_books(connection, position.id, books, None)
            await positions.update_levels(connection, position)
            changes.changed.append(position)
        await self._note_day(connection, stored, fill, pnl, instrument, rate=counted_by)
        elsewhere = paid_elsewhere(before, books, fill, instrument)
        return Booked(position.id, fill, None, elsewhere)

    async def _exit(
        self,
        connection: Connection,
        stored: StoredOrder,
        fill: Fill,
        instrument: Instrument,
        rate: Decimal,
        changes: CommittedChanges,
    ) -> "Booked | None":
        """Exit as much as is held, and the dust that goes with it.

        Of spot that is old dust which the order takes along, of futures what the position itself
        has left at the venue. Both legs of a pair may fill in a fast market, and sell more. Returns
        None, with an alert, while an entry of the bot is not settled and may still bring what was
        sold.
        """
        order = stored.order
        position_id = order.position_id
        locked = None if position_id is None else await positions.lock(connection, position_id)
        if locked is None or position_id is None:
            raise AssertionError(f"exit order {order.id} has no position")
        held = locked.books.quantity
        part, of_dust, swept, excess = await _shares(connection, order.id, fill, locked.books)
        if excess and await orders.is_entry_unsettled(connection, order.bot, order.symbol):
            message = f"{fill.quantity:f} exited where {held:f} was held: {fill}"
            await self._alarm(connection, AlertCode.FILL_EXCEEDS_POSITION, fill, message)
            return None
        if part is None and of_dust is None and swept is None:
            return Booked(position_id, None, excess)
        books, closed, still = locked.books, None, None
        if part is not None:
            books = exited(books, order, fill, instrument, rate, part=part)
            still = books.quantity > 0
        if of_dust is not None:
            books = books.closing_dust(of_dust, instrument.base_asset, rate)
            changes.of_dust.append((locked.position, books))
        if swept is not None:
            books = books.sweeping(swept, instrument.base_asset, rate)
        if still is False:
            horizon = latest_possible(self._clock.now())
            latest = await fills.select_latest(connection, position_id, horizon)
            closed = closed_at_and_why(latest, order.reason, fill)
            changes.closed.append((locked.position, books, closed[1]))
        pnl = books.realized_pnl - locked.books.realized_pnl
        counted_by = await self._count_day(
            connection, stored, fill, pnl, instrument, trades=0, in_position=still
        )
        await positions.update_books(connection, position_id, books, closed)
        if part is not None:
            await self._update_remainder(
                connection, stored, locked, books, part=part, instrument=instrument, changes=changes
            )
        await self._note_day(connection, stored, fill, pnl, instrument, rate=counted_by)
        mine = without_excess(fill, excess)
        elsewhere = paid_elsewhere(locked.books, books, mine, instrument)
        return Booked(position_id, mine, excess, elsewhere)

    async def _update_remainder(
        self,
        connection: Connection,
        stored: StoredOrder,
        locked: LockedPosition,
        books: PositionTotals,
        *,
        part: Fill,
        instrument: Instrument,
        changes: CommittedChanges,
    ) -> None:
        """Update the levels of what is left, and report the gap through the level that was met."""
        before = locked.position
        if books.quantity:
            remaining = after_partial_exit(
                stored, part.quantity, before, books.quantity, instrument
            )
            if replace(remaining, quantity=before.quantity, version=before.version) != before:
                await positions.update_levels(connection, remaining)
            changes.changed.append(remaining)
        await self._note_gap(connection, stored, before, part, changes)

    async def _note_gap(
        self,
        connection: Connection,
        stored: StoredOrder,
        position: Position,
        fill: Fill,
        changes: CommittedChanges,
    ) -> None:
        """Record the gap where the market has gone through the level that a stop names."""
        order, gap = stored.order, gap_through(stored, position, fill)
        if gap is not None:
            changes.gaps[position.id] = gap
            detail = {"gap": gap.as_fields()}
            await orders.note(connection, order.id, self._clock.now(), order.status, detail)

    async def _count_day(
        self,
        connection: Connection,
        stored: StoredOrder,
        fill: Fill,
        pnl: Decimal,
        instrument: Instrument,
        *,
        trades: int,
        in_position: bool | None,
    ) -> Decimal | None:
        """Count *pnl* in the account's currency; return the conversion rate, None: none is known.

        The bot's state is locked by it: before the books are written, whose sums follow.
        """
        return await self._days.count(
            connection,
            stored.order.bot,
            fill.executed_at,
            pnl,
            instrument.quote_asset,
            trades=trades,
            in_position=in_position,
        )

    async def _note_day(
        self,
        connection: Connection,
        stored: StoredOrder,
        fill: Fill,
        pnl: Decimal,
        instrument: Instrument,
        *,
        rate: Decimal | None,
    ) -> None:
        """Note with the order by which conversion rate *pnl* was counted, if it was converted."""
        order, asset = stored.order, instrument.quote_asset
        currency = self._days.currencies.currency
        if asset == currency:
            return
        detail = counted_detail(fill, pnl, asset, currency, rate)
        await orders.note(connection, order.id, self._clock.now(), order.status, detail)
        if rate is None:
            log.warning(
                "conversion rate not found",
                bot=order.bot,
                pnl=pnl,
                asset=asset,
            )

    async def _alarm(
        self, connection: Connection, code: AlertCode, fill: Fill, message: str
    ) -> None:
        subject, now = subject_of(fill), self._clock.now()
        if await alerts.raise_alert(connection, code, "critical", subject, message, now):
            log.error("mismatched fill found", code=code, subject=subject, detail=message)


class Shares(NamedTuple):
    """Parts of an exit's fill: the position, its own dust, old dust taken along, none of them."""

    part: Fill | None
    of_dust: Fill | None = None
    swept: Fill | None = None
    excess: Fill | None = None


async def _shares(
    connection: Connection, order_id: OrderId, fill: Fill, books: PositionTotals
) -> Shares:
    part, rest = split(fill, books.quantity)
    if rest is None:
        return Shares(part)
    of_dust, rest = split(rest, books.closable_dust)
    if rest is None:
        return Shares(part, of_dust)
    swept, excess = split(rest, await dust.lock_for_order(connection, order_id))
    return Shares(part, of_dust, swept, excess)
