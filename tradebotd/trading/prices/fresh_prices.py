"""Prices that the sweep may act on: from memory while they are fresh, the rest from the venues."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import anyio
import structlog

from tradebotd.domain.errors import VenueError, describe_error
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.market.calendars import Calendar
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import Venue

log = structlog.get_logger(__name__)

FRESH: Final = timedelta(seconds=90)  # an older price in memory is asked for again
QUOTE_SECONDS: Final = 10.0

DOUBTED: Final = "its last price is far from the one before, and nothing confirms it yet"
EARLY: Final = "its session has no price yet, or none since the break"
OVERTAKEN_FOR: Final = timedelta(seconds=15)  # three sweeps; then that is a fault
OVERTAKEN: Final = "its last price is from before the fill that made its levels"

OTHERS: Final = (PriceKind.MARK, PriceKind.BID, PriceKind.ASK)
PriceOf = tuple[str, PriceKind]  # a symbol, and which of its prices


@dataclass(slots=True)
class Quotes:
    """Prices by symbol and kind. `asked` came from a venue just now; `unusable`: why there is none.

    `checked`: what has been looked for, at which venue. `seen`, `asked_at`: since when each of
    `known` and `asked` is so; a venue's answer, by when it was asked.
    """

    known: dict[PriceOf, Decimal] = field(default_factory=dict)
    asked: dict[PriceOf, Decimal] = field(default_factory=dict)
    seen: dict[PriceOf, datetime] = field(default_factory=dict)
    asked_at: dict[PriceOf, datetime] = field(default_factory=dict)
    unusable: dict[PriceOf, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    oldest: timedelta = timedelta()
    checked: set[tuple[str, PriceKind, VenueName]] = field(default_factory=set)

    def get(self, key: PriceOf, since: datetime) -> Decimal | None:
        """Return the newest price of *since* or later, or None."""
        for prices, at in ((self.asked, self.asked_at), (self.known, self.seen)):
            if key in prices and at[key] >= since:
                return prices[key]
        return None


class Dated(NamedTuple):
    """Price and of when it is, in market time."""

    price: Decimal
    at: datetime


@dataclass(slots=True)
class ToAsk:
    """Prices that a venue is asked for: in one call, whichever of a symbol are wanted."""

    symbols: dict[str, MarketSymbol] = field(default_factory=dict)
    wanted: list[PriceOf] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshPrices:
    """Source of fresh prices. `is_doubted`: whether the price in memory needs a quote to confirm
    it. `levels_since`: since when a price may meet a position's levels.
    """

    prices: PriceCache
    symbols: Mapping[str, MarketSymbol]
    calendars: Mapping[str, Calendar]
    venues: Mapping[VenueName, Venue]
    levels_since: Callable[[Position], datetime]
    is_doubted: Callable[[str, PriceKind], bool] = lambda _symbol, _kind: False

    def sort(
        self, quotes: Quotes, positions: Iterable[Position], now: datetime
    ) -> tuple[list[PriceOf], dict[VenueName, ToAsk]]:
        """Return (prices in memory that will do, what to ask each venue for).

        Each price once for as long as *quotes* last; while a market is closed none is stale. One
        that is older than the levels of some position will do for the others, and is asked for.
        """
        fresh: list[PriceOf] = []
        stale: dict[VenueName, ToAsk] = {}
        for (name, kind, venue), since in self._wanted(positions, quotes).items():
            symbol, one = self.symbols.get(name), (name, kind, venue)
            if symbol is None or venue not in self.venues:
                continue
            quotes.checked.add(one)
            key = name, kind
            price, age = self.prices.price(*key), self.prices.age(name, now, kind)
            seen_at = self.prices.seen_at(*key)
            closed = not self.calendars[symbol.calendar].is_open(now)
            usable = price is not None and self.unusable_because(name, now, kind) is None
            overtaken = False
            if (
                usable
                and price is not None
                and age is not None
                and seen_at is not None
                and (age <= FRESH or closed)
            ):
                quotes.known[key], quotes.seen[key] = price, seen_at
                quotes.oldest = max(quotes.oldest, age)
                fresh.append(key)
                overtaken = quotes.seen[key] < since and not closed
            if key not in quotes.known or overtaken:
                to_ask = stale.setdefault(venue, ToAsk())
                to_ask.symbols[name] = symbol
                to_ask.wanted.append(key)
        return fresh, stale

    def _wanted(
        self, positions: Iterable[Position], quotes: Quotes
    ) -> dict[tuple[str, PriceKind, VenueName], datetime]:
        """Return the prices to look for, and since when the newest levels behind each are."""
        wanted: dict[tuple[str, PriceKind, VenueName], datetime] = {}
        for position in positions:
            one = position.symbol, position.trigger_kind, position.venue
            if one in quotes.checked:
                continue
            since, newest = self.levels_since(position), wanted.get(one)
            if newest is None or newest < since:
                wanted[one] = since
        return wanted

    def unusable_because(
        self, symbol: str, now: datetime, kind: PriceKind = PriceKind.LAST
    ) -> str | None:
        """Return why the price in memory must end nothing now, however new it is, or None."""
        if self._is_early(symbol, now, kind):
            return EARLY
        if self.is_silent(symbol, now, kind):
            return f"its {kind} price has stopped coming"
        return DOUBTED if self.is_doubted(symbol, kind) else None

    def is_silent(self, symbol: str, now: datetime, kind: PriceKind) -> bool:
        """Return whether a price other than the last one has stopped coming while it should.

        The last price may be one of a recorded candle, whose next point is hours away; a venue that
        echoes it has no newer one. No mark, bid or ask is as old as that and still so.
        """
        market = self.symbols.get(symbol)
        if market is None or self.prices.follows_last(symbol, kind):
            return False
        age = self.prices.age(symbol, now, kind)
        is_open = self.calendars[market.calendar].is_open(now)
        return is_open and (age is None or age > FRESH)

    def _is_early(self, symbol: str, now: datetime, kind: PriceKind) -> bool:
        """Return whether a session is open, or goes on after a break, and has no price yet.

        What was traded before it can no longer be had. A price that should come all the time is
        early only for so long; after that it is silent.
        """
        market, last = self.symbols.get(symbol), self.prices.last_prices(symbol, kind)
        if market is None or last is None or market.calendar == ALWAYS_OPEN:
            return False
        hours = self.calendars[market.calendar].hours_at(now)
        if hours is None or last.at >= hours.open:
            return False
        return self.prices.follows_last(symbol, kind) or now - hours.open <= FRESH

    async def ask(
        self, venue: VenueName, to_ask: ToAsk, quotes: Quotes, now: datetime
    ) -> dict[PriceOf, Dated]:
        """Ask the venue in one call; a failure is noted in *quotes*. *now*: of the question.

        A kind that the venue does not tell now is left out: no other one stands in for it. So is
        one that is too old by the venue's own word. A last price of before the session is, too, and
        that is noted: until it trades again there is none.
        """
        answer = await ask_quotes(self.venues[venue], list(to_ask.symbols.values()))
        if isinstance(answer, str):
            quotes.failed[f"quotes {venue}"] = answer
            return {}
        found: dict[PriceOf, Dated] = {}
        for symbol, kind in to_ask.wanted:
            price = answer[symbol].price(kind) if symbol in answer else None
            if price is None:
                continue
            at = answer[symbol].at(kind, now)
            if self._is_before_session(symbol, kind, at, now):
                quotes.unusable[symbol, kind] = EARLY
                continue
            if kind is not PriceKind.LAST and now - at > FRESH:
                continue  # the venue has none that is so now
            # A bid or an ask holds until the next one is made, so it is of now; one that was made
            # longer ago than FRESH may as well be one of a feed that has stopped.
            in_force = kind in {PriceKind.BID, PriceKind.ASK}
            found[symbol, kind] = Dated(price, now if in_force else at)
        return found

    def _is_before_session(self, symbol: str, kind: PriceKind, at: datetime, now: datetime) -> bool:
        """Return whether a venue's price of *at* is of before the session that is open now.

        A last price may be old otherwise: nothing has been traded since. What was traded before the
        session can no longer be had. Of another kind there should be one soon after its start.
        """
        market = self.symbols[symbol]
        if market.calendar == ALWAYS_OPEN:
            return False
        hours = self.calendars[market.calendar].hours_at(now)
        if hours is None or at >= hours.open:
            return False
        return kind is PriceKind.LAST or now - hours.open <= FRESH


async def ask_quotes(venue: Venue, symbols: Sequence[MarketSymbol]) -> dict[str, Quote] | str:
    """Ask for quotes in one call with a time limit; return them, or why there is no answer.

    An adapter may fail in any way. What is no price is dropped, and told in the log.
    """
    try:
        with anyio.fail_after(QUOTE_SECONDS):
            quotes = await venue.quotes(symbols)
        sound = {symbol: _sound(quote) for symbol, quote in quotes.items()}
    except (VenueError, TimeoutError) as error:
        return describe_error(error)
    except Exception as error:
        log.exception("venue quotes failed", venue=venue.name)
        return describe_error(error)
    nonsense = {symbol: quote for symbol, quote in quotes.items() if sound[symbol] is not quote}
    if nonsense:
        log.error("invalid quotes dropped", venue=venue.name, quotes=nonsense)
    return {symbol: quote for symbol, quote in sound.items() if quote is not None}


def _sound(quote: Quote) -> Quote | None:
    """Return *quote* without the prices that are none; None without a last one."""
    if not _is_price(quote.last):
        return None
    others = [quote.price(kind) for kind in OTHERS]
    if all(price is None or _is_price(price) for price in others):
        return quote
    mark, bid, ask = (None if price is None or not _is_price(price) else price for price in others)
    return replace(quote, mark=mark, bid=bid, ask=ask)


def _is_price(price: Decimal) -> bool:
    return price.is_finite() and price > 0
