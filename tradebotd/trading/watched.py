"""What is held, as ticks see it: positions in the trigger book, and the stops that have moved."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.decimals import from_float
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.market.calendars import Calendar
from tradebotd.risk.exits import ExitLevels, better, secured, trail
from tradebotd.risk.trigger_book import MovedStop, TriggerBook
from tradebotd.storage import positions
from tradebotd.storage.database import Database
from tradebotd.storage.positions import MovedExit


class Watched:
    """`positions` by id; `book` holds the same ones."""

    def __init__(
        self,
        database: Database,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
    ) -> None:
        self._database = database
        self._symbols = symbols
        self._calendars = calendars
        self.book = TriggerBook()
        self.positions: dict[PositionId, Position] = {}
        self._moved: dict[PositionId, MovedExit] = {}

    def watch(self, position: Position) -> bool:
        """False: its symbol is not configured."""
        symbol = self._symbols.get(position.symbol)
        if symbol is None:
            return False
        known = position.id in self.positions
        self.positions[position.id] = position
        if known:
            self.book.update(position)
        else:
            self.book.add(position, symbol.instrument.tick_size)
        return True

    def forget(self, position_id: PositionId) -> bool:
        """Whether it was known."""
        self.book.remove(position_id)
        self._moved.pop(position_id, None)
        return self.positions.pop(position_id, None) is not None

    def release(self, position_id: PositionId) -> None:
        if position_id in self.book:
            self.book.release(position_id)

    async def load(self, now: datetime) -> list[Position]:
        """Every open position, its best price the stored one or the candles' since the entry.

        Those are the session minutes that opened at or after the entry. What they move is stored
        at once, since the sweep reads the table.
        """
        loaded: list[Position] = []
        moved: list[MovedExit] = []
        async for page in self.pages():
            extremes = await self._extremes(page, now)
            for stored in page:
                extreme = extremes.get(stored.id)
                position = stored if extreme is None else self._with_candles(stored, extreme)
                if position != stored:
                    moved.append(_row(position))
                self.watch(position)
                loaded.append(position)
        await self._store(moved)
        return loaded

    async def pages(self) -> AsyncIterator[list[Position]]:
        last = PositionId(0)
        while True:
            async with self._database.connection() as connection:
                page = await positions.select_open_page(connection, last)
            if page:
                yield page
                last = page[-1].id
            if len(page) < positions.PAGE_ROWS:
                return

    async def persist(self) -> None:
        """What moved stays to be stored until it is: the sweep reads the table."""
        for each in self.book.moved_since_last_persist():
            self._moved[each.position_id] = self._row_of(each)
        await self._store(list(self._moved.values()))
        self._moved.clear()

    def remember(self, position: Position) -> None:
        """Its stops have moved, and are to be stored."""
        self._moved[position.id] = _row(position)

    def _row_of(self, each: MovedStop) -> MovedExit:
        known = self.positions.get(each.position_id)
        secures = known is not None and known.exits.break_even is not None
        stop = each.stop_loss if secures else None
        return each.position_id, each.best_price, stop, each.trailing_stop

    async def _store(self, moved: Sequence[MovedExit]) -> None:
        if not moved:
            return
        async with self._database.connection() as connection:
            await positions.update_trails(connection, moved)

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

    def _with_candles(self, position: Position, extremes: tuple[float, float]) -> Position:
        low, high = (from_float(extreme) for extreme in extremes)
        return advanced(position, high if position.side.sign > 0 else low, self._symbols)


def advanced(position: Position, price: Decimal, symbols: Mapping[str, MarketSymbol]) -> Position:
    """*position* with its stops where *price* puts them, trailing or at break even: only tighter.

    Itself when nothing moves, or when its plan moves nothing.
    """
    plan, side = position.exits, position.side
    symbol = symbols.get(position.symbol)
    trails = plan.trailing_stop is not None or plan.trailing_stop_atr is not None
    if symbol is None or (not trails and plan.break_even is None):
        return position
    best = better(side, position.best_price, price)
    if best == position.best_price:
        return position
    instrument = symbol.instrument
    levels = trail(side, plan, ExitLevels.of(position), best, instrument)
    levels = secured(plan, side, position.entry_price, best, levels, instrument)
    return replace(
        position,
        best_price=best,
        stop_loss=levels.stop_loss,
        trailing_stop=levels.trailing_stop,
    )


def _row(position: Position) -> MovedExit:
    stop = None if position.exits.break_even is None else position.stop_loss
    return position.id, position.best_price, stop, position.trailing_stop
