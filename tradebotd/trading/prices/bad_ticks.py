"""Bad ticks: a print far from the one before ends nothing until another observation agrees.

Another observation is a later print, or a quote of a venue that does not only echo our feed: asking
the same source for the same print again says nothing.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.quote import PriceKind
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.prices import LastPrices
from tradebotd.risk.tick_filter import TickFilter

log = structlog.get_logger(__name__)

Observation = tuple[datetime, Decimal]
PriceOf = tuple[str, PriceKind]

_LAST: Final = PriceKind.LAST


class BadTickFilter:
    """Filter of bad ticks: for ticks that would move or end something, and all the sweep acts on.

    Prices of each kind are compared with one another, and those that are not the last one with a
    fresh last price, too: a second quote far from all trades confirms nothing. Valuations use it,
    too: an amount stays in the books at the price it was counted at.
    """

    def __init__(self, prices: PriceCache) -> None:
        self._prices = prices
        self._filters = {kind: TickFilter(prices.bad_tick) for kind in PriceKind}
        self._believed: dict[PriceOf, Observation] = {}
        self._doubted: dict[PriceOf, Observation] = {}

    @property
    def limit(self) -> Decimal:
        return self._filters[_LAST].limit

    def set_limit(self, limit: Decimal) -> None:
        """Doubt from now on prices further than the fraction *limit* from the print before."""
        self._prices.bad_tick = limit
        for ticks in self._filters.values():
            ticks.limit = limit

    def price(self, symbol: str) -> Decimal | None:
        """Return the last believed price; None until the symbol's first tick."""
        last = self._prices.last_prices(symbol)
        return None if last is None else last.believed

    def believes(self, symbol: str, price: Decimal, kind: PriceKind = _LAST) -> bool:
        """Return whether *price*, which was recorded last, is believed after the tick before it."""
        last = self._prices.last_prices(symbol, kind)
        if last is None:
            return self._filters[kind].accept(symbol, price)
        return self._believes(last, (symbol, kind), price)

    def is_doubted(self, symbol: str, kind: PriceKind = _LAST) -> bool:
        """Return whether the latest price of *kind* is one that nothing has confirmed."""
        last = self._prices.last_prices(symbol, kind)
        return last is not None and not self._believes(last, (symbol, kind), last.current)

    def _believes(self, last: LastPrices, key: PriceOf, price: Decimal) -> bool:
        symbol, kind = key
        ticks = self._filters[kind]
        if kind is not _LAST and (told := self._told_by_last(key, last)) is not None:
            return told
        seen = _observed(last)
        if seen == self._believed.get(key):
            return True
        if seen == self._doubted.get(key):
            return False
        if last.previous != ticks.doubted(symbol):
            ticks.confirm(symbol, last.previous)
        if ticks.accept(symbol, price):
            self._believe(key, seen)
            return True
        self._doubt(key, seen)
        return False

    def on_quote(
        self, symbol: str, price: Decimal, kind: PriceKind = _LAST, at: datetime | None = None
    ) -> bool:
        """Take a venue's own quote: a doubted price is believed if the quote agrees with it.

        Returns False if the quote itself is not believed: at *at* nothing is traded near it.
        """
        last, ticks = self._prices.last_prices(symbol, kind), self._filters[kind]
        if (
            kind is not _LAST
            and at is not None
            and self._prices.by_last(symbol, price, at) is False
        ):
            goes_on = last is not None and self._prices.near(price, last.believed)
            if kind is not PriceKind.MARK or not goes_on:
                log.warning("quote doubted", symbol=symbol, kind=kind, price=price)
                return False
        confirms = ticks.vouches(symbol, price)
        ticks.confirm(symbol, price)
        # Another tick may have come while the quote was on its way.
        if confirms and last is not None and self._prices.near(price, last.current):
            self._believe((symbol, kind), _observed(last))
        return True

    def _told_by_last(self, key: PriceOf, last: LastPrices) -> bool | None:
        """Return whether a price of another kind is believed, where the last price decides that."""
        symbol, kind = key
        told, seen = self._prices.by_last(symbol, last.current, last.at), _observed(last)
        if told:
            self._filters[kind].confirm(symbol, last.current)
            self._believe(key, seen)
        elif told is False:
            if kind is PriceKind.MARK and last.instead is None:
                return None  # it goes on from the marks before it
            self._doubt(key, seen)
        return told

    def _doubt(self, key: PriceOf, seen: Observation) -> None:
        if self._doubted.get(key) != seen:
            self._doubted[key] = seen
            log.warning("price doubted", symbol=key[0], kind=key[1], price=seen[1])

    def _believe(self, key: PriceOf, seen: Observation) -> None:
        self._believed[key] = seen
        self._doubted.pop(key, None)
        self._prices.believe(*key)


def _observed(last: LastPrices) -> Observation:
    return last.seen_at or last.at, last.current
