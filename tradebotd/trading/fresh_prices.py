"""Prices that the sweep may act on: from memory while they are fresh, the rest from the venues."""

from collections.abc import Callable, Iterable, Mapping
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
    looked_at: set[tuple[str, VenueName]] = field(default_factory=set)

    def get(self, symbol: str) -> Decimal | None:
        return self.asked.get(symbol, self.known.get(symbol))


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshPrices:
    """`doubts`: whether the price in memory is one that a quote has to confirm."""

    prices: PriceBook
    symbols: Mapping[str, MarketSymbol]
    calendars: Mapping[str, Calendar]
    venues: Mapping[VenueName, Venue]
    doubts: Callable[[str], bool] = lambda _: False

    async def add(
        self, quotes: Quotes, positions: Iterable[Position], now: datetime
    ) -> dict[str, Decimal]:
        """Complete *quotes* for *positions*; the prices that were asked for now.

        One call a venue for what is stale, all at once; while a market is closed nothing is. What
        a venue did not answer is not asked again in the same sweep.
        """
        stale: dict[VenueName, dict[str, MarketSymbol]] = {}
        for name, venue in dict.fromkeys((each.symbol, each.venue) for each in positions):
            symbol = self.symbols.get(name)
            if symbol is None or venue not in self.venues or (name, venue) in quotes.looked_at:
                continue
            quotes.looked_at.add((name, venue))
            price, age = self.prices.price(name), self.prices.age(name, now)
            closed = not self.calendars[symbol.calendar].is_open(now)
            usable = price is not None and not self.doubts(name)
            if usable and price is not None and age is not None and (age <= FRESH or closed):
                quotes.known[name] = price
                quotes.oldest = max(quotes.oldest, age)
            else:
                stale.setdefault(venue, {})[name] = symbol
        before = set(quotes.asked)
        if stale:
            async with anyio.create_task_group() as asking:
                for venue, symbols in stale.items():
                    asking.start_soon(self._ask, venue, list(symbols.values()), quotes)
        return {name: price for name, price in quotes.asked.items() if name not in before}

    async def _ask(self, venue: VenueName, symbols: list[MarketSymbol], quotes: Quotes) -> None:
        try:
            with anyio.fail_after(QUOTE_SECONDS):
                quotes.asked |= await self.venues[venue].quotes(symbols)
        except (VenueError, TimeoutError) as error:
            quotes.failed[f"quotes {venue}"] = f"{type(error).__name__}: {error}"
