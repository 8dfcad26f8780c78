"""Booking of a usual report: all of its fills at once, where the ledger would book one by one.

Usual: new fills, all of one position and one day, no more than was ordered and is held, fees in the
quote or the base asset. Everything else is the ledger's (`fill_ledger.py`), with the same result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import Any, Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderRole, OrderStatus, moved
from tradebotd.domain.position import CloseReason, Position, PositionTotals, paid_elsewhere
from tradebotd.ports.clock import Clock
from tradebotd.storage import orders, positions, report_rows
from tradebotd.storage.fills import Latest
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.positions import LockedPosition
from tradebotd.storage.postgres.database import Connection
from tradebotd.storage.report_rows import BookedFill, DayRow, OrderRow, PositionRow, ReportRows
from tradebotd.trading.account.bot_days import BotDays
from tradebotd.trading.contradiction_alarms import subject_of
from tradebotd.trading.contradictions import clock_contradiction, latest_possible
from tradebotd.trading.execution.committed_changes import CommittedChanges
from tradebotd.trading.execution.fees import known_rate
from tradebotd.trading.execution.fill_ledger import OVERCOME
from tradebotd.trading.execution.fill_rules import (
    before_entry,
    closed_at_and_why,
    counted,
    counted_detail,
    exited,
    gap_through,
    misfit,
)
from tradebotd.trading.execution.levels_after_fill import after_partial_exit, entered
from tradebotd.trading.execution.outcome import Outcome

EXACT: Final = Context(prec=200)  # for sums that PostgreSQL would make


@dataclass(slots=True, kw_only=True)
class Draft:
    """Position as fill after fill changes it, in memory."""

    position: Position
    books: PositionTotals
    is_new: bool
    trades: int
    in_position: bool
    closed: tuple[datetime, CloseReason] | None = None
    booked: list[BookedFill] = field(default_factory=list)
    gains: list[Decimal] = field(default_factory=list)
    notes: list[tuple[OrderStatus, Mapping[str, Any]]] = field(default_factory=list)
    changes: CommittedChanges = field(default_factory=CommittedChanges)

    def add(
        self, fill: Fill, rate: Decimal, before: PositionTotals, instrument: Instrument
    ) -> None:
        elsewhere = paid_elsewhere(before, self.books, fill, instrument)
        self.booked.append(BookedFill(fill=fill, rate=rate, elsewhere=elsewhere))
        self.gains.append(self.books.realized_pnl - before.realized_pnl)
        self.changes.fills += 1


class ReportBooking:
    def __init__(
        self, *, clock: Clock, instruments: Mapping[str, Instrument], days: BotDays
    ) -> None:
        self._clock = clock
        self._instruments = instruments
        self._days = days

    async def book(
        self,
        connection: Connection,
        stored: StoredOrder,
        fills: Sequence[Fill],
        outcome: Outcome,
        changes: CommittedChanges,
    ) -> bool | None:
        """Book the report of a locked order; return whether the order is settled now.

        Returns None, with nothing written, where the report is not usual. Raises
        OpenedMeanwhileError.
        """
        order, now = stored.order, self._clock.now()
        instrument = self._instruments.get(order.symbol)
        if instrument is None or not self._is_usual(stored, fills, instrument, now):
            return None
        after = [stored]
        for fill in fills:
            after.append(counted(after[-1], fill))
        book = self._enter if order.role is OrderRole.ENTRY else self._exit
        draft = await book(connection, after, fills, instrument, now)
        if draft is None:
            return None
        status = moved(after[-1].order.status, outcome.status(after[-1]))
        if moved(order.status, status) is not status:
            return None  # it takes two steps
        rows = self._rows(after[-1], fills, draft, instrument, outcome, status=status, now=now)
        position_id, settled = await report_rows.write(connection, rows)
        _tell(changes, draft.changes, position_id)
        return settled

    def _is_usual(
        self,
        stored: StoredOrder,
        fills: Sequence[Fill],
        instrument: Instrument,
        now: datetime,
    ) -> bool:
        order = stored.order
        for fill in fills:
            if misfit(stored, fill) is not None or not fill.quantity:
                return False
            if clock_contradiction(fill, now) is not None:
                return False
            if known_rate(fill, instrument) is None:
                return False
        # Unusual is neither an order with an excess, which counts in `excess_quantity` alone, as in
        # the ledger, nor a final one: a fill is a fact, and `counted` leaves such a status alone.
        filled = sum((fill.quantity for fill in fills), order.filled_quantity)
        return (
            filled <= order.quantity
            and len({fill.trade_id for fill in fills}) == len(fills)
            and len({self._days.of(order.bot, fill.executed_at) for fill in fills}) == 1
            and self._days.currencies.knows(instrument.quote_asset)
        )

    async def _enter(
        self,
        connection: Connection,
        after: Sequence[StoredOrder],
        fills: Sequence[Fill],
        instrument: Instrument,
        _: datetime,
    ) -> Draft | None:
        stored, order = after[0], after[0].order
        trades = [fill.trade_id for fill in fills]
        is_known, locked = await report_rows.meet_entry(
            connection, order.bot, order.venue, order.symbol, trades
        )
        side, before = before_entry(stored, locked)
        if is_known or before.side is not side:
            return None
        draft: Draft | None = None
        for state, fill in zip(after, fills, strict=False):
            rate = known_rate(fill, instrument)
            if rate is None:
                return None
            books = before.entered(fill, instrument.base_asset, rate)
            position = entered(stored, fill, locked, books, instrument)
            if draft is None:
                draft = Draft(
                    position=position,
                    books=books,
                    is_new=locked is None,
                    trades=1 if order.filled_quantity == 0 else 0,
                    in_position=True,
                )
            draft.position, draft.books = position, books
            told = draft.changes.opened if locked is None else draft.changes.changed
            told.append(position)
            draft.add(fill, rate, before, instrument)
            self._note_day(draft, state, fill, instrument)
            locked = _as_locked(position, books)
            before = books
        return draft

    async def _exit(
        self,
        connection: Connection,
        after: Sequence[StoredOrder],
        fills: Sequence[Fill],
        instrument: Instrument,
        now: datetime,
    ) -> Draft | None:
        order = after[0].order
        position_id = order.position_id
        locked = None if position_id is None else await positions.lock(connection, position_id)
        if locked is None or position_id is None:
            return None
        is_known, latest = await report_rows.meet_exit(
            connection,
            position_id,
            order.venue,
            order.symbol,
            [fill.trade_id for fill in fills],
            horizon=latest_possible(now),
        )
        if is_known:
            return None
        draft = Draft(
            position=locked.position,
            books=locked.books,
            is_new=False,
            trades=0,
            in_position=True,
        )
        for state, fill in zip(after, fills, strict=False):
            before, held = draft.books, draft.position
            rate = known_rate(fill, instrument)
            if rate is None or fill.quantity > before.quantity:
                return None
            draft.books = exited(before, state.order, fill, instrument, rate)
            draft.in_position = draft.books.quantity > 0
            if not draft.in_position:
                draft.closed = closed_at_and_why(latest, order.reason, fill)
                draft.changes.closed.append((held, draft.books, draft.closed[1]))
            else:
                left = draft.books.quantity
                draft.position = after_partial_exit(state, fill.quantity, held, left, instrument)
                draft.changes.changed.append(draft.position)
            gap = gap_through(state, held, fill)
            if gap is not None:
                draft.changes.gaps[held.id] = gap
                draft.notes.append((state.order.status, {"gap": gap.as_fields()}))
            draft.add(fill, rate, before, instrument)
            self._note_day(draft, state, fill, instrument)
            latest = _with(latest, order.reason, fill)
        return draft

    def _rows(
        self,
        stored: StoredOrder,
        fills: Sequence[Fill],
        draft: Draft,
        instrument: Instrument,
        outcome: Outcome,
        *,
        status: OrderStatus,
        now: datetime,
    ) -> ReportRows:
        order, reason = stored.order, outcome.reason_of(status)
        return ReportRows(
            order=OrderRow(
                id=order.id,
                filled_quantity=order.filled_quantity,
                average_price=stored.average_price or ZERO,
                status=status,
                venue_order_id=outcome.venue_order_id,
                venue_filled_quantity=outcome.venue_filled_quantity,
                reason=reason,
                at=now,
            ),
            position=PositionRow(
                position=draft.position,
                books=draft.books,
                is_new=draft.is_new,
                leverage=stored.leverage,
                closed=draft.closed,
            ),
            day=self._day(stored, fills[0], draft, instrument),
            fills=draft.booked,
            events=[*draft.notes, (status, orders.detail_of(reason))],
            overcome=(OVERCOME, [subject_of(fill) for fill in fills]),
        )

    def _note_day(
        self, draft: Draft, stored: StoredOrder, fill: Fill, instrument: Instrument
    ) -> None:
        """Note the conversion rate by which the fill's gain counts, if it is converted."""
        currencies, asset = self._days.currencies, instrument.quote_asset
        if asset != currencies.currency:
            gain, rate = draft.gains[-1], currencies.rate(asset)
            detail = counted_detail(fill, gain, asset, currencies.currency, rate)
            draft.notes.append((stored.order.status, detail))

    def _day(
        self, stored: StoredOrder, first: Fill, draft: Draft, instrument: Instrument
    ) -> DayRow:
        currencies = self._days.currencies
        rate = currencies.rate(instrument.quote_asset)
        gains = [gain * rate for gain in draft.gains]
        with localcontext(EXACT):
            pnl = sum(gains, ZERO)
        return DayRow(
            bot=stored.order.bot,
            day=self._days.of(stored.order.bot, first.executed_at),
            pnl=pnl,
            trades=draft.trades,
            in_position=draft.in_position,
        )


def _as_locked(position: Position, books: PositionTotals) -> LockedPosition:
    return LockedPosition(position=position, books=books, is_open=True, close_reason=None)


def _with(latest: Latest, reason: str | None, fill: Fill) -> Latest:
    """Return the latest fills of a position behind one more, of an exit made for *reason*."""
    at = fill.executed_at
    if latest.exited_at is None or at >= latest.exited_at:
        latest = latest._replace(exited_at=at, exit_reason=reason)
    return latest._replace(at=at if latest.at is None else max(latest.at, at))


def _tell(changes: CommittedChanges, made: CommittedChanges, position_id: PositionId) -> None:
    """Add to *changes* what was *made*, with the id that a new position has got."""
    changes.fills += made.fills
    changes.opened += [replace(each, id=position_id) for each in made.opened]
    changes.changed += [replace(each, id=position_id) for each in made.changed]
    changes.closed += made.closed
    changes.gaps |= made.gaps
