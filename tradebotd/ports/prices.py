"""Prices as the paper venue matches against them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LastPrices:
    """The two latest path points of a symbol; `previous` equals `current` at the first.

    `after_gap`: of the current one, as its path point says. `seen_at`: when it was first seen, if
    it may be the very print of the points before; else None. `instead`: the last price that is
    believed, where the current one is not: nothing confirms it yet. None: the current one is.
    """

    previous: Decimal
    current: Decimal
    at: datetime
    after_gap: bool = False
    seen_at: datetime | None = None
    instead: Decimal | None = None

    @property
    def believed(self) -> Decimal:
        """What is worth something, is worth this; orders are matched against the current one."""
        return self.current if self.instead is None else self.instead

    def went_through(self, level: Decimal) -> bool:
        """Whether somebody could trade at *level* on the way from `previous` to `current`."""
        if self.after_gap:
            return level == self.current
        low, high = sorted((self.previous, self.current))
        return low <= level <= high


class BelievedPrices(Protocol):
    def price(self, symbol: str) -> Decimal | None:
        """What one of it is worth. None until the symbol's first tick."""
        ...


class PriceSource(Protocol):
    def last_prices(self, symbol: str) -> LastPrices | None:
        """None until the symbol's first tick."""
        ...
