"""Prices that a test sets."""

from datetime import UTC, datetime
from decimal import Decimal

from tradebotd.ports.prices import LastPrices


class FakePrices:
    def __init__(self) -> None:
        self._last: dict[str, LastPrices] = {}

    def move(self, symbol: str, price: str) -> None:
        """To *price*, from wherever it was."""
        known = self._last.get(symbol)
        current = Decimal(price)
        previous = current if known is None else known.current
        self._last[symbol] = LastPrices(previous, current, datetime(2022, 3, 1, tzinfo=UTC))

    def last_prices(self, symbol: str) -> LastPrices | None:
        return self._last.get(symbol)
