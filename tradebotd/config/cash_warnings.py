"""Starting cash of paper venues, compared with what their bots need."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from tradebotd.config.model import Config
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.domain.decimals import ZERO, plain


def cash_problems(config: Config) -> Iterator[str]:
    """Yield bots that would pay in the account currency at a venue that starts without any."""
    for place, quote, payers in _unpaid(config):
        if quote == config.risk.currency:
            yield (
                f"{place}: there is no {quote}, which {payers} would pay with, and equity is told"
                f' in; add {quote} = "10000"'
            )


def cash_warnings(config: Config) -> Iterator[ConfigWarning]:
    for place, quote, payers in _unpaid(config):
        if quote != config.risk.currency:
            yield ConfigWarning(
                WarningKind.CASH_MISSING,
                place,
                f"there is no {quote}, which {payers} would pay with, and nothing here brings any:"
                " no entry is made",
            )
    yield from _unused(config)
    yield from _capital(config)


def _unpaid(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield the path, missing quote asset and affected bots of each paper venue that lacks cash."""
    instruments = {symbol.symbol: symbol.instrument for symbol in config.market_symbols()}
    for name, venue in config.venues.items():
        if venue.kind != "paper":
            continue
        cash = config.starting_cash(venue)
        bots: defaultdict[str, list[str]] = defaultdict(list)
        bought = {
            instrument.base_asset for instrument in instruments.values() if instrument.venue == name
        }
        for bot in config.bots:
            instrument = instruments.get(bot.symbol)
            if instrument is None or instrument.venue != name or not bot.active:
                continue
            if instrument.quote_asset not in cash and instrument.quote_asset not in bought:
                bots[instrument.quote_asset].append(bot.name)
        for quote, payers in bots.items():
            yield f"venues.{name}.starting_cash", quote, ", ".join(payers)


def _unused(config: Config) -> Iterator[ConfigWarning]:
    instruments = [symbol.instrument for symbol in config.market_symbols()]
    known = {config.risk.currency}
    known |= {
        asset
        for instrument in instruments
        for asset in (instrument.base_asset, instrument.quote_asset)
    }
    for name, venue in config.venues.items():
        for asset in venue.starting_cash or {}:
            if asset not in known:
                yield ConfigWarning(
                    WarningKind.CASH_UNUSED,
                    f"venues.{name}.starting_cash.{asset}",
                    f"no symbol trades or converts {asset}: it counts for nothing",
                )


def _capital(config: Config) -> Iterator[ConfigWarning]:
    """Warn if bots' capital exceeds the cash they share: what one holds the others lack."""
    currency = config.risk.currency
    instruments = {symbol.symbol: symbol.instrument for symbol in config.market_symbols()}
    capital: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for bot in config.bots:
        instrument = instruments[bot.symbol]
        if bot.active and instrument.quote_asset == currency:
            capital[instrument.venue] += bot.initial_capital
    for name, venue in config.venues.items():
        cash = config.starting_cash(venue).get(currency)
        if venue.kind == "paper" and cash is not None and capital[name] > cash:
            yield ConfigWarning(
                WarningKind.CAPITAL_ABOVE_CASH,
                f"venues.{name}.starting_cash",
                f"{plain(cash)} {currency} is less than the initial_capital of its bots,"
                f" {plain(capital[name])}: not all of them can enter with what they are given",
            )
