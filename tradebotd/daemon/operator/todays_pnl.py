"""Realized P&L of today: each bot's own day, summed in the account's currency."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.storage.bots import amounts
from tradebotd.storage.reports import Row
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.account.trading_day import local_day


@dataclass(frozen=True, slots=True, kw_only=True)
class TodaysPnl:
    """P&L of today as the daily limits count it: net of fees, with funding and open positions.

    *rows* are those of `reports.bots`; *specs* is shared with the reloader.
    """

    specs: Mapping[BotName, BotSpec]
    symbols: Mapping[str, MarketSymbol]
    currencies: CurrencyConverter

    def of(self, row: Row, now: datetime) -> tuple[Decimal, int]:
        """Return the known P&L in the account's currency and the number of trades.

        Counters of an earlier day count as zero.
        """
        spec = self.specs.get(BotName(row["name"]))
        today = local_day(now, None if spec is None else spec.day_zone)
        if row["day"] is None or row["day"] < today:
            return ZERO, 0
        known, _ = self.counted(row)
        return known, row["daily_trades_count"]

    def sum(self, rows: Iterable[Row], now: datetime) -> Decimal | None:
        """Return the sum of the bots' P&L; None if a part cannot be converted now."""
        total = ZERO
        for row in rows:
            pnl, _ = self.of(row, now)
            total += pnl
            if self.unconverted(row, now):
                return None
        return total

    def in_currency(self, symbol: str, amount: Decimal | None) -> Decimal | None:
        """Convert *amount* of the symbol's quote asset; None if it cannot be converted now."""
        known = self.symbols.get(symbol)
        quote = "" if known is None else known.instrument.quote_asset
        if amount is None or (amount and not self.currencies.knows(quote)):
            return None
        return self.currencies.sum({quote: amount})

    def unconverted(self, row: Row, now: datetime) -> dict[str, Decimal]:
        """Return the part of today's P&L that has no rate, by asset."""
        spec = self.specs.get(BotName(row["name"]))
        today = local_day(now, None if spec is None else spec.day_zone)
        return {} if row["day"] is None or row["day"] < today else self.counted(row)[1]

    def counted(self, row: Row) -> tuple[Decimal, dict[str, Decimal]]:
        """Return the P&L known in the account's currency, and the rest by asset."""
        waiting = amounts(row["daily_unconverted"])
        known = {
            asset: waiting.pop(asset) for asset in list(waiting) if self.currencies.knows(asset)
        }
        return row["daily_pnl"] + self.currencies.sum(known), waiting
