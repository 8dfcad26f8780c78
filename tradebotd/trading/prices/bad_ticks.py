"""Bad ticks: a print far from the one before ends nothing until another observation agrees.

Another observation is a later print, or a quote of a venue that does not only echo our feed: asking
the same source for the same print again says nothing.
"""

from datetime import datetime
from decimal import Decimal

import structlog

from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.prices import LastPrices
from tradebotd.risk.tick_filter import TickFilter

log = structlog.get_logger(__name__)

Observation = tuple[datetime, Decimal]


class BadTickFilter:
    """Filter of bad ticks: for ticks that would move or end something, and all the sweep acts on.

    Valuations use it, too: an amount stays in the books at the price it was counted at.
    """

    def __init__(self, prices: PriceCache) -> None:
        self._prices = prices
        self._filter = TickFilter(prices.bad_tick)
        self._believed: dict[str, Observation] = {}
        self._doubted: dict[str, Observation] = {}

    @property
    def limit(self) -> Decimal:
        return self._filter.limit

    def set_limit(self, limit: Decimal) -> None:
        """Doubt from now on prices further than the fraction *limit* from the print before."""
        self._prices.bad_tick = self._filter.limit = limit

    def price(self, symbol: str) -> Decimal | None:
        """Return the last believed price; None until the symbol's first tick."""
        last = self._prices.last_prices(symbol)
        return None if last is None else last.believed

    def believes(self, symbol: str, price: Decimal) -> bool:
        """Return whether *price*, which was recorded last, is believed after the tick before it."""
        last = self._prices.last_prices(symbol)
        if last is None:
            return self._filter.accept(symbol, price)
        seen = _observed(last)
        if seen == self._believed.get(symbol):
            return True
        if seen == self._doubted.get(symbol):
            return False
        if last.previous != self._filter.doubted(symbol):
            self._filter.confirm(symbol, last.previous)
        if self._filter.accept(symbol, price):
            self._believe(symbol, seen)
            return True
        self._doubted[symbol] = seen
        log.warning("price doubted", symbol=symbol, price=price)
        return False

    def is_doubted(self, symbol: str) -> bool:
        """Return whether the last price is one that nothing has confirmed."""
        last = self._prices.last_prices(symbol)
        return last is not None and not self.believes(symbol, last.current)

    def on_quote(self, symbol: str, price: Decimal) -> None:
        """Take a venue's own quote: a doubted price is believed if the quote agrees with it."""
        last = self._prices.last_prices(symbol)
        confirms = self._filter.vouches(symbol, price)
        self._filter.confirm(symbol, price)
        # Another tick may have come while the quote was on its way.
        if confirms and last is not None and self._prices.near(price, last.current):
            self._believe(symbol, _observed(last))

    def _believe(self, symbol: str, seen: Observation) -> None:
        self._believed[symbol] = seen
        self._doubted.pop(symbol, None)
        self._prices.believe(symbol)


def _observed(last: LastPrices) -> Observation:
    return last.seen_at or last.at, last.current
