"""Every open position against its levels and its holding time: the safety net behind the ticks.

It reads the table and asks for prices by itself, and does the whole job alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain

from tradebotd.domain.ids import PositionId, VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import CloseReason, Position
from tradebotd.market.calendars import Calendar
from tradebotd.ports.venue import Venue
from tradebotd.risk.exits import expired, triggered
from tradebotd.risk.trigger_book import Trigger
from tradebotd.trading.closing import Closing, SweepResult
from tradebotd.trading.doubts import Doubts
from tradebotd.trading.exit_orders import Exit
from tradebotd.trading.fresh_prices import FreshPrices, Quotes
from tradebotd.trading.resting import RestingExits
from tradebotd.trading.symbol_pauses import SymbolPauses
from tradebotd.trading.watched import Watched, advanced


class Sweep:
    def __init__(
        self,
        *,
        watched: Watched,
        fresh: FreshPrices,
        doubts: Doubts,
        closing: Closing,
        resting: RestingExits,
        pauses: SymbolPauses,
        symbols: Mapping[str, MarketSymbol],
        calendars: Mapping[str, Calendar],
        venues: Mapping[VenueName, Venue],
    ) -> None:
        self._watched = watched
        self._fresh = fresh
        self._doubts = doubts
        self._closing = closing
        self._resting = resting
        self._pauses = pauses
        self._symbols = symbols
        self._calendars = calendars
        self._venues = venues

    async def run(self, now: datetime, result: SweepResult) -> dict[PositionId, str]:
        """Fresh prices come from memory; the rest is asked for in one call a venue.

        Returns what is out of reach, and why. Raises DatabaseUnavailableError.
        """
        quotes = Quotes()
        lost: dict[PositionId, str] = {}
        async for page in self._watched.pages():
            result.checked += len(page)
            lost |= {each.id: why for each in page if (why := self._out_of_reach(each))}
            within = [each for each in page if each.id not in lost]
            await self._page(within, quotes, now, result)
        result.failed |= {str(position_id): why for position_id, why in lost.items()}
        return lost

    def exits(self, met: Iterable[Trigger]) -> list[Exit]:
        held = self._watched.positions
        return [
            Exit(position=held[each.position_id], reason=each.reason, level=each.level)
            for each in met
        ]

    def _out_of_reach(self, position: Position) -> str | None:
        if position.symbol not in self._symbols:
            return f"{position.symbol} is not configured"
        if position.venue not in self._venues:
            return f"venue {position.venue} is not configured"
        return None

    async def _page(
        self, page: Sequence[Position], quotes: Quotes, now: datetime, result: SweepResult
    ) -> None:
        """*quotes* last for the sweep: the first page asks for all that is held, in one call."""
        held = self._watched.positions
        for position in page:
            known = held.get(position.id)
            if known is None or known.version < position.version:
                self._watched.watch(position)
            elif known.version == position.version and _stops(known) != _stops(position):
                held[position.id] = position  # as the ticks have moved it
        wanted = page if quotes.looked_at else chain(page, held.values())
        new = await self._fresh.add(quotes, wanted, now)
        result.failed |= quotes.failed
        result.oldest_price = max(result.oldest_price, quotes.oldest)
        met = self._met(quotes, new, now)
        exits = {each.position.id: each for each in self.exits(met)}
        for position in page:
            if position.id not in exits:
                found = self._due(position, quotes.get(position.symbol), now, result)
                if found is not None:
                    exits[position.id] = found
            self._resting.touch(position)
        await self._closing.close_all(list(exits.values()), result)

    def _met(self, quotes: Quotes, new: Mapping[str, Decimal], now: datetime) -> list[Trigger]:
        """What the ticks would have done with *new* prices; all are looked at for a split."""
        for name, price in quotes.known.items():
            if self._is_open(name, now):
                self._pauses.look(name, price, now)
        met: list[Trigger] = []
        for name, price in sorted(new.items()):  # they move stops, too
            self._doubts.confirm(name, price)
            if self._is_open(name, now) and self._pauses.look(name, price, now):
                met += self._watched.book.tick(name, price)
        return met

    def _due(
        self, position: Position, price: Decimal | None, now: datetime, result: SweepResult
    ) -> Exit | None:
        if expired(position.exits, position.opened_at, now):
            return Exit(position=position, reason=CloseReason.MAX_HOLDING)
        if price is None:
            result.failed[str(position.id)] = f"{position.symbol} has no fresh price"
            return None
        if self._is_open(position.symbol, now) and position.symbol not in self._pauses.paused:
            position = self._advance(position, price)
        met = triggered(position.side, position, price)
        return None if met is None else Exit(position=position, reason=met[0], level=met[1])

    def _advance(self, position: Position, price: Decimal) -> Position:
        """What the ticks would have done to its stops."""
        moved = advanced(position, price, self._symbols)
        if moved is not position:
            self._watched.remember(moved)
            self._watched.watch(moved)
        return moved

    def _is_open(self, symbol: str, now: datetime) -> bool:
        return self._calendars[self._symbols[symbol].calendar].is_open(now)


def _stops(position: Position) -> tuple[Decimal | None, Decimal | None]:
    return position.stop_loss, position.trailing_stop
