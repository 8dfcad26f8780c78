"""Positions too large to enter, implausibly small, or losing too much at one stop."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from tradebotd.config.exit_checks import stop_fractions
from tradebotd.config.model import Config
from tradebotd.config.problem_text import percent
from tradebotd.config.sections import BotSection
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.domain.decimals import ZERO, plain

_PERCENT: Final = Decimal("0.01")
_LEAST_SHARE: Final = Decimal(1)  # percent of the equity
_HIGH_RISK: Final = Decimal(10)  # percent of the equity, lost at one stop


def size_warnings(config: Config, prices: Mapping[str, Decimal]) -> Iterator[ConfigWarning]:
    """Yield warnings about sizes; amounts are compared only in one currency.

    *prices*: by symbol, where one is known.
    """
    symbols = {symbol.symbol: symbol for symbol in config.symbols}
    for number, bot in enumerate(config.bots):
        path = f"bots[{number}]"
        yield from _shares(f"{path}.sizing.value", bot)
        symbol = symbols[bot.symbol]
        if (symbol.quote_asset or config.risk.currency) != config.risk.currency:
            continue
        notional = _notional(bot, prices.get(bot.symbol))
        too_large = _amount(f"{path}.sizing.value", bot, notional, config)
        if too_large is not None:
            yield too_large  # further warnings about that size are redundant
        else:
            yield from _one_stop(f"{path}.limits.max_daily_loss", bot, notional)


def _shares(path: str, bot: BotSection) -> Iterator[ConfigWarning]:
    value = bot.sizing.value
    if bot.sizing.kind == "percent_equity" and value < _LEAST_SHARE:
        yield ConfigWarning(
            WarningKind.SIZE_TINY,
            path,
            f"{plain(value)} is {plain(value)} % of the equity; a share of {plain(value)} would"
            f' be "{plain(value * 100)}"',
        )
    if bot.sizing.kind in {"risk_percent", "atr"} and value > _HIGH_RISK:
        yield ConfigWarning(
            WarningKind.RISK_HIGH, path, f"one stop loses {plain(value)} % of the bot's equity"
        )


def _notional(bot: BotSection, price: Decimal | None) -> Decimal | None:
    """Return a first position's notional (quote asset); None if not known before the entry."""
    match bot.sizing.kind:
        case "fixed_notional":
            return bot.sizing.value
        case "fixed_quantity":
            return None if price is None else bot.sizing.value * price
        case "percent_equity":
            return bot.initial_capital * bot.sizing.value * _PERCENT
        case "risk_percent" | "atr":
            return None


def _amount(
    path: str, bot: BotSection, notional: Decimal | None, config: Config
) -> ConfigWarning | None:
    """Warn if a fixed amount exceeds what can be paid: it is denied, never reduced."""
    if bot.sizing.kind not in {"fixed_notional", "fixed_quantity"} or notional is None:
        return None
    reach = bot.initial_capital * bot.leverage
    if notional > reach:
        at = f" at leverage {bot.leverage}" if bot.leverage > 1 else ""
        return ConfigWarning(
            WarningKind.SIZE_ABOVE_CAPITAL,
            path,
            f"{_rounded(notional)} is more than initial_capital{at} pays for, {plain(reach)}: no"
            f" entry is made before {bot.name} has earned the rest",
        )
    cash = _cash(config)
    if cash is not None and notional > cash * config.risk.max_exposure:
        return ConfigWarning(
            WarningKind.SIZE_ABOVE_EXPOSURE,
            path,
            f"{_rounded(notional)} is more than risk.max_exposure allows of all"
            f" {config.risk.currency} there is, {_rounded(cash * config.risk.max_exposure)}: no"
            " entry is made",
        )
    return None


def _cash(config: Config) -> Decimal | None:
    """Return all venues' starting cash in the account's currency; None if there are others."""
    held = [config.starting_cash(venue) for venue in config.venues.values()]
    if any(asset != config.risk.currency for cash in held for asset in cash):
        return None
    return sum((cash[config.risk.currency] for cash in held), ZERO)


def _one_stop(path: str, bot: BotSection, notional: Decimal | None) -> Iterator[ConfigWarning]:
    """Warn if one stop loses more than the daily limit, which stops entries but reduces no loss."""
    limit = bot.limits.max_daily_loss
    if limit is None:
        return
    if bot.sizing.kind == "risk_percent":
        loss = bot.sizing.value * _PERCENT
    else:
        stops = stop_fractions(bot.exits).values()
        known = [stop for stop in stops if stop is not None]
        if notional is None or not known or len(known) < len(stops):
            return
        loss = notional * min(known) / bot.initial_capital
    if loss > limit:
        yield ConfigWarning(
            WarningKind.STOP_ABOVE_DAILY_LOSS,
            path,
            f"one stop loses {percent(_rounded_share(loss))} of the capital, more than the day's"
            f" {percent(limit)}: the limit stops what comes after it only",
        )


def _rounded(amount: Decimal) -> str:
    return plain(amount.quantize(_PERCENT)) if amount >= 1 else plain(amount)


def _rounded_share(share: Decimal) -> Decimal:
    return share.quantize(Decimal("0.0001"))
