"""Places of Binance in the file, by its venues and feeds: they tell everybody what is traded."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from tradebotd.config.binance_feeds import feed_addresses, is_live, market_of
from tradebotd.config.model import Config
from tradebotd.config.real_venues import addresses_of
from tradebotd.domain.instrument import PositionType

MarketName = Literal["spot", "usdm"]
_MARKETS: Final[dict[str, MarketName]] = {"binance_spot": "spot", "binance_usdm": "usdm"}


class Place(NamedTuple):
    """*name*: that of the venue, else of the feed. *live*: it shares the limits of live orders."""

    name: str
    market: MarketName
    base_url: str
    live: bool


def kind_of(place: Place) -> PositionType:
    return PositionType.SPOT if place.market == "spot" else PositionType.FUTURES


class At(NamedTuple):
    """Place where a symbol of ours is traded, and what it is called there."""

    place: Place
    name: str


def places_by_name(config: Config) -> dict[str, Place]:
    """Return the place of each venue and feed in use; those at one address share the first one's.

    A feed whose addresses are wrong is left out: `check` names it.
    """
    by_address: dict[tuple[str, str], Place] = {}
    return {
        place.name: by_address.setdefault((place.market, place.base_url), place)
        for place in _told(config)
    }


def places(config: Config) -> tuple[Place, ...]:
    """Return each place once."""
    return tuple(dict.fromkeys(places_by_name(config).values()))


def recordable(config: Config) -> dict[str, At]:
    """Return where each symbol's public data is: at its venue, else at its first such feed."""
    known = places_by_name(config)
    found: dict[str, At] = {}
    for symbol in config.symbols:
        for name in (symbol.venue, *symbol.feeds):
            if name in known:
                found[symbol.symbol] = At(known[name], symbol.names.get(name, symbol.symbol))
                break
    return found


def recorded_at(config: Config) -> dict[str, At]:
    """Return those of them that are recorded: the symbols of `[public_data]`, or all."""
    wanted = config.public_data.symbols
    found = recordable(config)
    return {name: at for name, at in found.items() if not wanted or name in wanted}


def _told(config: Config) -> Iterator[Place]:
    for name, venue in config.venues.items():
        market = _MARKETS.get(venue.kind)
        if market is not None:
            yield Place(name, market, addresses_of(venue).base_url.rstrip("/"), venue.live)
    used = {feed for symbol in config.symbols for feed in symbol.feeds}
    for name, feed in config.feeds.items():
        if feed.kind != "binance" or name not in used:
            continue
        try:
            base_url = feed_addresses(feed).base_url
        except KeyError:
            continue
        yield Place(name, market_of(feed), base_url, is_live(feed))
