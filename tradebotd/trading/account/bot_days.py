"""Gains and losses of a bot in its own day, in the account's currency."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.ids import BotName
from tradebotd.storage import bots
from tradebotd.storage.postgres.database import Connection
from tradebotd.trading.account.conversion import CurrencyConverter
from tradebotd.trading.account.trading_day import local_day


class BotDays:
    """Counters of the bots' days. *specs* (by bot name) is shared with the configuration reload."""

    def __init__(self, specs: Mapping[BotName, BotSpec], currencies: CurrencyConverter) -> None:
        self._specs = specs
        self.currencies = currencies

    def of(self, bot: BotName, at: datetime) -> date:
        """Return the bot's day that contains *at*."""
        spec = self._specs.get(bot)
        return local_day(at, None if spec is None else spec.day_zone)

    async def count(
        self,
        connection: Connection,
        bot: BotName,
        at: datetime,
        pnl: Decimal,
        asset: str,
        *,
        trades: int = 0,
        in_position: bool | None = None,
    ) -> Decimal | None:
        """Add *pnl*, an amount of *asset*, to the counters of the day of *at*.

        Returns the conversion rate, or None when no rate is known now: the amount is then kept
        unconverted beside the counter, and the limits are judged as if it mattered.
        """
        rate = self.currencies.rate(asset) if self.currencies.knows(asset) else None
        await bots.count_day(
            connection,
            bot,
            self.of(bot, at),
            pnl=Decimal(0) if rate is None else pnl * rate,
            trades=trades,
            in_position=in_position,
            unconverted=(asset, pnl) if rate is None and pnl else None,
        )
        return rate
