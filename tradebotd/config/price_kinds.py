"""Kinds of price that the file's feeds and venues tell, and the one that ends a bot's positions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tradebotd.config.real_venue_facts import kinds_told
from tradebotd.config.sections import BotSection, FeedSection, SymbolSection, VenueSection
from tradebotd.domain.decimals import BASIS_POINT
from tradebotd.domain.quote import PriceKind, Spread, TriggerPrice

_LAST: Final = frozenset({PriceKind.LAST})
_AROUND_LAST: Final = frozenset({PriceKind.BID, PriceKind.ASK})
# As their adapters claim: `Feed.price_kinds`. What is not named here tells the last price.
FEEDS: Final[Mapping[str, frozenset[PriceKind]]] = {"replay": _LAST, "synthetic": _LAST}


def feed_kinds(symbol: SymbolSection, feeds: Mapping[str, FeedSection]) -> frozenset[PriceKind]:
    """Return the kinds that any feed of the symbol tells."""
    kinds = [FEEDS.get(feeds[name].kind, _LAST) for name in symbol.feeds if name in feeds]
    return _LAST.union(*kinds)


def told_kinds(
    symbol: SymbolSection, feeds: Mapping[str, FeedSection], venue: VenueSection | None
) -> frozenset[PriceKind]:
    """Return the kinds that the symbol's feeds or its venue tell.

    A paper venue tells what the feeds do, and its own bid and ask, by its `spread_bps`.
    """
    return feed_kinds(symbol, feeds) | _own_kinds(venue)


def _own_kinds(venue: VenueSection | None) -> frozenset[PriceKind]:
    if venue is None:
        return frozenset()
    if venue.kind == "paper":
        return _AROUND_LAST
    return kinds_told(venue.kind, venue.data_feed)


def spread_of(
    symbol: SymbolSection, feeds: Mapping[str, FeedSection], venue: VenueSection
) -> Spread | None:
    """Return how bid and ask stand around the last price; None where a feed tells them."""
    if venue.kind != "paper" or feed_kinds(symbol, feeds) & _AROUND_LAST:
        return None
    return Spread(width=venue.spread_bps * BASIS_POINT, tick_size=symbol.tick_size)


def trigger_price(bot: BotSection, told: frozenset[PriceKind]) -> TriggerPrice:
    """Return what the bot says; else the mark for futures where it is told, and the last price."""
    if bot.trigger_price is not None:
        return TriggerPrice(bot.trigger_price)
    marked = _wants_mark(bot) and PriceKind.MARK in told
    return TriggerPrice.MARK if marked else TriggerPrice.LAST


def trigger_problems(path: str, bot: BotSection, told: frozenset[PriceKind]) -> Iterator[str]:
    """Refuse a price that nothing would ever tell: no exit would be met by it."""
    wanted = trigger_price(bot, told)
    if told.issuperset(wanted.kinds):
        return
    known = " or ".join(f'"{each}"' for each in TriggerPrice if told.issuperset(each.kinds))
    yield (
        f"{path}.trigger_price: neither the feeds of {bot.symbol} nor its venue tell"
        f" {' and '.join(wanted.kinds)} prices; {known} can be had"
    )


def falls_back(bot: BotSection, told: frozenset[PriceKind]) -> bool:
    """Return whether futures are ended by the last price because no mark is told."""
    return _wants_mark(bot) and PriceKind.MARK not in told


def _wants_mark(bot: BotSection) -> bool:
    """Return whether the mark ends the bot's positions wherever it is told, unless it says else."""
    return bot.trigger_price is None and bot.position_type == "futures"


def wanted_kinds(
    symbol: SymbolSection,
    bots: Sequence[BotSection],
    feeds: Mapping[str, FeedSection],
    venue: VenueSection | None,
) -> frozenset[PriceKind]:
    """Return the kinds that end positions of the symbol's bots, beside the last price, where a
    venue outside tells them: a feed that streams them is quicker, and the venue is asked for them
    when it does not. A paper venue makes its own.
    """
    if venue is None or venue.kind == "paper":
        return frozenset()
    told = told_kinds(symbol, feeds, venue)
    ours = [trigger_price(bot, told).kinds for bot in bots if bot.symbol == symbol.symbol]
    return frozenset(kind for kinds in ours for kind in kinds) - _LAST
