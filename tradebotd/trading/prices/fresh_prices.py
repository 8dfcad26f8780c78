"""Prices that the sweep may act on: from memory while they are fresh, the rest from the venues."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import VenueError, describe_error
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import Venue

log = structlog.get_logger(__name__)

FRESH: Final = timedelta(seconds=90)  # an older price in memory is asked for again
QUOTE_SECONDS: Final = 10.0

DOUBTED: Final = "its last price is far from the one before, and nothing confirms it yet"
EARLY: Final = "its session has no price yet, or none since the break"


@dataclass(slots=True)
class Quotes:
    """Prices by symbol. `asked` came from a venue just now; `unusable`: why there is none."""

    known: dict[str, Decimal] = field(default_factory=dict)
    asked: dict[str, Decimal] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    oldest: timedelta = timedelta()
    checked: set[tuple[str, VenueName]] = field(default_factory=set)

    def get(self, symbol: str) -> Decimal | None:
        return self.asked.get(symbol, self.known.get(symbol))


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshPrices:
    """Source of fresh prices. `is_doubted`: whether the price in memory needs a quote to confirm
    it.
    """

    prices: PriceCache
    symbols: Mapping[str, MarketSymbol]
    calendars: Mapping[str, Calendar]
    venues: Mapping[VenueName, Venue]
    is_doubted: Callable[[str], bool] = lambda _: False

    def sort(
        self, quotes: Quotes, positions: Iterable[Position], now: datetime
    ) -> tuple[list[str], dict[VenueName, list[MarketSymbol]]]:
        """Return (symbols whose price in memory will do, symbols to ask each venue for).

        Each symbol once for as long as *quotes* last; while a market is closed no price is stale.
        """
        fresh: list[str] = []
        stale: dict[VenueName, list[MarketSymbol]] = {}
        for name, venue in dict.fromkeys(
            (position.symbol, position.venue) for position in positions
        ):
            symbol = self.symbols.get(name)
            if symbol is None or venue not in self.venues or (name, venue) in quotes.checked:
                continue
            quotes.checked.add((name, venue))
            price, age = self.prices.price(name), self.prices.age(name, now)
            closed = not self.calendars[symbol.calendar].is_open(now)
            usable = price is not None and self.unusable_because(name, now) is None
            if usable and price is not None and age is not None and (age <= FRESH or closed):
                quotes.known[name] = price
                quotes.oldest = max(quotes.oldest, age)
                fresh.append(name)
            else:
                stale.setdefault(venue, []).append(symbol)
        return fresh, stale

    def unusable_because(self, symbol: str, now: datetime) -> str | None:
        """Return why the price in memory must end nothing now, however new it is, or None."""
        if self._is_early(symbol, now):
            return EARLY
        return DOUBTED if self.is_doubted(symbol) else None

    def _is_early(self, symbol: str, now: datetime) -> bool:
        """Return whether a session is open, or goes on after a break, and has no price yet.

        What was traded before it can no longer be had.
        """
        market, last = self.symbols.get(symbol), self.prices.last_prices(symbol)
        if market is None or last is None or market.calendar == ALWAYS_OPEN:
            return False
        hours = self.calendars[market.calendar].hours_at(now)
        return hours is not None and last.at < hours.open

    async def ask(
        self, venue: VenueName, symbols: Sequence[MarketSymbol], quotes: Quotes
    ) -> dict[str, Decimal]:
        """Ask the venue in one call; a failure is noted in *quotes*."""
        answer = await ask_quotes(self.venues[venue], symbols)
        if isinstance(answer, str):
            quotes.failed[f"quotes {venue}"] = answer
            return {}
        return answer


async def ask_quotes(venue: Venue, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal] | str:
    """Ask for quotes in one call with a time limit; return them, or why there is no answer.

    An adapter may fail in any way.
    """
    try:
        with anyio.fail_after(QUOTE_SECONDS):
            quotes = await venue.quotes(symbols)
        answer = {symbol: quote.last for symbol, quote in quotes.items()}
        nonsense = {symbol: price for symbol, price in answer.items() if not _is_price(price)}
    except (VenueError, TimeoutError) as error:
        return describe_error(error)
    except Exception as error:
        log.exception("venue quotes failed", venue=venue.name)
        return describe_error(error)
    if nonsense:
        log.error("invalid quotes dropped", venue=venue.name, quotes=nonsense)
    return {symbol: price for symbol, price in answer.items() if symbol not in nonsense}


def _is_price(price: Decimal) -> bool:
    return price.is_finite() and price > 0
