"""Prices that a test sets."""

from datetime import UTC, datetime
from decimal import Decimal

from tradebotd.domain.candle import Tick
from tradebotd.ports.prices import LastPrices


class FakePrices:
    def __init__(self) -> None:
        self._last: dict[str, LastPrices] = {}

    def move(self, symbol: str, price: str) -> None:
        """To *price*, from wherever it was."""
        self.record(Tick(datetime(2022, 3, 1, tzinfo=UTC), symbol, Decimal(price)))

    def record(self, point: Tick) -> None:
        known = self._last.get(point.symbol)
        previous = point.price if known is None else known.current
        self._last[point.symbol] = LastPrices(previous, point.price, point.at, point.after_gap)

    def last_prices(self, symbol: str) -> LastPrices | None:
        return self._last.get(symbol)

    def price(self, symbol: str) -> Decimal | None:
        """Whatever was set is believed."""
        last = self._last.get(symbol)
        return None if last is None else last.current
