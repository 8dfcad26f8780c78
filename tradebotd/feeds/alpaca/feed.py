"""Feed adapter of Alpaca: live, on the wall clock; implements `ports.feed.StreamedFeed`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, Literal

import structlog

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.alpaca import facts
from tradebotd.feeds.alpaca.client import Client, Refusal
from tradebotd.feeds.alpaca.parsing import Page, Price, page_of, trades_of
from tradebotd.feeds.alpaca.streams import DataStreams, Heard
from tradebotd.feeds.batches import batched
from tradebotd.feeds.kept_candles import KeptCandles
from tradebotd.net.errors import MisshapenError
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.feed import FeedBudget, FetchedCandles, StreamNews, TimedPrice
from tradebotd.storage.held import assert_no_connection_held

MOST_PAGES: Final = 60  # of one fetch
SETTLES: Final = timedelta(seconds=2)
REFUSED_SECONDS: Final = 600.0  # after which a name that was refused is asked for again
_MINUTE: Final = timedelta(minutes=1)

_log = structlog.get_logger(__name__)


class _NameRefusedError(FeedError):
    """Refusal of a name that was asked for by itself."""


class AlpacaFeed:
    """Shares of one of the provider's feeds (*data_feed*), and coins beside them."""

    kind: Literal["alpaca"] = "alpaca"
    price_kinds: Final = frozenset({PriceKind.LAST})

    def __init__(
        self,
        name: FeedName,
        client: Client,
        clock: Clock,
        host: HostClock,
        *,
        streams: DataStreams,
        data_feed: facts.DataFeed = "iex",
        adjustment: facts.Adjustment = "raw",
        price_every: timedelta = timedelta(seconds=5),
    ) -> None:
        self.name = name
        self.price_every = price_every
        self._client, self._clock, self._host = client, clock, host
        self._streams = streams
        self._data_feed, self._adjustment = data_feed, adjustment
        self._kept = KeptCandles()
        self._there: set[str] = set()  # names that the provider has answered for
        self._refused: dict[str, float] = {}  # names by themselves, and until when to ask no more

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:
        return facts.timeframes_of(symbol.name_at(self.name))

    def budget(self) -> FeedBudget:
        """Return what the key may still ask in a minute; a day has no limit."""
        now, (limit, left) = self._host.now(), self._client.budget()
        minute = now.replace(second=0, microsecond=0) + _MINUTE
        day = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return FeedBudget(limit, left, minute, None, None, day)

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._client.close()

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        assert_no_connection_held("a feed call")
        name = symbol.name_at(self.name)
        if timeframe not in facts.timeframes_of(name):
            raise FeedError(
                f"{self.name}: {timeframe} candles of {symbol.symbol} are not on our grid there"
            )
        start, end = _on_grid(timeframe, start), min(end, self._ended(timeframe))
        if start >= end:
            return FetchedCandles(())
        if timeframe is Timeframe.M1:
            kept = self._kept.between(name, start, end)
            if kept is not None:
                return FetchedCandles(kept)
        await self._settled(end)
        return await self._asked(name, timeframe, start, end)

    def _ended(self, timeframe: Timeframe) -> datetime:
        """Return the end of what is over: a day is, once its date is over in New York."""
        now = self._clock.now()
        if timeframe is Timeframe.D1:
            return facts.last_day(now) + timeframe.duration
        return timeframe.floor(now)

    async def _asked(
        self, name: str, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        """Ask page by page, until no token for another one is told."""
        candles: list[Candle] = []
        rejected: list[RejectedCandle] = []
        duplicates, token = 0, ""
        for _ in range(MOST_PAGES):
            page = await self._page(name, timeframe, (start, end), token)
            candles += [each for each in page.candles if start <= each.ts < end]
            rejected += [r for r in page.rejected if r.ts is None or start <= r.ts < end]
            duplicates += page.duplicates
            if page.more is None:
                await self._check_there(name, is_told=bool(candles or rejected))
                return self._fetched(name, candles, rejected, duplicates)
            if page.more == token:
                raise FeedError(f"{self.name}: the same page of {name} again")
            token = page.more
        raise FeedError(f"{self.name}: more than {MOST_PAGES} pages of {name} at once")

    def _fetched(
        self,
        name: str,
        candles: list[Candle],
        rejected: list[RejectedCandle],
        duplicates: int,
    ) -> FetchedCandles:
        times = [each.ts for each in candles]
        if any(after <= before for before, after in pairwise(times)):
            raise FeedError(f"{self.name}: candles of {name} that do not go on")
        corrects = facts.changes_after_splits(self._adjustment) and not facts.is_crypto(name)
        return FetchedCandles(candles, rejected, duplicates, corrects=corrects)

    async def _page(
        self, name: str, timeframe: Timeframe, span: tuple[datetime, datetime], token: str
    ) -> Page:
        crypto = facts.is_crypto(name)
        query = {"symbols": name, **facts.range_words(timeframe, *span)}
        if not crypto:
            query |= facts.stock_words(self._data_feed, self._adjustment)
        if token:
            query["page_token"] = token
        told = await self._client.bars(query, crypto=crypto)
        try:
            return page_of(told.answer, name, timeframe, self.name, told.source)
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def _check_there(self, name: str, *, is_told: bool) -> None:
        """Raise FeedError for a name that the provider does not know: its bars are none, like those
        of a share that was not traded. One that has ever been traded has a latest trade.
        """
        if is_told:
            self._there.add(name)
        if name in self._there:
            return
        told = await self._told([name])
        if isinstance(told, Refusal):
            raise FeedError(told.told)
        if name not in self._there:
            raise FeedError(f"{self.name}: {name} is not known there, or was never traded")

    async def _settled(self, end: datetime) -> None:
        """Wait a moment where the last bar has just closed: trades of it are still counted."""
        age = self._clock.now() - end
        if age < SETTLES:
            await self._host.sleep((SETTLES - age).total_seconds())

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        """Ask for the last prices of *symbols*. Raises as `timed_quotes`."""
        return {name: told.price for name, told in (await self.timed_quotes(symbols)).items()}

    async def timed_quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, TimedPrice]:
        """Ask for the last prices of *symbols*; a question that fails takes no price of the others.

        Raises FeedError where none is answered, or all of the names are refused.
        """
        assert_no_connection_held("a feed call")
        names = list(dict.fromkeys(symbol.name_at(self.name) for symbol in symbols))
        prices: dict[str, Price] = {}
        failures: list[FeedError] = []
        is_answered = not names
        for batch in self._questions(names):
            try:
                prices |= await self._prices(batch)
                is_answered = True
            except FeedError as error:
                failures.append(error)
        if not is_answered:
            raise failures[0] if failures else FeedError(f"{self.name}: refused: {names[:3]}")
        for failure in failures:
            _log.warning("quotes left out", feed=self.name, reason=str(failure))
        for name, told in prices.items():
            self._streams.polled(name, told.price)
        return {
            symbol.symbol: TimedPrice(*prices[name])
            for symbol in symbols
            if (name := symbol.name_at(self.name)) in prices
        }

    def _questions(self, names: Sequence[str]) -> list[Sequence[str]]:
        """Return what is asked for together: shares, coins, and those apart that were refused once,
        so that they do not have the others refused again.
        """
        now = self._host.monotonic()
        asked = [name for name in names if self._refused.get(name, now) <= now]
        questions: list[Sequence[str]] = []
        for crypto in (False, True):
            for again in (False, True):
                some = [
                    name
                    for name in asked
                    if facts.is_crypto(name) is crypto and (name in self._refused) is again
                ]
                questions += batched(some, facts.MOST_NAMES)
        return questions

    async def _prices(self, names: Sequence[str]) -> dict[str, Price]:
        """Ask in one call; one by one, where one of *names* had the provider refuse them all.

        Raises FeedError where nothing is answered.
        """
        told = await self._told(names)
        if not isinstance(told, Refusal):
            now = self._host.now()
            for name in names:
                self._refused.pop(name, None)
            return {
                name: each
                for name, each in told.items()
                if name in names and not facts.is_stale(now - each.at)
            }
        if not told.is_of_a_name:
            raise FeedError(told.told)
        if len(names) == 1:
            _log.warning("quote left out", feed=self.name, symbol=names[0], reason=told.told)
            self._refused[names[0]] = self._host.monotonic() + REFUSED_SECONDS
            raise _NameRefusedError(told.told)
        return await self._one_by_one(names)

    async def _one_by_one(self, names: Sequence[str]) -> dict[str, Price]:
        """Ask for each of *names* alone, until a failure that is not of its name.

        Raises FeedError where nothing is answered.
        """
        found: dict[str, Price] = {}
        failure: FeedError | None = None
        is_answered = False
        for name in names:
            try:
                found |= await self._prices([name])
                is_answered = True
            except _NameRefusedError as error:
                failure = error
            except FeedError as error:
                failure = error
                _log.warning("quotes left out", feed=self.name, since=name, reason=str(error))
                break
        if failure is not None and not is_answered:
            raise failure
        return found

    async def _told(self, names: Sequence[str]) -> dict[str, Price] | Refusal:
        """Ask for the latest trades of *names*, all shares or all coins. Raises FeedError."""
        crypto = facts.is_crypto(names[0])
        query = {"symbols": ",".join(names)} | ({} if crypto else {"feed": self._data_feed})
        told = await self._client.trades(query, crypto=crypto)
        if isinstance(told, Refusal):
            return told
        try:
            prices = trades_of(told.answer)
            self._there.update(name for name, _ in told.answer["trades"].members())
        except MisshapenError as error:
            raise FeedError(str(error)) from error
        return prices

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

        def minute(name: str, candle: Candle) -> None:
            self._there.add(name)
            self._kept.put(name, candle)
            news.candles(ours[name])

        def revised(name: str, candle: Candle) -> None:
            self._kept.revise(name, candle)
            for symbol in ours[name]:
                news.corrected(symbol, candle)

        def connected(names: Sequence[str]) -> None:
            for name in names:
                self._kept.forget(name)
            news.candles([symbol for name in names for symbol in ours[name]])

        def is_open(name: str) -> bool:
            return any(news.is_open(symbol) for symbol in ours[name])

        heard = Heard(trade, minute, revised, connected, is_open, news.silent)
        await self._streams.run(list(ours), heard)


def _on_grid(timeframe: Timeframe, instant: datetime) -> datetime:
    """Return the first open time of a candle from *instant* on."""
    floor = timeframe.floor(instant)
    return floor if floor == instant else floor + timeframe.duration
