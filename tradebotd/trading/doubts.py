"""A tick far from the one before it ends nothing until a second one, or a quote, says the same."""

from decimal import Decimal

import structlog

from tradebotd.ports.prices import PriceSource
from tradebotd.risk.tick_guard import TickGuard

log = structlog.get_logger(__name__)


class Doubts:
    """Asked only about ticks that would move or end something: the others cost nothing."""

    def __init__(self, prices: PriceSource, limit: Decimal) -> None:
        self._prices = prices
        self._guard = TickGuard(limit)

    def believes(self, symbol: str, price: Decimal) -> bool:
        """*price* was recorded last; it is compared with the tick before it."""
        last, doubted = self._prices.last_prices(symbol), self._guard.doubted(symbol)
        if last is not None and last.previous != doubted:
            self._guard.confirm(symbol, last.previous)
        if self._guard.accept(symbol, price):
            return True
        log.warning("price doubted", symbol=symbol, price=price)
        return False

    def confirm(self, symbol: str, price: Decimal) -> None:
        """A venue's quote."""
        self._guard.confirm(symbol, price)

    def about(self, symbol: str) -> bool:
        """Whether the last price is one that nothing has confirmed."""
        doubted, last = self._guard.doubted(symbol), self._prices.last_prices(symbol)
        return doubted is not None and last is not None and last.current == doubted
