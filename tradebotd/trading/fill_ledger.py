"""What a fill does to the books: the order, the position, the bot's day. Once each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.books import PositionBooks
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import LEGAL_TRANSITIONS, OrderRole, OrderStatus
from tradebotd.domain.position import CloseReason, Position
from tradebotd.domain.side import PositionSide, Side
from tradebotd.ports.clock import Clock
from tradebotd.risk.exits import better, levels_for, trail
from tradebotd.storage import alerts, bots, fills, orders, positions
from tradebotd.storage.database import Connection
from tradebotd.storage.orders import StoredOrder
from tradebotd.storage.positions import LockedPosition
from tradebotd.trading.days import local_day

log = structlog.get_logger(__name__)

_NO_POSITION: Final = PositionId(0)


@dataclass(slots=True)
class Effects:
    """What a transaction changed, told once it has committed."""

    opened: list[Position] = field(default_factory=list)
    changed: list[Position] = field(default_factory=list)
    closed: list[tuple[Position, PositionBooks, CloseReason]] = field(default_factory=list)
    released: list[PositionId] = field(default_factory=list)
    fills: int = 0


class FillLedger:
    """*specs* by bot name is shared with whoever reloads the configuration."""

    def __init__(
        self,
        *,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        specs: Mapping[BotName, BotSpec],
    ) -> None:
        self._clock = clock
        self._instruments = instruments
        self._specs = specs

    async def apply(
        self, connection: Connection, stored: StoredOrder, fill: Fill, effects: Effects
    ) -> StoredOrder:
        """One fill, once. A repeated one is compared; a difference is an alarm, not an update."""
        known = await fills.select_fill(connection, fill.venue, fill.symbol, fill.trade_id)
        if known is not None:
            if known != fill:
                message = f"it came again with other contents: {known} / {fill}"
                await self._alarm(connection, "fill_differs", fill, message)
            return stored
        instrument = self._instruments.get(stored.order.symbol)
        if instrument is None:
            message = f"nothing is known of its symbol any more: {fill}"
            await self._alarm(connection, "fill_not_applied", fill, message)
            return stored
        book = self._enter if stored.order.role is OrderRole.ENTRY else self._exit
        position_id = await book(connection, stored, fill, instrument, effects)
        if position_id is None:
            return stored
        if not await fills.insert_fill(connection, stored.order.id, position_id, fill):
            raise AssertionError(f"fill {fill.trade_id} came in behind the order's lock")
        effects.fills += 1
        return await self._count(connection, stored, fill, position_id)

    async def _count(
        self, connection: Connection, stored: StoredOrder, fill: Fill, position_id: PositionId
    ) -> StoredOrder:
        order = stored.order
        filled = order.filled_quantity + fill.quantity
        paid = (stored.average_price or ZERO) * order.filled_quantity + fill.price * fill.quantity
        average = paid / filled
        wanted = OrderStatus.FILLED if filled >= order.quantity else OrderStatus.PARTIALLY_FILLED
        # A fill is a fact: it is applied to a final order, too, whose status then stays.
        status = wanted if wanted in LEGAL_TRANSITIONS[order.status] else order.status
        at = self._clock.now()
        await orders.update_filled(connection, order.id, filled, average, position_id, status, at)
        moved = replace(order, filled_quantity=filled, status=status, position_id=position_id)
        return replace(stored, order=moved, average_price=average)

    async def _enter(
        self,
        connection: Connection,
        stored: StoredOrder,
        fill: Fill,
        instrument: Instrument,
        effects: Effects,
    ) -> PositionId | None:
        """Into the position that is open, be it another order's: a bot has one in a symbol.

        None: that one is of the other side, which is said.
        """
        order = stored.order
        side = PositionSide.LONG if order.side is Side.BUY else PositionSide.SHORT
        locked = None
        open_id = await positions.select_open_id(connection, order.bot, order.symbol)
        if open_id is not None:
            locked = await positions.lock(connection, open_id)
        before = PositionBooks(side=side) if locked is None else locked.books
        if before.side is not side:
            message = f"it enters {side} where {order.bot} is {before.side}: {fill}"
            await self._alarm(connection, "fill_not_applied", fill, message)
            return None
        books = before.entered(fill, instrument.base_asset)
        plan = stored.exits or ExitPlan()
        position = _entered(stored, fill, locked, books, plan, instrument)
        if locked is None:
            position_id = await positions.insert_position(
                connection, position, books, stored.leverage
            )
            position = replace(position, id=position_id)
            effects.opened.append(position)
        else:
            await positions.update_books(connection, position.id, books, None)
            await positions.update_levels(connection, position)
            effects.changed.append(position)
        pnl = books.realized_pnl - before.realized_pnl
        first = 1 if order.filled_quantity == 0 else 0
        await self._count_day(connection, order.bot, fill, pnl, trades=first, in_position=True)
        return position.id

    async def _exit(
        self,
        connection: Connection,
        stored: StoredOrder,
        fill: Fill,
        instrument: Instrument,
        effects: Effects,
    ) -> PositionId | None:
        """None: it sold more than is held. That is said, and nobody's quantity goes below zero."""
        order = stored.order
        position_id = order.position_id
        locked = None if position_id is None else await positions.lock(connection, position_id)
        if locked is None or position_id is None:
            raise AssertionError(f"exit order {order.id} has no position")
        if fill.quantity > locked.books.quantity:
            await self._alarm(
                connection,
                "fill_exceeds_position",
                fill,
                f"{fill.quantity:f} exited where {locked.books.quantity:f} was held: {fill}",
            )
            return None
        books = locked.books.exited(fill, instrument.base_asset, instrument.lot_size)
        closed = None
        if books.quantity == 0:
            closed = (fill.executed_at, close_reason(order.reason))
            effects.closed.append((locked.position, books, closed[1]))
        else:
            version = locked.position.version + 1
            left = replace(locked.position, quantity=books.quantity, version=version)
            effects.changed.append(left)
        await positions.update_books(connection, position_id, books, closed)
        pnl = books.realized_pnl - locked.books.realized_pnl
        still = closed is None
        await self._count_day(connection, order.bot, fill, pnl, trades=0, in_position=still)
        return position_id

    async def _count_day(
        self,
        connection: Connection,
        bot: BotName,
        fill: Fill,
        pnl: Decimal,
        *,
        trades: int,
        in_position: bool,
    ) -> None:
        spec = self._specs.get(bot)
        await bots.count_day(
            connection,
            bot,
            local_day(fill.executed_at, None if spec is None else spec.day_zone),
            pnl=pnl,
            trades=trades,
            in_position=in_position,
        )

    async def _alarm(self, connection: Connection, code: str, fill: Fill, message: str) -> None:
        subject = f"{fill.venue} {fill.symbol} {fill.trade_id}"
        now = self._clock.now()
        if await alerts.raise_alert(connection, code, "critical", subject, message, now):
            log.error("a fill does not fit", code=code, subject=subject, detail=message)


