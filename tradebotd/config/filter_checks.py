"""Filters of a symbol that exclude each other, or what a bot is to do there."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from tradebotd.config.instrument_filters import instrument_of
from tradebotd.config.model import Config
from tradebotd.config.problem_text import percent
from tradebotd.config.sections import BotSection, SymbolSection, VenueSection
from tradebotd.config.venue_order_types import resting_stop, taken_types
from tradebotd.domain.decimals import ONE, plain
from tradebotd.domain.filters import FilterName
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order_filters import contradictions
from tradebotd.domain.order_type import OrderType
from tradebotd.risk.resting_types import target_type
from tradebotd.risk.round_trip import round_trip


def filter_problems(config: Config) -> Iterator[str]:
    """Yield only what is certain before any price is known; the rest is denied at the entry."""
    bots: dict[str, dict[str, BotSection]] = {}
    for number, bot in enumerate(config.bots):
        bots.setdefault(bot.symbol, {})[f"bots[{number}]"] = bot
    for number, symbol in enumerate(config.symbols):
        path = f"symbols[{number}]"
        yield from _lots(path, symbol)
        yield from _prices(path, symbol)
        venue = config.venues.get(symbol.venue)
        yield from _with_its_bots(path, symbol, venue, bots.get(symbol.symbol, {}))


def _with_its_bots(
    path: str, symbol: SymbolSection, venue: VenueSection | None, bots: Mapping[str, BotSection]
) -> Iterator[str]:
    if symbol.max_quantity is not None and symbol.min_quantity > symbol.max_quantity:
        return  # these two keys are told by themselves
    instrument = instrument_of(symbol, "base", "quote")
    types = {kind for bot in bots.values() for kind in _sent_by(bot, symbol, venue)}
    futures = any(bot.position_type == "futures" for bot in bots.values())
    kind = PositionType.FUTURES if futures else PositionType.SPOT
    found = list(contradictions(instrument, types=frozenset(types), position_type=kind))
    for name, words in found:
        is_type = name is FilterName.ORDER_TYPE
        key = f"{path}.order_types" if is_type else path
        yield f"{key}: {words}" + (", and its bots send them" if is_type else "")
    if not found:
        for place, bot in bots.items():
            yield from _of_bot(place, bot, symbol, instrument)


def _sent_by(
    bot: BotSection, symbol: SymbolSection, venue: VenueSection | None
) -> Iterator[OrderType]:
    yield OrderType.LIMIT if bot.entry == "limit" else OrderType.MARKET
    yield OrderType.MARKET
    stop = resting_stop(bot, symbol, venue)
    if stop is None or venue is None:
        return
    yield stop
    target = target_type(taken_types(venue, symbol))
    if target is not None and bot.exits.take_profit is not None and not bot.exits.ladder:
        yield target


def _lots(path: str, symbol: SymbolSection) -> Iterator[str]:
    for key, lot in (("market_lot", symbol.market_lot), ("stop_lot", symbol.stop_lot)):
        if lot is None:
            continue
        if lot.step is None and lot.min == 0 and lot.max is None:
            yield f"{path}.{key}: says nothing; give it a step, a min or a max, or leave it out"
        elif lot.max is not None and lot.min > lot.max:
            yield f"{path}.{key}.min: {plain(lot.min)} is above its max ({plain(lot.max)})"
    stops, orders = symbol.max_stops, symbol.max_orders
    if stops is not None and orders is not None and stops > orders:
        yield f"{path}.max_stops: {stops} is above max_orders ({orders}), which counts them, too"


def _prices(path: str, symbol: SymbolSection) -> Iterator[str]:
    band = symbol.percent_price
    if band is not None:
        buys, sells = (band.buy_below, band.buy_above), (band.sell_below, band.sell_above)
        for side, (low, high) in (("buy", buys), ("sell", sells)):
            if not low <= ONE <= high:
                yield (
                    f"{path}.percent_price: a {side} limit from {plain(low)} to {plain(high)} times"
                    " the price cannot be at the price; from at most 1 to at least 1 is allowed"
                )
    judged = symbol.min_notional or symbol.max_notional is not None or band is not None
    if symbol.average_minutes and not judged:
        yield (
            f"{path}.average_minutes: nothing is judged by the average price; a min_notional, a"
            " max_notional or a percent_price would be"
        )


def _of_bot(
    path: str, bot: BotSection, symbol: SymbolSection, instrument: Instrument
) -> Iterator[str]:
    if bot.allow_short and not symbol.shortable:
        yield f"{path}.allow_short: {bot.symbol} cannot be sold short: it says shortable = false"
    entry = OrderType.LIMIT if bot.entry == "limit" else OrderType.MARKET
    if entry is OrderType.LIMIT:
        yield from _offset(f"{path}.entry_offset", bot, symbol)
    value, sizing = bot.sizing.value, f"{path}.sizing.value"
    met = instrument.order(entry)
    if bot.sizing.kind == "fixed_notional":
        if met.max_notional is not None and value > met.max_notional:
            most = plain(met.max_notional)
            yield f"{sizing}: {plain(value)} is above {bot.symbol}'s max_notional, {most}"
    elif bot.sizing.kind == "fixed_quantity":
        yield from _quantity(sizing, value, entry, instrument)


def _quantity(path: str, value: Decimal, entry: OrderType, instrument: Instrument) -> Iterator[str]:
    """Yield what the lots of its own order types ask for; those of all orders have been told."""
    if value % instrument.lot_size or value < instrument.min_quantity:
        return
    traded = round_trip(instrument, entry, [OrderType.MARKET])
    name = instrument.symbol
    if value % traded.lot_size:
        yield (
            f"{path}: {plain(value)} is not whole lots of {name} that are bought by a {entry} order"
            f" and sold at the market; a lot is {plain(traded.lot_size)}"
        )
    elif value < max(traded.min_quantity, traded.lot_size):
        least = plain(max(traded.min_quantity, traded.lot_size))
        yield f"{path}: {plain(value)} of {name} could not be sold at the market; at least {least}"
    general = instrument.max_quantity
    if traded.max_quantity is not None and value > traded.max_quantity != general:
        yield (
            f"{path}: {plain(value)} is more than a {entry} order of {name} may have,"
            f" {plain(traded.max_quantity)}"
        )


def _offset(path: str, bot: BotSection, symbol: SymbolSection) -> Iterator[str]:
    band = symbol.percent_price
    if band is None:
        return
    room = {"below": ONE - band.buy_below}
    if bot.allow_short:
        room["above"] = band.sell_above - ONE
    for where, most in room.items():
        if bot.entry_offset > most:
            yield (
                f"{path}: {percent(bot.entry_offset)} {where} the price is outside"
                f" {bot.symbol}'s percent_price; at most {percent(most)} is allowed"
            )
