"""Order types of a venue in view of its bots: what cannot be sent, and what guards less."""

from collections.abc import Iterator

from tradebotd.config.exit_checks import stop_fractions
from tradebotd.config.model import Config
from tradebotd.config.price_kinds import trigger_price
from tradebotd.config.sections import BotSection, VenueSection
from tradebotd.config.warning import ConfigWarning, WarningKind
from tradebotd.domain.order_type import OrderType
from tradebotd.risk.resting_types import STOPS, stop_type


def venue_type_problems(config: Config) -> Iterator[str]:
    """Yield entries that their venue takes in no type; market orders it always takes."""
    for number, bot, name, venue in _placed(config):
        if bot.entry == "limit" and OrderType.LIMIT not in _taken(venue):
            yield (
                f'bots[{number}].entry: "limit" is none of the order types that'
                f' {name!r} takes; "market" is allowed'
            )


def venue_type_warnings(config: Config) -> Iterator[ConfigWarning]:
    """Yield venues where stops cannot rest, or not over night."""
    told: set[str] = set()
    for _, bot, name, venue in _placed(config):
        if name in told or not venue.resting_stops or not stop_fractions(bot.exits):
            continue
        told.add(name)
        if stop_type(_taken(venue)) is None:
            yield ConfigWarning(
                WarningKind.NO_RESTING_STOP,
                f"venues.{name}.order_types",
                f"no stop can rest there: it takes neither {' nor '.join(STOPS)}; the daemon alone"
                " guards its positions",
            )
        elif venue.stop_time_in_force == "day":
            yield ConfigWarning(
                WarningKind.STOP_ENDS_DAILY,
                f"venues.{name}.stop_time_in_force",
                "stops end with each session and are placed again in the next: over night the"
                " daemon alone guards, and can sell nothing before the market opens; no stop takes"
                " part in the opening auction, nor rests for some seconds after it",
            )


def stop_price_warnings(config: Config) -> Iterator[ConfigWarning]:
    """Yield bots whose stop rests by the last price, since another symbol there has no other one.

    A paper venue compares stops with the kinds that are told of each of its symbols.
    """
    for number, bot, name, venue in _placed(config):
        kinds, told = (
            trigger_price(bot, config.told_kinds(bot.symbol)).kinds,
            {
                symbol.symbol: config.told_kinds(symbol.symbol)
                for symbol in config.symbols
                if symbol.venue == name
            },
        )
        without = sorted(symbol for symbol, known in told.items() if not known.issuperset(kinds))
        if without and bot.symbol not in without and venue.resting_stops:
            yield ConfigWarning(
                WarningKind.STOP_BY_LAST,
                f"bots[{number}].trigger_price",
                f"its stop rests at {name!r} by the last price: {', '.join(without)} there"
                f" {'has' if len(without) == 1 else 'have'} no {' and '.join(kinds)} price",
            )


def _placed(config: Config) -> Iterator[tuple[int, BotSection, str, VenueSection]]:
    """Yield each bot with its venue, where both are known."""
    venues = {symbol.symbol: symbol.venue for symbol in config.symbols}
    for number, bot in enumerate(config.bots):
        name = venues.get(bot.symbol, "")
        venue = config.venues.get(name)
        if venue is not None:
            yield number, bot, name, venue


def _taken(venue: VenueSection) -> frozenset[OrderType]:
    if venue.order_types is None:
        return frozenset(OrderType)
    return frozenset(OrderType(name) for name in venue.order_types)
