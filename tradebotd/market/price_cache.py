"""Prices seen last, by kind, in memory; the paper venue matches against them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tradebotd.domain.candle import Tick
from tradebotd.domain.quote import PriceKind, Spread
from tradebotd.ports.prices import LastPrices

USUAL_BAD_TICK: Final = Decimal("0.1")
FROM_LAST: Final = (PriceKind.BID, PriceKind.ASK)
_NO_SPREADS: Final[Mapping[str, Spread]] = MappingProxyType({})
_LAST: Final = PriceKind.LAST
# A question for prices takes no longer; a clock that was set back by more hides no price.
ON_ITS_WAY: Final = timedelta(seconds=30)
OLDEST_PRINT: Final = timedelta(minutes=10)  # likewise, of a print that tells its own time
COMPARED_FOR: Final = timedelta(
    seconds=90
)  # an older last price says nothing of a mark, bid or ask


class PriceCache:
    """Cache of each symbol's two latest ticks of each kind, fed by the stream or the replay's path.

    *bad_tick*, a fraction: a price further away from both the previous and the last believed price
    of its kind is not believed. The next price near it confirms it; the first price is always
    believed. A fresh last price has the last word on a bid or an ask, and on a mark that jumps: two
    stub quotes confirm each other, and nothing is traded there. *spreads*: of symbols whose bid and
    ask no feed tells: they follow the last price.
    """

    def __init__(
        self, bad_tick: Decimal = USUAL_BAD_TICK, spreads: Mapping[str, Spread] = _NO_SPREADS
    ) -> None:
        self.bad_tick = bad_tick
        self._spreads = dict(spreads)
        self._last: dict[str, LastPrices] = {}
        self._others: dict[PriceKind, dict[str, LastPrices]] = {
            kind: {} for kind in PriceKind if kind is not _LAST
        }

    def record(self, tick: Tick) -> bool:
        """Record a tick. Returns False where a newer one has overtaken it on its way."""
        prices = self._last if tick.kind is _LAST else self._others[tick.kind]
        last = prices.get(tick.symbol)
        previous = tick.price if last is None else last.current
        seen_at = instead = None
        if last is not None:
            if tick.repeats and _is_overtaken(tick, last):
                return False
            if tick.repeats and last.current == tick.price:
                seen_at, instead = min(last.seen_at or last.at, tick.at), last.instead
            elif not self._confirms(tick.price, last) or self._is_stub(tick, last):
                instead = last.believed
        elif tick.kind is not _LAST and self.by_last(tick.symbol, tick.price, tick.at) is False:
            instead = self._last[tick.symbol].believed
        prices[tick.symbol] = LastPrices(
            previous=previous,
            current=tick.price,
            at=tick.at,
            after_gap=tick.after_gap,
            seen_at=seen_at,
            instead=instead,
            previous_at=None if last is None else last.at,
            printed_at=_printed_at(tick, last),
        )
        return True

    def believe(self, symbol: str, kind: PriceKind = _LAST) -> None:
        """Accept the latest tick, which another observation confirms, as reference for the next."""
        prices = self._last if kind is _LAST else self._others[kind]
        last = prices.get(symbol)
        if last is not None and last.instead is not None:
            prices[symbol] = last._replace(instead=None)

    def _confirms(self, price: Decimal, last: LastPrices) -> bool:
        if self.near(price, last.current):
            return True
        return last.instead is not None and self.near(price, last.instead)

    def by_last(self, symbol: str, price: Decimal, at: datetime) -> bool | None:
        """Return what the last price, if it is fresh at *at*, says of another kind's *price*.

        True: it is near what is believed to be traded at. False: nothing is traded near it. None:
        that is not known.
        """
        last = self._last.get(symbol)
        if last is None or at - last.at > COMPARED_FOR:
            return None
        if self.near(price, last.believed):
            return True
        return None if self.near(price, last.current) else False

    def _is_stub(self, tick: Tick, before: LastPrices) -> bool:
        """Return whether a price of another kind lies where nothing is traded.

        A mark that goes on from the marks before it may, for a while: it is made for that.
        """
        if tick.kind is _LAST or self.by_last(tick.symbol, tick.price, tick.at) is not False:
            return False
        return tick.kind is not PriceKind.MARK or not self.near(tick.price, before.believed)

    def near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.bad_tick * other

    def follows_last(self, symbol: str, kind: PriceKind) -> bool:
        """Return whether the price is the last one, or made from it, and as old as that."""
        return kind is _LAST or (kind in FROM_LAST and symbol in self._spreads)

    def made_from_last(self, symbol: str) -> tuple[PriceKind, ...]:
        """Return the kinds that have no ticks of their own, and move with each last price."""
        return FROM_LAST if symbol in self._spreads else ()

    def last_prices(self, symbol: str, kind: PriceKind = _LAST) -> LastPrices | None:
        if kind is _LAST:
            return self._last.get(symbol)
        spread = self._spreads.get(symbol)
        if spread is None or kind not in FROM_LAST:
            return self._others[kind].get(symbol)
        last = self._last.get(symbol)
        return None if last is None else _at_spread(spread, kind, last)

    def price(self, symbol: str, kind: PriceKind = _LAST) -> Decimal | None:
        last = self._source(symbol, kind)
        if last is None:
            return None
        spread = self._spreads.get(symbol) if kind in FROM_LAST else None
        return last.current if spread is None else spread.price(kind, last.current)

    def age(self, symbol: str, now: datetime, kind: PriceKind = _LAST) -> timedelta | None:
        last = self._source(symbol, kind)
        return None if last is None else now - last.at

    def seen_at(self, symbol: str, kind: PriceKind = _LAST) -> datetime | None:
        """Return when the price was first seen; polled again, it may still be the same print."""
        last = self._source(symbol, kind)
        return None if last is None else last.seen_at or last.at

    def _source(self, symbol: str, kind: PriceKind) -> LastPrices | None:
        """Return the ticks that the price of *kind* is, or is made from."""
        prices = self._last if self.follows_last(symbol, kind) else self._others[kind]
        return prices.get(symbol)


def _is_overtaken(tick: Tick, last: LastPrices) -> bool:
    """Return whether *tick*, which was on its way, tells nothing newer than *last*.

    A print that tells its time is overtaken by another one that does, or by a streamed one: not by
    a price without a time, which is of its question and may be of any print before that. Told once
    more behind such a price, it is no news either.
    """
    if not tick.timed:
        return timedelta() < last.at - tick.at <= ON_ITS_WAY
    if last.printed_at is None:
        return False
    behind = last.printed_at - tick.at
    return timedelta() < behind <= OLDEST_PRINT or (not behind and tick.at < last.at)


def _printed_at(tick: Tick, last: LastPrices | None) -> datetime | None:
    """Return when the newest print known was traded, now that *tick* is recorded."""
    known = None if last is None else last.printed_at
    if tick.repeats and not tick.timed:
        return known
    if known is not None and timedelta() < known - tick.at <= OLDEST_PRINT:
        return known  # a streamed print, told late
    return tick.at


def _at_spread(spread: Spread, kind: PriceKind, last: LastPrices) -> LastPrices | None:
    previous, current = spread.price(kind, last.previous), spread.price(kind, last.current)
    if previous is None or current is None:
        return None
    instead = None if last.instead is None else spread.price(kind, last.instead)
    return last._replace(previous=previous, current=current, instead=instead)
