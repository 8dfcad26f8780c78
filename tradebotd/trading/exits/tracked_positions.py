"""Positions that are held, as ticks see them, in the trigger book, with stops that have moved.

Rows come from several sources, some of them late: an older version takes no newer one's place, and
what is closed does not come back.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import from_float
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind
from tradebotd.market.calendars import Calendar
from tradebotd.risk.exit_levels import (
    ExitLevels,
    more_favourable,
    with_break_even,
    with_trailing_stop,
)
from tradebotd.risk.trigger_books import TriggerBooks
from tradebotd.risk.triggers import MovedStop, Trigger
from tradebotd.storage import extremes, open_positions, positions
from tradebotd.storage.positions import MovedExit
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.level_times import LevelTimes

# Closed positions: a row that was read before the close is seconds old, not thousands of trades.
CLOSED_KEPT: Final = 10_000


class TrackedPositions:
    """Tracked positions by id; `book` holds the same ones, in the same versions, by kind of price.

    There a position whose exit at the target is in doubt has no target.
    """

    def __init__(
        self,
        database: Database,
        level_times: LevelTimes,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        bad_tick: Callable[[], Decimal],
    ) -> None:
        self._database = database
        self._bad_tick = bad_tick
        self._symbols = symbols
        self._calendars = calendars
        self._level_times = level_times
        self.book = TriggerBooks()
        self.positions: dict[PositionId, Position] = {}
        self._moved: dict[PositionId, MovedExit] = {}
        self._closed: dict[PositionId, None] = {}
        self._untargeted: set[PositionId] = set()

    def watch(self, position: Position) -> bool:
        """Watch a position; False: not configured, closed, or this version is known already.

        Within a version only its best price and its stops move, and the ticks move them here.
        """
        symbol, tracked = self._symbols.get(position.symbol), self.positions.get(position.id)
        if symbol is None or position.id in self._closed:
            return False
        if tracked is None:
            self.book.add(position, symbol.instrument.tick_size)
        elif tracked.version < position.version:
            self._show(position)
            self._moved.pop(position.id, None)  # it followed from an outdated version
        else:
            return False
        self._level_times.note(position, tracked)
        self.positions[position.id] = position
        return True

    def tick(
        self, symbol: str, price: Decimal, kind: PriceKind, seen_at: datetime
    ) -> Sequence[Trigger]:
        """Return the triggers that a price of *seen_at* has met: of no levels newer than it."""
        if not self._level_times.is_overtaken(symbol, kind, seen_at):
            return self.book.tick(symbol, price, kind)
        book = self.book.of(kind)
        newer = [
            position_id
            for position_id in book.watched(symbol)
            if seen_at < self._level_times.of(self.positions[position_id])
        ]
        for position_id in newer:
            book.latch(position_id)
        met = book.tick(symbol, price)
        for position_id in newer:
            book.release(position_id)
        return met

    def forget(self, position_id: PositionId) -> bool:
        """Forget a closed position. Returns whether it was known."""
        self.book.remove(position_id)
        self._untargeted.discard(position_id)
        self._moved.pop(position_id, None)
        self._level_times.forget(position_id)
        self._closed[position_id] = None
        if len(self._closed) > CLOSED_KEPT:
            del self._closed[next(iter(self._closed))]
        return self.positions.pop(position_id, None) is not None

    def current(self, position_id: PositionId) -> Position | None:
        """Return the position with its stops as ticks have moved them; None if not watched."""
        tracked, book = self.positions.get(position_id), self.book
        if tracked is None or not moves(tracked.exits) or book.is_unmoved(tracked):
            return tracked
        moved = replace(book.as_moved(position_id), take_profit=tracked.take_profit)
        self.positions[position_id] = moved
        return moved

    def as_moved(self, row: Position) -> Position:
        """Return *row*, just read, as `current`; if newer than what is held, it takes its place."""
        self.watch(row)
        tracked = self.current(row.id)
        return row if tracked is None or tracked.version != row.version else tracked

    def advance(self, current: Position, price: Decimal) -> Position:
        """Return the position with its stops where a tick at *price* would have put them."""
        moved = advanced(current, price, self._symbols)
        if moved is not current:
            self.positions[current.id] = moved
            self._show(moved)
        return moved

    def _show(self, position: Position) -> None:
        if position.id in self._untargeted:
            position = replace(position, take_profit=None)
        self.book.update(position)

    def release(self, position_id: PositionId) -> None:
        position = self.current(position_id)
        if position is None:
            return
        if position_id in self._untargeted:
            self._untargeted.discard(position_id)
            self._show(position)
        self.book.release(position_id)

    def unlatch(self, position_id: PositionId) -> None:
        """Watch a position again as it was watched: what has met it was not acted on."""
        if position_id in self.positions:
            self.book.release(position_id)

    def release_stops(self, position_id: PositionId) -> None:
        """Release the stops alone: the outcome of the position's exit at the target is unknown.

        No tick meets the target again before `release`, and the stops are met as ever.
        """
        position = self.current(position_id)
        if position is not None:
            self._untargeted.add(position_id)
            self._show(position)
            self.book.release(position_id)

    async def load(self, now: datetime) -> list[Position]:
        """Load every open position, its best price the stored one or the candles' since the entry.

        Those are the session minutes that opened at or after the entry; they are of last prices,
        and move no stop that another one moves. What they move is stored at once, since the sweep
        reads the table.
        """
        loaded: list[Position] = []
        moved: list[MovedExit] = []
        async for page in self.pages():
            extremes = await self._extremes(page, now)
            for stored in page:
                extreme = extremes.get(stored.id)
                position = stored if extreme is None else self._with_candles(stored, extreme)
                if self.watch(position) and position != stored:
                    moved.append(_row(position))
                if position.id not in self._closed:
                    loaded.append(self.positions.get(position.id, position))
        await self._store(moved)
        return loaded

    async def pages(self) -> AsyncIterator[list[Position]]:
        last = PositionId(0)
        while True:
            async with self._database.connection() as connection:
                page = await open_positions.select_open_page(connection, last)
            if page:
                yield page
                last = page[-1].id
            if len(page) < open_positions.PAGE_ROWS:
                return

    async def read(self) -> AsyncIterator[list[Position]]:
        """Yield the `pages`, and watch their positions.

        A row whose version is known is not read again: within a version the ticks here know better.
        """
        last = PositionId(0)
        while True:
            async with self._database.connection() as connection:
                versions = await open_positions.select_versions(connection, last)
                held = self._of_these_versions(versions)
                new = [position_id for position_id, _ in versions if position_id not in held]
                if new:
                    held |= await open_positions.select_those(connection, new)
            for position_id in new:
                if position_id in held:
                    self.watch(held[position_id])
            if versions:
                yield [held[position_id] for position_id, _ in versions if position_id in held]
                last = versions[-1][0]
            if len(versions) < open_positions.PAGE_ROWS:
                return

    def _of_these_versions(
        self, versions: Sequence[tuple[PositionId, int]]
    ) -> dict[PositionId, Position]:
        """Return the positions that are known already, in these versions or in newer ones."""
        tracked = self.positions
        return {
            position_id: position
            for position_id, version in versions
            if (position := tracked.get(position_id)) is not None and position.version >= version
        }

    async def persist(self) -> None:
        """Store what has moved, and keep it until it is stored: the sweep reads the table."""
        for moved in self.book.moved_since_last_persist():
            self._moved[moved.position_id] = self._row_of(moved)
        stored = dict(self._moved)
        await self._store(list(stored.values()))
        for position_id, row in stored.items():
            if self._moved.get(position_id) is row:
                del self._moved[position_id]

    def _row_of(self, moved: MovedStop) -> MovedExit:
        tracked = self.positions[moved.position_id]
        stop = None if tracked.exits.break_even is None else moved.stop_loss
        return moved.position_id, tracked.version, moved.best_price, stop, moved.trailing_stop

    async def _store(self, moved: Sequence[MovedExit]) -> None:
        if not moved:
            return
        async with self._database.connection() as connection:
            await positions.update_trails(connection, moved)

    async def _extremes(
        self, page: Sequence[Position], now: datetime
    ) -> dict[PositionId, tuple[float, float]]:
        """Return (low, high) of each position's session minutes since its entry."""
        spans = [
            (position.id, max(position.opened_at, hours.open), hours.close)
            for position in page
            if position.trigger_kind is PriceKind.LAST
            and (symbol := self._symbols.get(position.symbol)) is not None
            for hours in self._calendars[symbol.calendar].hours(position.opened_at, now)
        ]
        if not spans:
            return {}
        async with self._database.connection() as connection:
            return await extremes.select_extremes(connection, spans, self._bad_tick())

    def _with_candles(self, position: Position, extremes: tuple[float, float]) -> Position:
        low, high = (from_float(extreme) for extreme in extremes)
        return advanced(position, high if position.side.sign > 0 else low, self._symbols)


def moves(plan: ExitPlan) -> bool:
    """Return whether prices move a stop of the plan: trailing, or to break even."""
    return (
        plan.trailing_stop is not None
        or plan.trailing_stop_atr is not None
        or plan.break_even is not None
    )


def advanced(position: Position, price: Decimal, symbols: Mapping[str, MarketSymbol]) -> Position:
    """Return *position* with its stops where *price* puts them: trailing, break-even, only tighter.

    Returns it unchanged when nothing moves, or when its plan moves nothing.
    """
    plan, side = position.exits, position.side
    if not moves(plan):
        return position
    symbol = symbols.get(position.symbol)
    if symbol is None:
        return position
    best = more_favourable(side, position.best_price, price)
    if best == position.best_price:
        return position
    instrument = symbol.instrument
    levels = with_trailing_stop(side, plan, ExitLevels.of(position), best, instrument)
    levels = with_break_even(plan, side, position.entry_price, best, levels, instrument)
    return replace(
        position,
        best_price=best,
        stop_loss=levels.stop_loss,
        trailing_stop=levels.trailing_stop,
    )


def _row(position: Position) -> MovedExit:
    stop = None if position.exits.break_even is None else position.stop_loss
    return position.id, position.version, position.best_price, stop, position.trailing_stop
