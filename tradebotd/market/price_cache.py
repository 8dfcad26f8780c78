"""Last prices seen, in memory; the paper venue matches against them."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.candle import Tick
from tradebotd.ports.prices import LastPrices

USUAL_BAD_TICK: Final = Decimal("0.1")


class PriceCache:
    """Cache of each symbol's two latest ticks, fed by the stream or the replay's path.

    *bad_tick*, a fraction: a price further away from both the previous and the last believed price
    is not believed. The next price near it confirms it; the first price is always believed.
    """

    def __init__(self, bad_tick: Decimal = USUAL_BAD_TICK) -> None:
        self.bad_tick = bad_tick
        self._last: dict[str, LastPrices] = {}

    def record(self, tick: Tick) -> None:
        last = self._last.get(tick.symbol)
        previous = tick.price if last is None else last.current
        seen_at = instead = None
        if last is not None:
            if tick.repeats and last.current == tick.price:
                seen_at, instead = last.seen_at or last.at, last.instead
            elif not self._confirms(tick.price, last):
                instead = last.believed
        self._last[tick.symbol] = LastPrices(
            previous, tick.price, tick.at, tick.after_gap, seen_at, instead
        )

    def believe(self, symbol: str) -> None:
        """Accept the latest tick, which another observation confirms, as reference for the next."""
        last = self._last.get(symbol)
        if last is not None and last.instead is not None:
            self._last[symbol] = replace(last, instead=None)

    def _confirms(self, price: Decimal, last: LastPrices) -> bool:
        if self.near(price, last.current):
            return True
        return last.instead is not None and self.near(price, last.instead)

    def near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.bad_tick * other

    def last_prices(self, symbol: str) -> LastPrices | None:
        return self._last.get(symbol)

    def price(self, symbol: str) -> Decimal | None:
        last = self._last.get(symbol)
        return None if last is None else last.current

    def age(self, symbol: str, now: datetime) -> timedelta | None:
        last = self._last.get(symbol)
        return None if last is None else now - last.at
