"""Exits: every tick through the trigger book, and a sweep over the database behind it.

Each can do the whole job alone, and both end in the same `_close`. A position that triggered stays
latched until its exit is settled, so that no tick sells it twice.
"""

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Final

import anyio
import structlog

from tradebotd.domain.candle import PathPoint
from tradebotd.domain.decimals import floor_to_step, from_float
from tradebotd.domain.errors import (
    DatabaseUnavailableError,
    OrderDeniedError,
    VenueError,
)
from tradebotd.domain.ids import OrderId, PositionId, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol, PositionType
from tradebotd.domain.order import OrderIntent, OrderRequest, OrderRole, OrderType, TimeInForce
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_book import PriceBook
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.risk.exits import ExitLevels, better, expired, trail, triggered
from tradebotd.risk.limits import approve_exit
from tradebotd.risk.trigger_book import Trigger, TriggerBook
from tradebotd.storage import positions
from tradebotd.storage.database import Database
from tradebotd.trading.fresh_prices import FreshPrices, Quotes
from tradebotd.trading.placement import Placement, Prepared
from tradebotd.trading.unprotected import Unprotected

log = structlog.get_logger(__name__)

CLOSES_AT_ONCE: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A position that must end: why, and the level a price crossed (None: at the market)."""

    position: Position
    reason: CloseReason
    level: Decimal | None = None


@dataclass(slots=True)
class SweepResult:
    checked: int = 0
    closed: int = 0
    waiting: dict[str, str] = field(default_factory=dict)  # what keeps an exit: market closed …
    failed: dict[str, str] = field(default_factory=dict)
    oldest_price: timedelta = timedelta()


class Protection:
    """Implements `recorder.PositionWatcher`; `placement` is set once the order flow stands.

    *sequential*: exits one after the other, by position, where effects must repeat (speed 0).
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        prices: PriceBook,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        venues: Mapping[VenueName, Venue],
        sequential: bool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._prices = prices
        self._symbols = symbols
        self._calendars = calendars
        self._venues = venues
        self._sequential = sequential
        self._hours = {
            name: calendars[symbol.calendar]
            for name, symbol in symbols.items()
            if symbol.calendar != ALWAYS_OPEN
        }
        self._book = TriggerBook()
        self._positions: dict[PositionId, Position] = {}
        self._moved: dict[PositionId, tuple[PositionId, Decimal, Decimal]] = {}
        self._fresh = FreshPrices(
            prices=prices, symbols=symbols, calendars=calendars, venues=venues
        )
        self._unprotected = Unprotected(database, clock)
        self._placement: Placement | None = None
        self.trades_closed = 0  # since the start

    def use(self, placement: Placement) -> None:
        self._placement = placement

    @property
    def held(self) -> Mapping[PositionId, Position]:
        """What is watched, by position."""
        return self._positions

    # PositionWatcher

    def watch(self, position: Position) -> None:
        symbol = self._symbols.get(position.symbol)
        if symbol is None:
            return
        known = position.id in self._positions
        self._positions[position.id] = position
        if known:
            self._book.update(position)
        else:
            self._book.add(position, symbol.instrument.tick_size)

    def forget(self, position_id: PositionId) -> None:
        if self._positions.pop(position_id, None) is not None:
            self.trades_closed += 1
        self._book.remove(position_id)

    def release(self, position_id: PositionId) -> None:
        if position_id in self._book:
            self._book.release(position_id)

    async def load(self, now: datetime) -> int:
        """Watch every open position; its best price is the stored one or the candles' since.

        Those are the session minutes that opened at or after the entry. What they move is stored
        at once, since the sweep reads the table.
        """
        count = 0
        moved: list[tuple[PositionId, Decimal, Decimal]] = []
        async for page in self._pages():
            extremes = await self._extremes(page, now)
            for stored in page:
                position = self._with_candles(stored, extremes.get(stored.id))
                if position != stored and position.trailing_stop is not None:
                    moved.append((position.id, position.best_price, position.trailing_stop))
                self.watch(position)
                count += 1
        await self._store_trails(moved)
        return count

    async def _extremes(
        self, page: Sequence[Position], now: datetime
    ) -> dict[PositionId, tuple[float, float]]:
        """(low, high) of each position's session minutes since its entry."""
        spans = [
            (position.id, max(position.opened_at, session.open), session.close)
            for position in page
            if (symbol := self._symbols.get(position.symbol)) is not None
            for session in self._calendars[symbol.calendar].sessions(position.opened_at, now)
        ]
        if not spans:
            return {}
        async with self._database.connection() as connection:
            return await positions.select_extremes(connection, spans)

    def _with_candles(self, position: Position, extremes: tuple[float, float] | None) -> Position:
        symbol = self._symbols.get(position.symbol)
        if extremes is None or symbol is None:
            return position
        low, high = (from_float(extreme) for extreme in extremes)
        side = position.side
        best = better(side, position.best_price, high if side.sign > 0 else low)
        levels = trail(side, position.exits, ExitLevels.of(position), best, symbol.instrument)
        return replace(position, best_price=best, trailing_stop=levels.trailing_stop)

    # Ticks

    def on_tick(self, point: PathPoint) -> Awaitable[None] | None:
        """None when nothing must be done, which costs two comparisons.

        What trades outside a symbol's session moves no stop: nothing could be sold there.
        """
        self._prices.record(point)
        hours = self._hours.get(point.symbol)
        if hours is not None and not hours.is_open(point.at):
            return None
        met = self._book.tick(point.symbol, point.price)
        return self._end(met) if met else None

    async def _end(self, met: Sequence[Trigger]) -> None:
        result = SweepResult()
        await self._close_all(self._exits(met), result)
        if result.failed or result.waiting:
            log.warning("exits not made", failed=result.failed, waiting=result.waiting)

    def _exits(self, met: Iterable[Trigger]) -> list[Exit]:
        return [
            Exit(position=self._positions[each.position_id], reason=each.reason, level=each.level)
            for each in met
        ]

    # The sweep

    async def sweep(self, now: datetime) -> SweepResult:
        """Check every open position against its levels and its holding time.

        Fresh prices come from memory; the rest is asked for in one call a venue. Raises
        DatabaseUnavailableError.
        """
        await self._persist_trails()
        result = SweepResult()
        quotes = Quotes()
        lost: dict[PositionId, str] = {}
        async for page in self._pages():
            result.checked += len(page)
            lost |= {each.id: why for each in page if (why := self._out_of_reach(each))}
            within = [each for each in page if each.id not in lost]
            await self._sweep_page(within, quotes, now, result)
        result.failed |= {str(position_id): why for position_id, why in lost.items()}
        await self._unprotected.tell(lost)
        return result

    def _out_of_reach(self, position: Position) -> str | None:
        if position.symbol not in self._symbols:
            return f"{position.symbol} is not configured"
        if position.venue not in self._venues:
            return f"venue {position.venue} is not configured"
        return None

    async def _sweep_page(
        self, page: Sequence[Position], quotes: Quotes, now: datetime, result: SweepResult
    ) -> None:
        """*quotes* last for the sweep: the first page asks for all that is held, in one call."""
        for position in page:
            known = self._positions.get(position.id)
            if known is None or known.version < position.version:
                self.watch(position)
        new = await self._fresh.add(quotes, chain(page, self._positions.values()), now)
        result.failed |= quotes.failed
        result.oldest_price = max(result.oldest_price, quotes.oldest)
        met: list[Trigger] = []
        for name, price in sorted(new.items()):  # they move trailing stops, too
            if self._calendars[self._symbols[name].calendar].is_open(now):
                met += self._book.tick(name, price)
        exits = {each.position.id: each for each in self._exits(met)}
        for position in page:
            if position.id in exits:
                continue
            found = self._due(position, quotes.get(position.symbol), now, result)
            if found is not None:
                exits[position.id] = found
        await self._close_all(list(exits.values()), result)

    def _due(
        self, position: Position, price: Decimal | None, now: datetime, result: SweepResult
    ) -> Exit | None:
        if expired(position.exits, position.opened_at, now):
            return Exit(position=position, reason=CloseReason.MAX_HOLDING)
        if price is None:
            result.failed[str(position.id)] = f"{position.symbol} has no fresh price"
            return None
        levels = ExitLevels.of(position)
        met = triggered(position.side, levels, price)
        return None if met is None else Exit(position=position, reason=met[0], level=met[1])

    async def beyond_their_stop(self, now: datetime) -> list[str]:
        """Open positions whose price has met an exit and that are still there.

        Those whose market is closed wait for it to open, and are not among them.
        """
        beyond = []
        async for page in self._pages():
            for position in page:
                price = self._prices.price(position.symbol)
                if price is None or not self._is_open(position):
                    continue
                met = triggered(position.side, ExitLevels.of(position), price)
                if met is not None or expired(position.exits, position.opened_at, now):
                    beyond.append(f"{position.bot} {position.symbol}")
        return beyond

    async def _pages(self) -> AsyncIterator[list[Position]]:
        last = PositionId(0)
        while True:
            async with self._database.connection() as connection:
                page = await positions.select_open_page(connection, last)
            if page:
                yield page
                last = page[-1].id
            if len(page) < positions.PAGE_ROWS:
                return

    async def _persist_trails(self) -> None:
        """What moved stays to be stored until it is: the sweep reads the table."""
        for each in self._book.moved_since_last_persist():
            if each.trailing_stop is None:
                continue
            row = (each.position_id, each.best_price, each.trailing_stop)
            self._moved[each.position_id] = row
        await self._store_trails(list(self._moved.values()))
        self._moved.clear()

    async def _store_trails(self, moved: Sequence[tuple[PositionId, Decimal, Decimal]]) -> None:
        if not moved:
            return
        async with self._database.connection() as connection:
            await positions.update_trails(connection, moved)

    # Closing

    async def close_by_hand(self, position: Position, reason: CloseReason) -> OrderId:
        """For a signal or an operator. Raises OrderDeniedError, VenueError, StorageError."""
        if not self._is_open(position):
            raise OrderDeniedError("market_closed", f"{position.symbol} cannot be sold now")
        prepared = await self._prepare(Exit(position=position, reason=reason))
        await self._orders().send(prepared)
        return prepared.order.id

    async def _close_all(self, exits: Sequence[Exit], result: SweepResult) -> None:
        ready = []
        for each in exits:
            if self._is_open(each.position):
                ready.append(each)
            else:
                result.waiting[str(each.position.id)] = "market closed"
                self.release(each.position.id)
        if self._sequential:
            for each in sorted(ready, key=lambda e: e.position.id):
                await self._close(each, result)
            return
        limiter = anyio.CapacityLimiter(CLOSES_AT_ONCE)

        async def close(each: Exit) -> None:
            async with limiter:
                await self._close(each, result)

        async with anyio.create_task_group() as closing:
            for each in ready:
                closing.start_soon(close, each)

    async def _close(self, each: Exit, result: SweepResult) -> None:
        key, sent = str(each.position.id), False
        try:
            prepared = await self._prepare(each)
            sent = True
            await self._orders().send(prepared)
        except OrderDeniedError as denied:
            # An exit is under way, or the position has changed: the next look sees what is so then.
            result.waiting[key] = denied.rule
            if denied.rule == "position_closed":
                self.forget(each.position.id)
            elif denied.rule == "position_changed":
                self.release(each.position.id)
        except VenueError as error:
            result.failed[key] = f"{type(error).__name__}: {error}"
        except (DatabaseUnavailableError, TimeoutError) as error:
            result.failed[key] = f"{type(error).__name__}: {error}"
            if sent:  # latched until reconciliation has settled what became of it
                log.critical("the answer to an exit could not be stored", position=key)
            else:
                self.release(each.position.id)
                log.critical("an exit could not be stored, and was not sent", position=key)
        else:
            result.closed += 1

    def _orders(self) -> Placement:
        if self._placement is None:
            raise AssertionError("protection is not wired to the order flow")
        return self._placement

    async def _prepare(self, each: Exit) -> Prepared:
        position = each.position
        instrument = self._symbols[position.symbol].instrument
        quantity = floor_to_step(position.quantity, instrument.lot_size)
        if quantity <= 0:
            raise OrderDeniedError("below_lot_size", f"{position.quantity} is less than a lot")
        request = OrderRequest(
            venue=position.venue,
            symbol=position.symbol,
            side=position.side.exit,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.IOC,
            quantity=quantity,
            position_type=position.position_type,
            reduce_only=position.position_type is PositionType.FUTURES,
            trigger_price=each.level,
        )
        intent = OrderIntent(
            request=request,
            bot=position.bot,
            role=OrderRole.EXIT,
            reason=each.reason,
            position_id=position.id,
        )
        return await self._orders().prepare(approve_exit(intent))

    def _is_open(self, position: Position) -> bool:
        symbol = self._symbols.get(position.symbol)
        if symbol is None:
            return False
        return self._calendars[symbol.calendar].is_open(self._clock.now())
