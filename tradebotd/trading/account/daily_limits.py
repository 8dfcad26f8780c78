"""Daily limits of a bot, in the account's currency. Pure."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Protocol

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.decimals import ZERO
from tradebotd.trading.account.conversion import CurrencyConverter


class Counted(Protocol):
    """Counters of a bot, and the day they belong to.

    `daily_pnl` is in the account's currency, without `daily_unconverted` (by asset), for which no
    rate was known.
    """

    @property
    def day(self) -> date | None: ...

    @property
    def daily_pnl(self) -> Decimal: ...

    @property
    def daily_trades_count(self) -> int: ...

    @property
    def daily_unconverted(self) -> Mapping[str, Decimal]: ...


def reached_limit(
    spec: BotSpec, state: Counted, today: date, currencies: CurrencyConverter | None = None
) -> str | None:
    """Return the daily limit that is reached, or None. Counters of an earlier day do not count.

    An amount that still has no rate might be anything: while there is one, a limit of P&L counts as
    reached. *currencies* None: no rate is looked up.
    """
    if state.day != today:
        return None
    limits, capital = spec.limits, spec.initial_capital
    if limits.max_daily_trades is not None and state.daily_trades_count >= limits.max_daily_trades:
        return "max_daily_trades reached"
    waiting = {asset: amount for asset, amount in state.daily_unconverted.items() if amount}
    convertible = {a: waiting[a] for a in waiting if currencies is not None and currencies.knows(a)}
    pnl = state.daily_pnl + (ZERO if currencies is None else currencies.sum(convertible))
    if limits.max_daily_loss is not None and pnl <= -limits.max_daily_loss * capital:
        return "max_daily_loss reached"
    if limits.daily_target is not None and pnl >= limits.daily_target * capital:
        return "daily target reached"
    unconvertible = sorted(waiting.keys() - convertible.keys())
    if unconvertible and (limits.max_daily_loss, limits.daily_target) != (None, None):
        return f"daily P&L unknown: no rate of {', '.join(unconvertible)}"
    return None
