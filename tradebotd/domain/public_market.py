"""Public facts of a market: its symbols, trades and order books, and the figures of a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.side import Side

Level = tuple[Decimal, Decimal]  # price and quantity


class ListedSymbol(NamedTuple):
    """Symbol that is traded just now, by the venue's own names."""

    symbol: str
    base_asset: str
    quote_asset: str


class PublicTrade(NamedTuple):
    """Trade that the venue tells everybody; *side*: that of the order which came last."""

    trade_id: int
    executed_at: datetime
    price: Decimal
    quantity: Decimal
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePage:
    """Trades of one answer, by their ids. `last_id`: of its latest row, good or bad; None: no row.

    `bad`: rows whose values make no sense; `full`: there may be more behind it.
    """

    trades: Sequence[PublicTrade]
    last_id: int | None
    bad: int = 0
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBookSnapshot:
    """Best levels of both sides, best first; `sequence_id` is the venue's own."""

    server_time: datetime
    sequence_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]


class DayFigures(NamedTuple):
    """One day of a market; *turnover* in the quote asset."""

    price: Decimal
    high: Decimal
    low: Decimal
    turnover: Decimal

    @property
    def volatility(self) -> Decimal:
        """Return the range between the day's extremes, as a fraction of the price."""
        return (self.high - self.low) / self.price
