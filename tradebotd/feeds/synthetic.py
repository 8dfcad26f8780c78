"""Synthetic prices for trying out: seeded, reproducible, and marked as synthetic everywhere."""

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from random import Random
from typing import Final, Literal

from anyio.lowlevel import checkpoint

from tradebotd.domain.candle import Candle, Tick, path_through, ticks_of
from tradebotd.domain.decimals import from_float
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import FetchedCandles
from tradebotd.storage.held import assert_no_connection_held

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_MINUTES_A_DAY: Final = 1_440
_DAYS_A_YEAR: Final = 365
_DAYS_KEPT: Final = 4


class _Walk:
    """Random walk of one symbol; a day's candles depend on the seed and the day alone.

    Daily closes are a walk of their own, one step a day; a day's minutes are a bridge between two
    of them. So any day is computed without the candles of the days before it.
    """

    def __init__(self, symbol: MarketSymbol, seed: int, volatility: float, start: datetime) -> None:
        self._key = f"{seed}:{symbol.symbol}"
        self._first_day = _midnight(start)
        self._tick = float(symbol.instrument.tick_size)
        exponent = symbol.instrument.tick_size.normalize().as_tuple().exponent
        self._digits = max(0, -exponent) if isinstance(exponent, int) else 0
        self._daily = volatility / math.sqrt(_DAYS_A_YEAR)
        first = Random(self._key).randint(20_000, 60_000) * self._tick  # noqa: S311 - not a secret
        self._logs = [math.log(first)]  # of each day's open
        self._days: OrderedDict[datetime, list[Candle]] = OrderedDict()

    def day(self, midnight: datetime) -> list[Candle]:
        """Return the day's 1,440 candles; takes about 5 ms if they are not cached."""
        known = self._days.get(midnight)
        if known is None:
            known = self._make(midnight)
            self._days[midnight] = known
            if len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
        return known

    def _open_log(self, number: int) -> float:
        while len(self._logs) <= number:
            step = Random(f"{self._key}:day:{len(self._logs)}").gauss(0.0, self._daily)  # noqa: S311
            self._logs.append(self._logs[-1] + step - self._daily**2 / 2)
        return self._logs[number]

    def _make(self, midnight: datetime) -> list[Candle]:
        number = (midnight - self._first_day).days
        start, end = self._open_log(number), self._open_log(number + 1)
        chance = Random(f"{self._key}:minutes:{number}")  # noqa: S311
        sigma = self._daily / math.sqrt(_MINUTES_A_DAY)
        steps = [chance.gauss(0.0, sigma) for _ in range(_MINUTES_A_DAY)]
        drift = (end - start - sum(steps)) / _MINUTES_A_DAY
        candles = []
        log = start
        open_ = self._on_tick(math.exp(log))
        for minute, step in enumerate(steps):
            log += step + drift
            close = self._on_tick(math.exp(log))
            reach = math.exp(sigma * abs(chance.gauss(0.0, 0.6)))
            depth = math.exp(-sigma * abs(chance.gauss(0.0, 0.6)))
            high = max(open_, close, self._on_tick(max(open_, close) * reach))
            low = min(open_, close, self._on_tick(min(open_, close) * depth))
            volume = round(chance.expovariate(0.1) * (1 + abs(step) / sigma), 3)
            ts = midnight + minute * _MINUTE
            candles.append(Candle(ts, open_, high, low, close, volume))
            open_ = close
        return candles

    def _on_tick(self, price: float) -> float:
        return round(max(1, round(price / self._tick)) * self._tick, self._digits)


class SyntheticFeed:
    """Feed of endless 1-minute candles from *start*. *volatility*: a fraction per year."""

    kind: Literal["synthetic"] = "synthetic"
    price_kinds: Final = frozenset({PriceKind.LAST})

    def __init__(
        self,
        name: FeedName,
        symbols: Sequence[MarketSymbol],
        *,
        seed: int,
        volatility: float,
        start: datetime,
        clock: Clock,
    ) -> None:
        self.name = name
        self._clock = clock
        self._start = Timeframe.M1.floor(start.astimezone(UTC))
        self._walks = {
            symbol.symbol: _Walk(symbol, seed, volatility, self._start)
            for symbol in sorted(symbols, key=lambda market: market.symbol)
            if name in symbol.feeds
        }

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        assert_no_connection_held("a feed call")
        walk = self._walks.get(symbol.symbol)
        if walk is None or timeframe is not Timeframe.M1:
            raise FeedError(f"{self.name} has no {timeframe} candles of {symbol.symbol}")
        start = max(start, self._start)
        end = min(end, self._clock.now() - _MINUTE + timedelta(microseconds=1))
        found: list[Candle] = []
        midnight = _midnight(start)
        while midnight < end:
            first = _minutes_up(start - midnight)
            last = min(_MINUTES_A_DAY, _minutes_up(end - midnight))
            found += walk.day(midnight)[max(0, first) : last]
            midnight += _DAY
            await checkpoint()  # let other tasks run between days
        return FetchedCandles(candles=found)

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        assert_no_connection_held("a feed call")
        now = self._clock.now()
        found: dict[str, Decimal] = {}
        if now < self._start:
            return found
        for symbol in symbols:
            walk = self._walks.get(symbol.symbol)
            if walk is not None:
                midnight = _midnight(now)
                candle = walk.day(midnight)[(now - midnight) // _MINUTE]
                points = path_through(candle, Timeframe.M1)
                found[symbol.symbol] = from_float([p for at, p in points if at <= now][-1])
        return found

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:
        if symbol.symbol not in self._walks:
            raise FeedError(f"{self.name} does not make {symbol.symbol}")
        return (Timeframe.M1,)

    def span(self) -> tuple[datetime, datetime]:
        return self._start, datetime.max.replace(tzinfo=UTC)

    def path(self, after: datetime | None) -> Iterator[Tick]:
        walks = [self._points(symbol, walk, after) for symbol, walk in self._walks.items()]
        if len(walks) == 1:
            return walks[0]
        return heapq.merge(*walks, key=attrgetter("at", "symbol"))

    def _points(self, symbol: str, walk: _Walk, after: datetime | None) -> Iterator[Tick]:
        begin = self._start if after is None else max(self._start, Timeframe.M1.floor(after))
        midnight = _midnight(begin)
        while True:
            for candle in walk.day(midnight):
                if candle.ts < begin:
                    continue
                for tick in ticks_of(symbol, candle, Timeframe.M1):
                    if after is None or tick.at > after:
                        yield tick
            midnight += _DAY


def _midnight(instant: datetime) -> datetime:
    return Timeframe.D1.floor(instant)


def _minutes_up(span: timedelta) -> int:
    return -((-span) // _MINUTE)
