"""Candles, symbols and a clock for tests of market data."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from tradebotd.clocks.market import MarketClock
from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName, VenueName
from tradebotd.domain.instrument import ALWAYS_OPEN, Instrument, MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.ports.feed import FetchedCandles

START = datetime(2022, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def market_symbol(
    name: str = "BTCPERP",
    *,
    feeds: Sequence[str] = ("fake",),
    timeframes: Sequence[str] = ("1m", "5m", "15m", "1h", "1d"),
    calendar: str = ALWAYS_OPEN,
    tick: str = "0.01",
) -> MarketSymbol:
    return MarketSymbol(
        instrument=Instrument(
            symbol=name,
            venue=VenueName("paper"),
            base_asset="BASE",
            quote_asset="USD",
            tick_size=Decimal(tick),
            lot_size=Decimal("0.001"),
        ),
        feeds=tuple(FeedName(feed) for feed in feeds),
        timeframes=tuple(Timeframe(each) for each in timeframes),
        calendar=calendar,
    )


def minutes(count: int, start: datetime = START, *, seed: int = 1) -> list[Candle]:
    """*count* plausible one-minute candles in a row."""
    chance = Random(seed)
    price, candles = 100.0, []
    for number in range(count):
        close = round(price + chance.uniform(-0.2, 0.2), 2)
        high = round(max(price, close) + chance.uniform(0, 0.1), 2)
        low = round(min(price, close) - chance.uniform(0, 0.1), 2)
        volume = float(chance.randint(0, 50))
        candles.append(Candle(start + number * MINUTE, price, high, low, close, volume))
        price = close
    return candles


def standing_clock(now: datetime = START) -> MarketClock:
    """Market time that only a test moves, by `jump_to`."""
    return MarketClock(now, 0)


class FakeFeed:
    """Holds candles; `broken` makes it fail as a provider does."""

    price_kinds = frozenset({PriceKind.LAST})

    def __init__(
        self,
        clock: MarketClock,
        candles: Sequence[Candle],
        name: str = "fake",
        timeframe: Timeframe = Timeframe.M1,
    ) -> None:
        self.name = FeedName(name)
        self.clock = clock
        self.candles = list(candles)
        self.broken = False
        self.asked: list[tuple[datetime, datetime]] = []
        self._timeframe = timeframe

    async def fetch(
        self,
        symbol: MarketSymbol,  # noqa: ARG002
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
    ) -> FetchedCandles:
        self.asked.append((start, end))
        if self.broken:
            raise FeedError("HTTP 503")
        closed = self.clock.now() - timeframe.duration
        found = [c for c in self.candles if start <= c.ts < end and c.ts <= closed]
        return FetchedCandles(candles=found)

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:  # noqa: ARG002
        return {}

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:  # noqa: ARG002
        return (self._timeframe,)
