"""Prices of providers that are asked: in one call, and the next feed for those it lacks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import FeedError, TradebotError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.market.first_prices import FirstPrices
from tradebotd.market.sessions import Calendar
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import PolledFeed, StreamedFeed, TimedFeed, TimedPrice

OnTick = Callable[[Tick], Awaitable[None] | None]

_log: Final = structlog.get_logger(__name__)


class PricePoll:
    """Prices of the symbols that have *first* as the first of their polled feeds.

    A symbol is asked for while its market is open. A price that is the same as the one before may
    be the same print, whoever told that; between two of them the path is unknown.
    """

    def __init__(
        self,
        first: FeedName,
        *,
        feeds: Mapping[FeedName, PolledFeed],
        symbols: Sequence[MarketSymbol],
        calendars: Mapping[str, Calendar],
        clock: Clock,
        on_tick: OnTick,
    ) -> None:
        self._every = feeds[first].price_every
        self._feeds = feeds
        # Asked of each symbol: to look whether a feed has all of a protocol's methods is slow.
        self._streamed = {n: feed for n, feed in feeds.items() if isinstance(feed, StreamedFeed)}
        self._timed = {n: feed for n, feed in feeds.items() if isinstance(feed, TimedFeed)}
        self._symbols = [each for each in symbols if self._of(each)[:1] == [first]]
        self._calendars = calendars
        self._clock = clock
        self._on_tick = on_tick
        self._failing: dict[FeedName, str] = {}
        self._first_prices = FirstPrices(calendars, clock.now())

    async def run(self) -> None:
        """Ask again and again, on the grid of its interval; until it is cancelled."""
        while True:
            begun = self._clock.now()
            await self.poll()
            await self._clock.sleep_until(max(begun + self._every, self._clock.now()))

    async def poll(self) -> int:
        """Ask once; return the number of symbols that have a new price.

        An answer is as old as its question, or as the print that it tells: what happened meanwhile
        is newer. One without a time that may be of before the open is left out.
        """
        now = self._clock.now()
        open_ = [
            each
            for each in self._symbols
            if self._calendars[each.calendar].is_open(now) and not self._is_told(each)
        ]
        told = await self._ask(open_)
        prices = {
            each.symbol: told[each.symbol]
            for each in open_
            if each.symbol in told
            and not self._first_prices.may_be_old(each, told[each.symbol], now)
        }
        for symbol, price in prices.items():
            await self._tell(symbol, price, now)
        return len(prices)

    async def _ask(self, symbols: Sequence[MarketSymbol]) -> dict[str, TimedPrice]:
        found: dict[str, TimedPrice] = {}
        asked: dict[FeedName, list[MarketSymbol]] = {}
        for rank in range(len(self._feeds)):
            asked.clear()
            for symbol in symbols:
                names = self._of(symbol)
                if symbol.symbol not in found and rank < len(names):
                    asked.setdefault(names[rank], []).append(symbol)
            for name, some in asked.items():
                found |= await self._quotes(name, some)
        return found

    async def _quotes(
        self, name: FeedName, symbols: Sequence[MarketSymbol]
    ) -> Mapping[str, TimedPrice]:
        try:
            quotes = await self._told_by(name, symbols)
        except FeedError as error:
            if name not in self._failing:  # said once; the age of prices is an alert of its own
                _log.warning("prices not had", feed=name, error=str(error))
            self._failing[name] = str(error)
            return {}
        if self._failing.pop(name, None) is not None:
            _log.info("prices had again", feed=name)
        return quotes

    async def _told_by(
        self, name: FeedName, symbols: Sequence[MarketSymbol]
    ) -> Mapping[str, TimedPrice]:
        timed = self._timed.get(name)
        if timed is not None:
            return await timed.timed_quotes(symbols)
        quotes = await self._feeds[name].quotes(symbols)
        return {symbol: TimedPrice(price) for symbol, price in quotes.items()}

    async def _tell(self, symbol: str, told: TimedPrice, asked_at: datetime) -> None:
        timed = told.at is not None
        at = asked_at if told.at is None else min(told.at, asked_at)
        tick = Tick(at, symbol, told.price, after_gap=True, repeats=True, timed=timed)
        try:
            acting = self._on_tick(tick)
            if acting is not None:
                await acting
        except TradebotError as error:  # the sweep looks again; the other prices go on
            _log.exception("price not acted on", symbol=symbol, error=str(error))

    def _is_told(self, symbol: MarketSymbol) -> bool:
        """Return whether the first of its feeds streams its price just now."""
        feed = self._streamed.get(self._of(symbol)[0])
        return feed is not None and feed.tells(symbol)

    def _of(self, symbol: MarketSymbol) -> list[FeedName]:
        return [name for name in symbol.feeds if name in self._feeds]
