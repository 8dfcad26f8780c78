"""A feed whose prices are the venue's own: asked for each second, and candles without a wick."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import FeedBudget, FetchedCandles

MINUTE = timedelta(minutes=1)


class VenueFeed:
    """Implements `PolledFeed`. *price*: what the venue's market says now."""

    price_kinds = frozenset({PriceKind.LAST})
    price_every = timedelta(seconds=1)

    def __init__(self, name: FeedName, clock: Clock, price: Callable[[], Decimal]) -> None:
        self.name = name
        self._clock, self._price = clock, price

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        del symbol, timeframe
        price = float(self._price())
        closed = min(end, self._clock.now() - MINUTE + timedelta(microseconds=1))
        ts, candles = Timeframe.M1.floor(start), []
        while ts < closed:
            if ts >= start:
                candles.append(Candle(ts, price, price, price, price, 1.0))
            ts += MINUTE
        return FetchedCandles(candles[-600:])

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        return {each.symbol: self._price() for each in symbols}

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:
        del symbol
        return (Timeframe.M1,)

    def budget(self) -> FeedBudget | None:
        return None

    async def close(self) -> None:
        pass
