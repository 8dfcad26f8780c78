"""Port for market data; every adapter must pass tests/contract/test_feed.py."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol, runtime_checkable

from tradebotd.domain.candle import Candle, RejectedCandle, Tick
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe


class FetchedCandles(NamedTuple):
    """Closed candles, oldest first, each open time once; and the rows that were rejected.

    `duplicates` counts identical rows that were dropped. `corrects`: where a range is asked for
    again, values that differ from the stored ones take their place (adjusted ones, after a split).
    """

    candles: Sequence[Candle]
    rejected: Sequence[RejectedCandle] = ()
    duplicates: int = 0
    corrects: bool = False


class FeedBudget(NamedTuple):
    """Credits of a feed, by the host's clock; those of the day are None where there is no limit."""

    per_minute: int
    left_minute: int
    minute_resets_at: datetime
    per_day: int | None
    left_day: int | None
    day_resets_at: datetime


class Feed(Protocol):
    @property
    def name(self) -> FeedName: ...

    @property
    def price_kinds(self) -> frozenset[PriceKind]:
        """Kinds of price that its ticks tell; `quotes` and candles are of the last one."""
        ...

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        """Fetch candles with start <= ts < end that have closed by the clock. Raises FeedError."""
        ...

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        """Return last prices by our symbol, in one call; symbols the feed lacks are left out."""
        ...

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:
        """Return the timeframes that can be fetched; the others are rolled up from 1m."""
        ...


class SimulatedFeed(Feed, Protocol):
    """A feed that carries its own time: recorded or synthetic candles."""

    def span(self) -> tuple[datetime, datetime]:
        """Return the first candle's open and the last one's close, over all symbols.

        A feed without an end (synthetic) returns datetime.max (UTC) as its end.
        """
        ...

    def path(self, after: datetime | None) -> Iterator[Tick]:
        """Yield every symbol's ticks later than *after* (None: from the start), by (at, symbol)."""
        ...


@runtime_checkable
class PolledFeed(Feed, Protocol):
    """Feed of a provider, on the real time, whose prices are asked for."""

    @property
    def price_every(self) -> timedelta:
        """How often its quotes are asked for, within what the provider allows."""
        ...

    def budget(self) -> FeedBudget | None:
        """Return what is left of its credits; None where the provider counts none."""
        ...

    async def close(self) -> None:
        """Close the connections that are kept open."""
        ...


class TimedPrice(NamedTuple):
    """Price and when it was traded, by the provider's word; None: the provider does not tell."""

    price: Decimal
    at: datetime | None = None


@runtime_checkable
class TimedFeed(PolledFeed, Protocol):
    """Feed of a provider that tells of when its latest prices are."""

    async def timed_quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, TimedPrice]:
        """Return what `quotes` does, each with its time in market time."""
        ...


def _always(_: str) -> bool:
    return True


def _unheard(*_: object) -> None:
    """Tell nobody."""


def _last_alone(_: str) -> frozenset[PriceKind]:
    return frozenset()


class StreamNews(NamedTuple):
    """Receiver of a stream, by our symbols; none of it waits.

    `price`: of a trade, and its age: by the provider's clock, as far as that is known.
    `candles`: minutes of them have closed, or were missed while the stream was away: `fetch` them.
    `corrected`: a minute that had closed was told anew, with other values. `is_open`: whether
    trades are expected now. `silent`: names of streams that tell nothing though they should, with
    words; all of them, each time that they change. `kinds`: of price that are wanted of a symbol
    beside the last one; a feed that streams them tells `other_price`.
    """

    price: Callable[[str, Decimal, timedelta], None]
    candles: Callable[[Sequence[str]], None]
    corrected: Callable[[str, Candle], None] = _unheard
    is_open: Callable[[str], bool] = _always
    silent: Callable[[Mapping[str, str]], None] = _unheard
    kinds: Callable[[str], frozenset[PriceKind]] = _last_alone
    other_price: Callable[[str, PriceKind, Decimal], None] = _unheard


@runtime_checkable
class StreamedFeed(PolledFeed, Protocol):
    """Feed of a provider that tells prices by itself, and is asked for those it does not tell."""

    async def stream(self, symbols: Sequence[MarketSymbol], news: StreamNews) -> None:
        """Tell *news* of *symbols* until cancelled, over however many connections."""
        ...

    def tells(self, symbol: MarketSymbol) -> bool:
        """Return whether the symbol's prices are told just now: it need not be asked for."""
        ...
