"""Prices seen last, by kind: of symbols, as exits, entries and the paper venue compare them."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from tradebotd.domain.quote import PriceKind


class LastPrices(NamedTuple):
    """The two latest ticks of a symbol; `previous` equals `current` at the first.

    `after_gap`: of the current tick. `seen_at`: when the current price was first seen, if it may be
    the same print as the ticks before; else None. `instead`: the last confirmed price, while
    nothing confirms the current one; None when the current price is believed. `previous_at`: of the
    previous tick; None at the first. `printed_at`: of the newest tick whose `at` is when it was
    traded; None while all were asked for and none told its time.
    """

    previous: Decimal
    current: Decimal
    at: datetime
    after_gap: bool = False
    seen_at: datetime | None = None
    instead: Decimal | None = None
    previous_at: datetime | None = None
    printed_at: datetime | None = None

    @property
    def believed(self) -> Decimal:
        """Price that values holdings; orders are matched against the current one."""
        return self.current if self.instead is None else self.instead

    def is_first_since(self, instant: datetime) -> bool:
        """Return whether the current tick is the first one after *instant*."""
        return instant < self.at and (self.previous_at is None or self.previous_at <= instant)

    def went_through(self, level: Decimal) -> bool:
        """Return whether a trade at *level* was possible between `previous` and `current`."""
        if self.after_gap:
            return level == self.current
        low, high = sorted((self.previous, self.current))
        return low <= level <= high


class BelievedPrices(Protocol):
    def price(self, symbol: str) -> Decimal | None:
        """Return the price of one unit; None until the symbol's first tick."""
        ...


class PriceSource(Protocol):
    def last_prices(self, symbol: str, kind: PriceKind = PriceKind.LAST) -> LastPrices | None:
        """Return the latest prices of *kind*; None until the symbol's first tick of that kind."""
        ...
