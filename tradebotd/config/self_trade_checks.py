"""Two bots whose orders could meet at a venue that does not simply let them."""

from collections.abc import Iterator
from itertools import permutations

from tradebotd.config.model import Config
from tradebotd.config.real_venue_facts import facts_of
from tradebotd.config.sections import BotSection, VenueSection
from tradebotd.domain.self_trade import (
    BotOrders,
    SelfTrade,
    entry_meets_exits,
    entry_meets_resting,
)


def self_trade_problems(config: Config) -> Iterator[str]:
    """Each with its ways out, at the bot whose entry it is."""
    venues = {symbol.symbol: symbol.venue for symbol in config.symbols}
    spot = [(n, bot) for n, bot in enumerate(config.bots) if bot.position_type == "spot"]
    for (number, one), (_, other) in permutations(spot, 2):
        name = venues.get(one.symbol)
        venue = None if name is None else config.venues.get(name)
        if one.symbol == other.symbol and name is not None and venue is not None:
            yield from _pair(f"bots[{number}]", one, other, name, venue)


def _pair(
    path: str, one: BotSection, other: BotSection, name: str, venue: VenueSection
) -> Iterator[str]:
    kind = _self_trade(venue)
    mine, theirs = _orders(one, venue), _orders(other, venue)
    elsewhere = f"or let {one.name!r} and {other.name!r} trade different symbols or venues"
    at = f"at {name} (self_trade = {kind.value!r})"
    met = entry_meets_exits(kind, mine)
    if met is not None:
        yield (
            f"{path}.entry: while a limit order of {one.name!r} rests {at}, an exit of"
            f' {other.name!r} in {one.symbol} {met}; say entry = "market", {elsewhere}'
        )
    met = entry_meets_resting(kind, mine, theirs)
    if met is not None:
        yield (
            f"{path}.symbol: exits of {other.name!r} rest {at}, and an entry of {one.name!r} in"
            f" {one.symbol} buys: {met}; say resting_stops = false in venues.{name}, {elsewhere}"
        )


def _self_trade(venue: VenueSection) -> SelfTrade:
    """Return what the venue does: a real one as its adapter has it set, paper as the file says."""
    facts = facts_of(venue.kind)
    return SelfTrade(venue.self_trade) if facts is None else facts.self_trade


def _orders(bot: BotSection, venue: VenueSection) -> BotOrders:
    """One that is not active holds what it held, and its exits go on."""
    return BotOrders(
        enters=bot.active,
        entry_rests=bot.entry == "limit",
        stops_rest=venue.resting_stops,
    )