def _entered(
    stored: StoredOrder,
    fill: Fill,
    locked: LockedPosition | None,
    books: PositionBooks,
    plan: ExitPlan,
    instrument: Instrument,
) -> Position:
    """Levels are those of the new average; the best price stays, a trailing stop never loosens."""
    order = stored.order
    levels = levels_for(plan, books.side, books.entry_price, instrument)
    best = books.entry_price
    if locked is not None:
        former = locked.position
        best = better(books.side, former.best_price, best)
        levels = replace(levels, trailing_stop=former.trailing_stop)
        levels = trail(books.side, plan, levels, best, instrument)
    return Position(
        id=_NO_POSITION if locked is None else locked.position.id,
        bot=order.bot,
        venue=order.venue,
        symbol=order.symbol,
        side=books.side,
        position_type=stored.position_type,
        quantity=books.quantity,
        entry_price=books.entry_price,
        opened_at=fill.executed_at if locked is None else locked.position.opened_at,
        stop_loss=levels.stop_loss,
        take_profit=levels.take_profit,
        trailing_stop=levels.trailing_stop,
        best_price=best,
        exits=plan,
        version=1 if locked is None else locked.position.version + 1,
    )


def close_reason(reason: str | None) -> CloseReason:
    """An exit order's reason is the close reason of what it closes."""
    return CloseReason(reason) if reason in set(CloseReason) else CloseReason.EXTERNAL
