"""Prices as the paper venue matches against them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LastPrices:
    """The two latest path points of a symbol; `previous` equals `current` at the first."""

    previous: Decimal
    current: Decimal
    at: datetime


class PriceSource(Protocol):
    def last_prices(self, symbol: str) -> LastPrices | None:
        """None until the symbol's first tick."""
        ...
