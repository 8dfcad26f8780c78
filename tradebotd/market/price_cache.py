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

    def record(self, point: Tick) -> None:
        known = self._last.get(point.symbol)
        previous = point.price if known is None else known.current
        seen_at = instead = None
        if known is not None:
            if point.repeats and known.current == point.price:
                seen_at, instead = known.seen_at or known.at, known.instead
            elif not self._confirms(point.price, known):
                instead = known.believed
        self._last[point.symbol] = LastPrices(
            previous, point.price, point.at, point.after_gap, seen_at, instead
        )

    def believe(self, symbol: str) -> None:
        """Accept the latest tick, which another observation confirms, as reference for the next."""
        known = self._last.get(symbol)
        if known is not None and known.instead is not None:
            self._last[symbol] = replace(known, instead=None)

    def _confirms(self, price: Decimal, known: LastPrices) -> bool:
        if self.near(price, known.current):
            return True
        return known.instead is not None and self.near(price, known.instead)

    def near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.bad_tick * other

    def last_prices(self, symbol: str) -> LastPrices | None:
        return self._last.get(symbol)

    def price(self, symbol: str) -> Decimal | None:
        known = self._last.get(symbol)
        return None if known is None else known.current

    def age(self, symbol: str, now: datetime) -> timedelta | None:
        known = self._last.get(symbol)
        return None if known is None else now - known.at
