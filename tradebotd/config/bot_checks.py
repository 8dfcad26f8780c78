"""Problems of a bot in view of its symbol, its venue and the account."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from tradebotd.config.exit_checks import exit_problems, stop_fractions
from tradebotd.config.model import Config
from tradebotd.config.price_kinds import falls_back, told_kinds, trigger_problems
from tradebotd.config.problem_text import percent, unknown_name
from tradebotd.config.sections import BotSection, RiskSection, SymbolSection
from tradebotd.config.venue_order_types import resting_stop
from tradebotd.config.way_out_checks import way_out_problems
from tradebotd.domain.decimals import floor_to_step
from tradebotd.domain.errors import ConfigError, StrategyError
from tradebotd.domain.side import PositionSide
from tradebotd.risk.liquidation import liquidation_distance
from tradebotd.strategies.registry import load_strategy

PERCENT_SHOWN: Final = Decimal("0.0001")  # limits are shown to two decimals of a percent


def bot_problems(config: Config) -> Iterator[str]:
    symbols = {symbol.symbol: symbol for symbol in config.symbols}
    taken: dict[str, str] = {}
    for number, bot in enumerate(config.bots):
        path = f"bots[{number}]"
        symbol = symbols.get(bot.symbol)
        if symbol is None:
            yield unknown_name(f"{path}.symbol", bot.symbol, symbols, "symbol")
        else:
            yield from _against_symbol(path, bot, symbol)
            venue = config.venues.get(symbol.venue)
            yield from trigger_problems(path, bot, told_kinds(symbol, config.feeds, venue))
            if symbol.notional_at_market or resting_stop(bot, symbol, venue) is not None:
                yield from way_out_problems(path, bot, symbol, venue, config.risk.currency)
        yield from _one_bot(path, bot, config.risk)
        yield from exit_problems(f"{path}.exits", bot)
        if bot.position_type == "futures":
            other = taken.setdefault(bot.symbol, bot.name)
            if other != bot.name:
                yield f"{path}.symbol: {other!r} trades futures of {bot.symbol} here already"
        yield from _strategy(path, bot, config)


def trigger_notes(config: Config) -> Iterator[str]:
    """Yield the bots whose futures are ended by the last price for want of a mark."""
    for number, bot in enumerate(config.bots):
        if falls_back(bot, config.told_kinds(bot.symbol)):
            yield (
                f"bots[{number}].trigger_price: no mark price of {bot.symbol} is told: exits of"
                f" {bot.name} are compared with the last one"
            )


def _one_bot(path: str, bot: BotSection, risk: RiskSection) -> Iterator[str]:
    if bot.position_type == "spot" and bot.leverage != 1:
        yield f'{path}.leverage: spot has none; 1 is allowed, or position_type = "futures"'
    if bot.position_type == "spot" and bot.allow_short:
        yield f'{path}.allow_short: spot cannot be sold short; position_type = "futures" can'
    yield from _entry(path, bot, risk)
    yield from _sizing(f"{path}.sizing", bot)
    exits = bot.exits
    if bot.cooldown is not None and not (stop_fractions(exits) or exits.break_even):
        yield f"{path}.cooldown: follows a stop, and `exits` has none; leave it out"


def _entry(path: str, bot: BotSection, risk: RiskSection) -> Iterator[str]:
    if bot.entry == "market":
        for key in ("entry_offset", "entry_lifetime"):
            if key in bot.model_fields_set:
                yield f'{path}.{key}: belongs to entry = "limit"; a market order has none'
    elif bot.entry_offset > risk.price_collar:
        yield (
            f"{path}.entry_offset: {percent(bot.entry_offset)} is outside risk.price_collar;"
            f" at most {percent(risk.price_collar)} is allowed"
        )


def _sizing(path: str, bot: BotSection) -> Iterator[str]:
    sizing = bot.sizing
    if sizing.kind == "percent_equity" and sizing.value > 100 * bot.leverage:
        yield f"{path}.value: {sizing.value} % of equity needs more leverage"
    if sizing.kind in {"risk_percent", "atr"} and sizing.value > 100:
        yield f"{path}.value: {sizing.value} % of equity cannot be risked; at most 100 is allowed"
    if sizing.kind == "risk_percent" and "stop_loss" not in stop_fractions(bot.exits):
        yield f"{path}.kind: 'risk_percent' counts to the stop; exits.stop_loss is needed"
    if sizing.kind != "atr":
        for key in ("multiple", "period"):
            if key in sizing.model_fields_set:
                yield f"{path}.{key}: belongs to kind = \"atr\", not to '{sizing.kind}'"


def _against_symbol(path: str, bot: BotSection, symbol: SymbolSection) -> Iterator[str]:
    if bot.timeframe not in symbol.timeframes:
        yield (
            f"{path}.timeframe: {bot.symbol} has no {bot.timeframe};"
            f" its timeframes are {', '.join(symbol.timeframes)}"
        )
    yield from _filters(f"{path}.sizing.value", bot, symbol)
    if bot.position_type == "futures":
        yield from _leverage(path, bot, symbol)


def _filters(path: str, bot: BotSection, symbol: SymbolSection) -> Iterator[str]:
    """Check the size as far as possible before any price is known."""
    value, judged = bot.sizing.value, symbol.notional_at_market or bot.entry == "limit"
    if judged and bot.sizing.kind == "fixed_notional" and value < symbol.min_notional:
        yield f"{path}: {value} is below {bot.symbol}'s min_notional, {symbol.min_notional}"
    if bot.sizing.kind != "fixed_quantity":
        return
    least = max(symbol.min_quantity, symbol.lot_size)
    if value < least:
        yield f"{path}: {value} is below {bot.symbol}'s least quantity, {least}"
    elif value % symbol.lot_size:
        yield f"{path}: {value} is not whole lots of {bot.symbol}; lot_size is {symbol.lot_size}"
    if symbol.max_quantity is not None and value > symbol.max_quantity:
        yield f"{path}: {value} is above {bot.symbol}'s max_quantity, {symbol.max_quantity}"


def _leverage(path: str, bot: BotSection, symbol: SymbolSection) -> Iterator[str]:
    if bot.leverage > symbol.max_leverage:
        yield (
            f"{path}.leverage: {bot.leverage} is above {bot.symbol}'s max_leverage;"
            f" at most {symbol.max_leverage} is allowed"
        )
        return
    sides = PositionSide if bot.allow_short else (PositionSide.LONG,)
    room = min(
        liquidation_distance(side, bot.leverage, symbol.maintenance_margin) for side in sides
    )
    if room <= 0:
        yield (
            f"{path}.leverage: at {bot.leverage} the margin is no more than {bot.symbol}'s"
            f" maintenance_margin, {percent(symbol.maintenance_margin)}; less leverage is allowed"
        )
        return
    stops = {name: stop for name, stop in stop_fractions(bot.exits).items() if stop is not None}
    if len(stops) < len(stop_fractions(bot.exits)):
        return  # the tightest of them is known at the entry only
    name = min(stops, key=lambda key: stops[key], default=None)
    if name is not None and stops[name] >= room:
        yield (
            f"{path}.exits.{name}: {percent(stops[name])} is beyond the liquidation price at"
            f" leverage {bot.leverage}; below {percent(floor_to_step(room, PERCENT_SHOWN))} is"
            " allowed"
        )


def _strategy(path: str, bot: BotSection, config: Config) -> Iterator[str]:
    try:
        load_strategy(bot.strategy, bot.params, base_dir=config.path("."))
    except ConfigError as error:
        yield from (f"{path}.{problem}" for problem in error.problems)
    except StrategyError as error:
        yield f"{path}.strategy: {error}"
