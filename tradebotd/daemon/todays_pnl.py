"""What the bots have realized today: each in its own day, together in the account's currency."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import BotName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.storage.reports import Row
from tradebotd.trading.currencies import Currencies
from tradebotd.trading.days import local_day


@dataclass(frozen=True, slots=True, kw_only=True)
class TodaysPnl:
    """Net of fees, with funding, of open positions, too: the counters that the daily limits read.

    *rows* are those of `reports.bots`; *specs* is shared with whoever reloads the configuration.
    """

    specs: Mapping[BotName, BotSpec]
    symbols: Mapping[str, MarketSymbol]
    currencies: Currencies

    def of(self, row: Row, now: datetime) -> tuple[Decimal, int]:
        """P&L in the quote asset, and trades. Counters of an earlier day are none of today's."""
        spec = self.specs.get(BotName(row["name"]))
        today = local_day(now, None if spec is None else spec.day_zone)
        if row["day"] is None or row["day"] < today:
            return ZERO, 0
        return row["daily_pnl"], row["daily_trades_count"]

    def sum(self, rows: Iterable[Row], now: datetime) -> Decimal | None:
        """None: something of it cannot be converted now."""
        amounts: dict[str, Decimal] = {}
        for row in rows:
            pnl, _ = self.of(row, now)
            known = self.symbols.get(row["symbol"])
            quote = "" if known is None else known.instrument.quote_asset
            amounts[quote] = amounts.get(quote, ZERO) + pnl
        try:
            return self.currencies.sum(amounts)
        except FeedError:
            return None
