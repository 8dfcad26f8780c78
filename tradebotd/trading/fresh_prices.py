"""Prices that the sweep may act on: from memory while they are fresh, the rest from the venues."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import anyio

from tradebotd.domain.errors import VenueError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_book import PriceBook
from tradebotd.ports.venue import Venue

FRESH: Final = timedelta(seconds=90)  # an older price in memory is asked for again
QUOTE_SECONDS: Final = 10.0


@dataclass(slots=True)
class Quotes:
    """By symbol. `asked` are those that came from a venue just now."""

    known: dict[str, Decimal] = field(default_factory=dict)
    asked: dict[str, Decimal] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    oldest: timedelta = timedelta()

    def get(self, symbol: str) -> Decimal | None:
        return self.asked.get(symbol, self.known.get(symbol))


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshPrices:
    prices: PriceBook
    symbols: Mapping[str, MarketSymbol]
    calendars: Mapping[str, Calendar]
    venues: Mapping[VenueName, Venue]

    async def of(self, positions: Iterable[Position], now: datetime) -> Quotes:
        """One call a venue for what is stale, all at once; while a market is closed nothing is."""
        quotes = Quotes()
        stale: dict[VenueName, dict[str, MarketSymbol]] = {}
        for position in positions:
            name = position.symbol
            symbol = self.symbols[name]
            price, age = self.prices.price(name), self.prices.age(name, now)
            closed = not self.calendars[symbol.calendar].is_open(now)
            if price is not None and age is not None and (age <= FRESH or closed):
                quotes.known[name] = price
                quotes.oldest = max(quotes.oldest, age)
            else:
                stale.setdefault(position.venue, {})[name] = symbol
        if stale:
            async with anyio.create_task_group() as asking:
                for venue, symbols in stale.items():
                    asking.start_soon(self._ask, venue, list(symbols.values()), quotes)
        return quotes

    async def _ask(self, venue: VenueName, symbols: list[MarketSymbol], quotes: Quotes) -> None:
        try:
            with anyio.fail_after(QUOTE_SECONDS):
                quotes.asked |= await self.venues[venue].quotes(symbols)
        except (VenueError, TimeoutError) as error:
            quotes.failed[f"quotes {venue}"] = f"{type(error).__name__}: {error}"
