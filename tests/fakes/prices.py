"""Prices that a test sets."""

from datetime import UTC, datetime
from decimal import Decimal

from tradebotd.domain.candle import Tick
from tradebotd.domain.quote import PriceKind
from tradebotd.ports.prices import LastPrices


class FakePrices:
    def __init__(self) -> None:
        self._last: dict[tuple[str, PriceKind], LastPrices] = {}

    def move(self, symbol: str, price: str, kind: PriceKind = PriceKind.LAST) -> None:
        """To *price*, from wherever it was."""
        at = datetime(2022, 3, 1, tzinfo=UTC)
        self.record(Tick(at, symbol, Decimal(price), kind=kind))

    def record(self, point: Tick) -> None:
        key = point.symbol, point.kind
        known = self._last.get(key)
        previous = point.price if known is None else known.current
        before = None if known is None else known.at
        self._last[key] = LastPrices(
            previous, point.price, point.at, point.after_gap, previous_at=before
        )

    def last_prices(self, symbol: str, kind: PriceKind = PriceKind.LAST) -> LastPrices | None:
        return self._last.get((symbol, kind))

    def price(self, symbol: str) -> Decimal | None:
        """Whatever was set is believed."""
        last = self.last_prices(symbol)
        return None if last is None else last.current
