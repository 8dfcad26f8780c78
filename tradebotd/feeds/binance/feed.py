"""Feed adapter of Binance: live, on the wall clock; implements `ports.feed.Feed`."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, Literal

import orjson
import structlog

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.asking import Told
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.client import Client, Refusal
from tradebotd.feeds.binance.events import Minute
from tradebotd.feeds.binance.parsing import Page, in_ms, page_of, prices_of
from tradebotd.feeds.binance.streams import Heard, MarketStreams
from tradebotd.feeds.kept_candles import KeptCandles
from tradebotd.net.errors import MisshapenError
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.feed import FetchedCandles, StreamNews
from tradebotd.storage.held import assert_no_connection_held

MOST_PAGES: Final = 600  # of one fetch
NAMED_AT_ONCE: Final = 100  # symbols of one question; more are picked from all there are
SETTLES: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(seconds=5)

_log = structlog.get_logger(__name__)


class BinanceFeed:
    kind: Literal["binance"] = "binance"
    price_kinds: Final = frozenset({PriceKind.LAST})

    def __init__(
        self,
        name: FeedName,
        client: Client,
        clock: Clock,
        host: HostClock,
        *,
        streams: MarketStreams,
        price_every: timedelta = timedelta(seconds=5),
    ) -> None:
        self.name = name
        self.price_every = price_every
        self._client, self._clock, self._host = client, clock, host
        self._streams = streams
        self._kept = KeptCandles()

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:  # noqa: ARG002
        return tuple(facts.INTERVALS)

    def budget(self) -> None:
        """It has no credits: its weights are shared with everything at the address."""

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._client.close()

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        assert_no_connection_held("a feed call")
        name = symbol.name_at(self.name)
        end = min(end, timeframe.floor(self._clock.now()))
        if start >= end:
            return FetchedCandles(())
        if (kept := self._kept_of(name, timeframe, start, end)) is not None:
            return FetchedCandles(kept)
        await self._settled(end)
        if (kept := self._kept_of(name, timeframe, start, end)) is not None:  # told meanwhile
            return FetchedCandles(kept)
        return await self._asked(name, timeframe, start, end)

    def _kept_of(
        self, name: str, timeframe: Timeframe, start: datetime, end: datetime
    ) -> Sequence[Candle] | None:
        return self._kept.between(name, start, end) if timeframe is Timeframe.M1 else None

    async def _asked(
        self, name: str, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        """Ask page by page, each from behind the last row: what was never traded costs nothing."""
        candles: list[Candle] = []
        rejected: list[RejectedCandle] = []
        duplicates, cursor = 0, start
        for _ in range(MOST_PAGES):
            limit = min(self._client.interface.rows, -((cursor - end) // timeframe.duration))
            page = await self._page(name, timeframe, (cursor, end), limit)
            candles += [each for each in page.candles if cursor <= each.ts < end]
            rejected += [r for r in page.rejected if r.ts is None or cursor <= r.ts < end]
            duplicates += page.duplicates
            if page.rows < limit or page.last is None:
                return FetchedCandles(candles, rejected, duplicates)
            if page.last < cursor:
                raise FeedError(f"{self.name}: candles of {name} before those asked for")
            cursor = page.last + timeframe.duration
            if cursor >= end:
                return FetchedCandles(candles, rejected, duplicates)
        raise FeedError(f"{self.name}: more than {MOST_PAGES} pages of {name} at once")

    async def _page(
        self, name: str, timeframe: Timeframe, span: tuple[datetime, datetime], limit: int
    ) -> Page:
        query = {
            "symbol": name,
            "interval": facts.INTERVALS[timeframe],
            "startTime": str(in_ms(span[0])),
            "endTime": str(in_ms(span[1]) - 1),
        }
        told = await self._client.klines(query, limit)
        try:
            return page_of(told.answer, timeframe, self.name, told.source, self._client.time.now())
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def _settled(self, end: datetime) -> None:
        """Wait until *end* is over by the venue's clock, and what was traded before it is counted.

        Raises FeedError where the venue's clock is far behind ours: a period would be rolled up
        without its last minute.
        """
        await self._client.learn_time()
        pause = end + SETTLES - self._client.time.now()
        if pause > LONGEST_WAIT:
            late = (pause - SETTLES).total_seconds()
            raise FeedError(f"{self.name}: the clock there is {late:.1f} s behind the one here")
        if pause > timedelta(0):
            await self._host.sleep(pause.total_seconds())

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        assert_no_connection_held("a feed call")
        names = list(dict.fromkeys(symbol.name_at(self.name) for symbol in symbols))
        if not names:
            return {}
        prices = await self._prices(names)
        for name, price in prices.items():
            self._streams.polled(name, price)
        return {
            symbol.symbol: prices[name]
            for symbol in symbols
            if (name := symbol.name_at(self.name)) in prices
        }

    async def _prices(self, names: Sequence[str]) -> dict[str, Decimal]:
        """Ask in one call; for all there are, where one of *names* had the venue refuse them."""
        one = len(names) == 1
        query: dict[str, str] = {}
        if one:
            query = {"symbol": names[0]}
        elif self._client.interface.market == "spot" and len(names) <= NAMED_AT_ONCE:
            query = {"symbols": orjson.dumps(list(names)).decode()}
        told = await self._client.prices(query, one=one)
        if isinstance(told, Refusal) and told.code == facts.UNKNOWN_SYMBOL and not one:
            told = await self._client.prices({}, one=False)
        return self._read_prices(told)

    def _read_prices(self, told: Told | Refusal) -> dict[str, Decimal]:
        if isinstance(told, Refusal):
            if told.code == facts.UNKNOWN_SYMBOL:
                return {}
            raise FeedError(told.told)
        try:
            return prices_of(told.answer, told.source)
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    def tells(self, symbol: MarketSymbol) -> bool:
        return self._streams.is_live(symbol.name_at(self.name))

    async def stream(self, symbols: Sequence[MarketSymbol], news: StreamNews) -> None:
        """Tell *news* of *symbols* until cancelled; minutes that close are kept for `fetch`."""
        ours: dict[str, list[str]] = {}
        for symbol in symbols:
            ours.setdefault(symbol.name_at(self.name), []).append(symbol.symbol)

        def trade(name: str, price: Decimal, age: timedelta) -> None:
            for symbol in ours[name]:
                news.price(symbol, price, age)

        def minute(told: Minute) -> None:
            if told.candle is not None:
                self._kept.put(told.name, told.candle)
                news.candles(ours[told.name])

        def connected(names: Sequence[str]) -> None:
            news.candles([symbol for name in names for symbol in ours[name]])

        def is_open(name: str) -> bool:
            return any(news.is_open(symbol) for symbol in ours[name])

        kinds = {name: _kinds(some, news) for name, some in ours.items()}
        other = partial(_tell_other, ours, news)
        heard = Heard(trade, minute, connected, is_open, news.silent, kinds.__getitem__, other)
        await self._streams.run(list(ours), heard)


def _kinds(symbols: Sequence[str], news: StreamNews) -> frozenset[PriceKind]:
    return frozenset[PriceKind]().union(*(news.kinds(symbol) for symbol in symbols))


def _tell_other(
    ours: Mapping[str, Sequence[str]],
    news: StreamNews,
    name: str,
    kind: PriceKind,
    price: Decimal,
) -> None:
    for symbol in ours[name]:
        if kind in news.kinds(symbol):
            news.other_price(symbol, kind, price)
