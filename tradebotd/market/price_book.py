"""The last prices seen, in memory. The paper venue matches against them."""

from datetime import datetime, timedelta
from decimal import Decimal

from tradebotd.domain.candle import PathPoint
from tradebotd.ports.prices import LastPrices


class PriceBook:
    """The two latest ticks of each symbol; fed by the stream or by the replay's path."""

    def __init__(self) -> None:
        self._last: dict[str, LastPrices] = {}

    def record(self, point: PathPoint) -> None:
        known = self._last.get(point.symbol)
        previous = point.price if known is None else known.current
        seen_at = None
        if point.repeats and known is not None and known.current == point.price:
            seen_at = known.seen_at or known.at
        self._last[point.symbol] = LastPrices(
            previous, point.price, point.at, point.after_gap, seen_at
        )

    def last_prices(self, symbol: str) -> LastPrices | None:
        return self._last.get(symbol)

    def price(self, symbol: str) -> Decimal | None:
        known = self._last.get(symbol)
        return None if known is None else known.current

    def age(self, symbol: str, now: datetime) -> timedelta | None:
        known = self._last.get(symbol)
        return None if known is None else now - known.at
