"""The prices of a seed: what each symbol really cost, what was shown of it, and the candles of it."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

from tradebotd.domain.candle import Candle
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe

CANDLE_SECONDS = 10  # faster than any timeframe, so that a minute sees several decisions
HISTORY = 40  # candles from before the beginning

How = Literal["tick", "quote"]


@dataclass(frozen=True, slots=True)
class Shown:
    """*life*: to which one of the process. *true*: the market really was there."""

    at: float
    price: Decimal
    how: How
    life: int
    true: bool = True


@dataclass
class Tape:
    """Times are virtual seconds."""

    began: datetime
    prices: dict[str, list[tuple[float, Decimal]]] = field(default_factory=dict)
    shown: dict[str, list[Shown]] = field(default_factory=dict)

    def begin(self, symbol: str, price: Decimal, chance: random.Random, tick: Decimal) -> None:
        """A price before everything, and a past that ends there."""
        past, each = [], price
        for back in range(HISTORY * CANDLE_SECONDS // 5):
            past.append((-5.0 * back, each))
            moved = each * Decimal(str(round(1 + chance.gauss(0, 0.004), 6)))
            each = max(tick, moved // tick * tick)
        self.prices[symbol], self.shown[symbol] = past[::-1], []

    def move(self, symbol: str, at: float, price: Decimal) -> None:
        self.prices[symbol].append((at, price))

    def show(self, symbol: str, shown: Shown) -> None:
        self.shown[symbol].append(shown)

    def ends_in_a_lie(self, symbol: str) -> bool:
        """A false print is alone: two that agree are a price to everybody."""
        seen = self.shown[symbol]
        return bool(seen) and not seen[-1].true

    def between(self, symbol: str, first: float, last: float) -> Sequence[Shown]:
        """What was shown from *first* to *last*, both included."""
        seen = self.shown[symbol]
        begin = bisect_left(seen, first, key=lambda each: each.at)
        return seen[begin : bisect_right(seen, last, key=lambda each: each.at)]

    def first_prints(self, symbol: str) -> Sequence[Shown]:
        """Of each life of the process."""
        first: dict[int, Shown] = {}
        for each in self.shown[symbol]:
            first.setdefault(each.life, each)
        return list(first.values())

    def price_at(self, symbol: str, at: float) -> Decimal:
        """What it really cost then."""
        path = self.prices[symbol]
        return path[max(0, bisect_right(path, at, key=lambda each: each[0]) - 1)][1]

    def candle(self, symbol: str, closes: float) -> Candle:
        """Of the seconds before *closes*, which is its name."""
        path = self.prices[symbol]
        begin = bisect_left(path, closes - CANDLE_SECONDS, key=lambda each: each[0])
        end = bisect_left(path, closes, key=lambda each: each[0])
        prices = [float(price) for _, price in path[max(0, begin - 1) : end]] or [float(path[0][1])]
        ts = self.began + timedelta(seconds=closes)
        return Candle(ts, prices[0], max(prices), min(prices), prices[-1], 1.0)


class QuickCandles:
    """In place of the stored candles: one every few seconds, of the prices that were there."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._made: dict[tuple[str, datetime], Candle] = {}

    async def closed(
        self, symbol: MarketSymbol, timeframe: Timeframe, count: int, now: datetime
    ) -> Sequence[Candle]:
        del timeframe
        newest = now.timestamp() // CANDLE_SECONDS * CANDLE_SECONDS
        names = [newest - CANDLE_SECONDS * back for back in range(min(count, HISTORY) - 1, -1, -1)]
        return [self._candle(symbol.symbol, datetime.fromtimestamp(at, UTC)) for at in names]

    def named(self, symbol: str, newest: float) -> Sequence[Candle]:
        """As many as there are, up to the one that closes at *newest* (a timestamp)."""
        names = [newest - CANDLE_SECONDS * back for back in range(HISTORY - 1, -1, -1)]
        return [self._candle(symbol, datetime.fromtimestamp(at, UTC)) for at in names]

    def _candle(self, symbol: str, name: datetime) -> Candle:
        made = self._made.get((symbol, name))
        if made is None:
            made = self._tape.candle(symbol, (name - self._tape.began).total_seconds())
            self._made[symbol, name] = made
        return made
