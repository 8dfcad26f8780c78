"""Feed adapter of Twelve Data: live, on the wall clock; implements `ports.feed.Feed`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import anyio
import anyio.to_thread
import structlog

from tradebotd.config.zone_database import zone
from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.batches import batched
from tradebotd.feeds.twelvedata import facts
from tradebotd.feeds.twelvedata.client import PRICES, SERIES, Client
from tradebotd.feeds.twelvedata.parsing import Series, parts_of, price_of, series_of
from tradebotd.feeds.twelvedata.refusals import Refusal, Why
from tradebotd.net.errors import MisshapenError
from tradebotd.ports.clock import Clock, HostClock
from tradebotd.ports.feed import FeedBudget, FetchedCandles
from tradebotd.storage.held import assert_no_connection_held

MOST_PAGES: Final = 60  # of one fetch; each costs a credit
SETTLES: Final = timedelta(seconds=2)
GATHER: Final = 0.01  # seconds in which calls for the same range become one request

_Answer = Series | FeedError
_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Batch:
    names: dict[str, None] = field(default_factory=dict)
    answers: dict[str, _Answer] = field(default_factory=dict)
    done: anyio.Event = field(default_factory=anyio.Event)


class TwelveDataFeed:
    kind: Literal["twelvedata"] = "twelvedata"
    price_kinds: Final = frozenset({PriceKind.LAST})

    def __init__(
        self,
        name: FeedName,
        client: Client,
        clock: Clock,
        host: HostClock,
        *,
        price_every: timedelta = timedelta(minutes=1),
    ) -> None:
        self.name = name
        self.price_every = price_every
        self._host = host
        self._client = client
        self._clock = clock
        self._gathering: dict[tuple[Timeframe, datetime, datetime], _Batch] = {}

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:
        return facts.timeframes_of(symbol.name_at(self.name))

    def budget(self) -> FeedBudget:
        return self._client.credits.budget()

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._client.close()

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        assert_no_connection_held("a feed call")
        if timeframe not in self.timeframes(symbol):
            raise FeedError(
                f"{self.name}: {timeframe} candles of {symbol.symbol} are not on our grid there"
            )
        end = min(end, timeframe.floor(self._clock.now()))
        pages = facts.pages(timeframe, start, end)
        if len(pages) > MOST_PAGES:
            raise FeedError(f"{self.name}: {len(pages)} pages are more than {MOST_PAGES} at once")
        if pages:
            await self._settled(end)
        candles: list[Candle] = []
        rejected: list[RejectedCandle] = []
        duplicates = 0
        for begin, until in pages:
            series = await self._series(symbol.name_at(self.name), timeframe, begin, until)
            last_day = await self._last_day(series.zone) if timeframe is Timeframe.D1 else None
            candles += [
                each
                for each in series.candles
                if begin <= each.ts < until and (last_day is None or each.ts <= last_day)
            ]
            rejected += [r for r in series.rejected if r.ts is None or begin <= r.ts < until]
            duplicates += series.duplicates
        return FetchedCandles(candles, rejected, duplicates)

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        assert_no_connection_held("a feed call")
        names = dict.fromkeys(symbol.name_at(self.name) for symbol in symbols)
        prices: dict[str, Decimal] = {}
        for some in batched(names, self._at_once(quotes=True)):
            prices |= await self._prices(some)
        return {
            symbol.symbol: prices[name]
            for symbol in symbols
            if (name := symbol.name_at(self.name)) in prices
        }

    async def _prices(self, names: Sequence[str]) -> dict[str, Decimal]:
        told = await self._client.ask(PRICES, names, {})
        found: dict[str, Decimal] = {}
        try:
            parts = parts_of(told.answer, names, batch=len(names) > 1)
        except MisshapenError as error:
            raise FeedError(str(error)) from error
        for name, part in parts.items():
            try:
                price = price_of(part, told.source)
            except MisshapenError as error:
                _log.warning("quote left out", feed=self.name, symbol=name, reason=str(error))
                continue
            if isinstance(price, Refusal):
                _log.info("quote left out", feed=self.name, symbol=name, reason=price.told())
            else:
                found[name] = price
        return found

    async def _series(
        self, name: str, timeframe: Timeframe, start: datetime, end: datetime
    ) -> Series:
        """The bars of *name*, from a request that other symbols of the same range may share."""
        key = (timeframe, start, end)
        batch = self._gathering.get(key)
        if batch is not None and len(batch.names) < self._at_once():
            batch.names[name] = None
            await batch.done.wait()
        else:
            batch = self._gathering[key] = _Batch({name: None})
            try:
                await anyio.sleep(GATHER)
                if self._gathering.get(key) is batch:
                    del self._gathering[key]
                batch.answers = await self._ask(list(batch.names), timeframe, start, end)
            finally:
                if self._gathering.get(key) is batch:
                    del self._gathering[key]
                batch.done.set()
        answer = batch.answers.get(name)
        if answer is None:
            raise FeedError(f"{self.name}: the request that {name} was part of was given up")
        if isinstance(answer, FeedError):
            raise FeedError(str(answer))
        return answer

    async def _ask(
        self, names: Sequence[str], timeframe: Timeframe, start: datetime, end: datetime
    ) -> dict[str, _Answer]:
        """Ask for *names* in one request; what is wrong with one harms none of the others."""
        query = {
            "interval": facts.INTERVALS[timeframe],
            **facts.range_words(timeframe, start, end),
            **facts.zone_words(timeframe),
            **facts.adjust_words(),
        }
        try:
            told = await self._client.ask(SERIES, names, query)
            parts = parts_of(told.answer, names, batch=len(names) > 1)
        except (FeedError, MisshapenError) as error:
            return dict.fromkeys(names, FeedError(str(error)))
        answers: dict[str, _Answer] = {}
        for name in names:
            if name not in parts:
                answers[name] = FeedError(str(told.source.misshapen(f"without {name}")))
                continue
            try:
                series = series_of(parts[name], timeframe, self.name, told.source)
            except MisshapenError as error:
                answers[name] = FeedError(str(error))
                continue
            if not isinstance(series, Refusal):
                answers[name] = series
            elif series.why is Why.NO_DATA:
                answers[name] = Series((), (), 0, None)
            else:
                answers[name] = FeedError(f"{self.name}: {SERIES.path}: {name}: {series.told()}")
        return answers

    def _at_once(self, *, quotes: bool = False) -> int:
        priority = PRICES.priority if quotes else SERIES.priority
        return min(facts.MOST_SYMBOLS, self._client.credits.at_once(priority))

    async def _settled(self, end: datetime) -> None:
        """Wait a moment where the last bar has just closed: no fact says when it is final there."""
        age = self._clock.now() - end
        if age < SETTLES:
            await self._host.sleep((SETTLES - age).total_seconds())

    async def _last_day(self, exchange_zone: str | None) -> datetime:
        """The last date that is over where the exchange is, as the open time of its candle."""
        if exchange_zone is None:
            return datetime.max.replace(tzinfo=UTC)
        try:
            local = await anyio.to_thread.run_sync(zone, exchange_zone)
        except ValueError as error:
            raise FeedError(f"{self.name}: {error}") from error
        today = self._clock.now().astimezone(local).date()
        return datetime(today.year, today.month, today.day, tzinfo=UTC) - Timeframe.D1.duration
