"""Order types of a venue in view of its bots: what cannot be sent, and what guards less."""

from collections.abc import Iterator

from tradebotd.config.exit_checks import stop_fractions
from tradebotd.config.instrument_filters import order_types_of
from tradebotd.config.model import Config
from tradebotd.config.price_kinds import told_kinds, trigger_price
from tradebotd.config.sections import BotSection, SymbolSection, VenueSection
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.quote import PriceKind
from tradebotd.risk import resting_types
from tradebotd.risk.resting_types import STOPS, stop_type


def taken_types(venue: VenueSection, symbol: SymbolSection) -> frozenset[OrderType]:
    """Return the order types that both the venue and the symbol take."""
    return resting_types.taken_types(_taken_by(venue), order_types_of(symbol.order_types))


def resting_stop(
    bot: BotSection, symbol: SymbolSection, venue: VenueSection | None
) -> OrderType | None:
    """Return the type in which the bot's stops rest at the venue; None: they do not."""
    if venue is None or not _rests(bot, venue):
        return None
    return stop_type(taken_types(venue, symbol))


def venue_type_problems(config: Config) -> Iterator[str]:
    """Yield entries that their venue takes in no type; market orders it always takes."""
    for number, bot, _, symbol, venue in _placed(config):
        if bot.entry == "limit" and OrderType.LIMIT not in _taken_by(venue):
            yield (
                f'bots[{number}].entry: "limit" is none of the order types that'
                f' {symbol.venue!r} takes; "market" is allowed'
            )


def venue_type_warnings(config: Config) -> Iterator[ConfigWarning]:
    """Yield venues and symbols where stops cannot rest, or not over night."""
    told: set[str] = set()
    for _, bot, path, symbol, venue in _placed(config):
        name = symbol.venue
        if not _rests(bot, venue):
            continue
        if stop_type(_taken_by(venue)) is None:
            found = _no_stop(f"venues.{name}.order_types")
        elif resting_stop(bot, symbol, venue) is None:
            found = _no_stop(f"{path}.order_types")
        elif venue.stop_time_in_force == "day":
            found = ConfigWarning(
                WarningKind.STOP_ENDS_DAILY,
                f"venues.{name}.stop_time_in_force",
                "stops end with each session and are placed again in the next: over night the"
                " daemon alone guards, and can sell nothing before the market opens; no stop takes"
                " part in the opening auction, nor rests for some seconds after it",
            )
        else:
            continue
        if found.place not in told:
            told.add(found.place)
            yield found


def stop_price_warnings(config: Config) -> Iterator[ConfigWarning]:
    """Yield bots whose stop rests by the last price, since another symbol there has no other one.

    A paper venue compares stops with the kinds that are told of each of its symbols.
    """
    told: dict[str, dict[str, frozenset[PriceKind]]] = {}
    for each in config.symbols:
        known = told_kinds(each, config.feeds, config.venues.get(each.venue))
        told.setdefault(each.venue, {})[each.symbol] = known
    for number, bot, _, symbol, venue in _placed(config):
        name = symbol.venue
        if not _rests(bot, venue):
            continue
        kinds = trigger_price(bot, told[name][bot.symbol]).kinds
        without = sorted(other for other, has in told[name].items() if not has.issuperset(kinds))
        if without and bot.symbol not in without:
            yield ConfigWarning(
                WarningKind.STOP_BY_LAST,
                f"bots[{number}].trigger_price",
                f"its stop rests at {name!r} by the last price: {', '.join(without)} there"
                f" {'has' if len(without) == 1 else 'have'} no {' and '.join(kinds)} price",
            )


def _no_stop(path: str) -> ConfigWarning:
    return ConfigWarning(
        WarningKind.NO_RESTING_STOP,
        path,
        f"no stop can rest there: it takes neither {' nor '.join(STOPS)}; the daemon alone guards"
        " its positions",
    )


def _placed(
    config: Config,
) -> Iterator[tuple[int, BotSection, str, SymbolSection, VenueSection]]:
    """Yield each bot by number with its symbol, that one's path and venue, where they are known."""
    symbols = {
        symbol.symbol: (f"symbols[{number}]", symbol)
        for number, symbol in enumerate(config.symbols)
    }
    for number, bot in enumerate(config.bots):
        if (placed := symbols.get(bot.symbol)) is None:
            continue
        path, symbol = placed
        if (venue := config.venues.get(symbol.venue)) is not None:
            yield number, bot, path, symbol, venue


def _rests(bot: BotSection, venue: VenueSection) -> bool:
    """Return whether the bot has stops that are to rest at the venue, in any type it takes."""
    return venue.resting_stops and bool(stop_fractions(bot.exits))


def _taken_by(venue: VenueSection) -> frozenset[OrderType]:
    types = order_types_of(venue.order_types)
    return frozenset(OrderType) if types is None else types
