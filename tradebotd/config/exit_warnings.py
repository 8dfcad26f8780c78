"""Exits that cost more than they can gain, or end a position before a signal could."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tradebotd.config.exit_checks import stop_fractions
from tradebotd.config.model import Config
from tradebotd.config.problem_text import percent
from tradebotd.config.sections import BotSection, SymbolSection, VenueSection
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.domain.decimals import BASIS_POINT, ZERO, plain
from tradebotd.domain.timeframe import Timeframe

_DAY: Final = timedelta(days=1)


def exit_warnings(config: Config, prices: Mapping[str, Decimal]) -> Iterator[ConfigWarning]:
    """Yield warnings about exits. *prices*: by symbol, where one is known."""
    symbols = {symbol.symbol: symbol for symbol in config.symbols}
    for number, bot in enumerate(config.bots):
        path = f"bots[{number}]"
        symbol = symbols[bot.symbol]
        if not stop_fractions(bot.exits):
            yield ConfigWarning(
                WarningKind.NO_STOP,
                f"{path}.exits.stop_loss",
                f"{bot.name} has no stop at all, as it says: nothing ends a loss of it but an"
                " operator, or the liquidation",
            )
        yield from _within_costs(path, bot, config.venues[symbol.venue])
        yield from _within_tick(path, bot, symbol, prices.get(bot.symbol))
        yield from _times(path, bot)


def _fill_cost(venue: VenueSection) -> Decimal:
    """Return how far from mid a market order fills: half the spread plus the slippage."""
    return (venue.spread_bps / 2 + venue.slippage_bps) * BASIS_POINT


def _round_trip(bot: BotSection, venue: VenueSection) -> Decimal:
    """Return the cost of an entry and its exit as a fraction of the price.

    Every exit is a market order, also at a target.
    """
    out = venue.fees.taker + _fill_cost(venue)
    return (venue.fees.maker if bot.entry == "limit" else out) + out


def _within_costs(path: str, bot: BotSection, venue: VenueSection) -> Iterator[ConfigWarning]:
    costs = _round_trip(bot, venue)
    at_once = ZERO if bot.entry == "limit" else _fill_cost(venue)
    if bot.trigger_price == "bid_ask":  # the bid stands below what was paid by a spread
        at_once += venue.spread_bps / 2 * BASIS_POINT
    words = f"an entry and its exit cost {percent(costs)} at {bot.symbol}'s venue"
    words += " (spread, slippage and fees)"
    for name, stop in stop_fractions(bot.exits).items():
        if stop is None or stop > max(costs, ZERO):
            continue
        met = "it is met by the entry itself, and " if stop <= at_once else ""
        yield ConfigWarning(
            WarningKind.STOP_WITHIN_COSTS,
            f"{path}.exits.{name}",
            f"{percent(stop)} is within the costs: {met}{words}",
        )
    for key, gain in _gains(bot).items():
        if gain <= costs:
            yield ConfigWarning(
                WarningKind.TARGET_WITHIN_COSTS,
                f"{path}.exits.{key}",
                f"at {percent(gain)} nothing is gained: {words}",
            )


def _gains(bot: BotSection) -> dict[str, Decimal]:
    exits = bot.exits
    gains = {f"ladder[{number}].at": step.at for number, step in enumerate(exits.ladder)}
    if isinstance(exits.take_profit, Decimal):
        gains["take_profit"] = exits.take_profit
    if exits.break_even is not None:
        gains["break_even.at"] = exits.break_even.at
    return gains


def _within_tick(
    path: str, bot: BotSection, symbol: SymbolSection, price: Decimal | None
) -> Iterator[ConfigWarning]:
    if price is None:
        return
    for name, stop in stop_fractions(bot.exits).items():
        if stop is not None and stop * price < symbol.tick_size:
            yield ConfigWarning(
                WarningKind.STOP_WITHIN_TICK,
                f"{path}.exits.{name}",
                f"{percent(stop)} of {plain(price)} is less than a tick of {bot.symbol},"
                f" {plain(symbol.tick_size)}",
            )


def _times(path: str, bot: BotSection) -> Iterator[ConfigWarning]:
    holding, candle = bot.exits.max_holding, Timeframe(bot.timeframe).duration
    if holding is not None and holding < candle:
        yield ConfigWarning(
            WarningKind.HOLDING_WITHIN_CANDLE,
            f"{path}.exits.max_holding",
            f"{_minutes(holding)} are over before the first candle of {bot.timeframe} after the"
            " entry: no signal of the strategy ever ends a position",
        )
    if bot.cooldown is not None and bot.cooldown > _DAY:
        yield ConfigWarning(
            WarningKind.COOLDOWN_LONG,
            f"{path}.cooldown",
            f"after each stop there is no entry for {bot.cooldown / _DAY:.3g} days",
        )


def _minutes(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    return f"{seconds} s" if seconds % 60 else f"{seconds // 60} min"
