"""Wiring of Binance's feed, imported where the file names it."""

from random import Random

from tradebotd.config.binance_feeds import (
    binance_price_every,
    feed_addresses,
    is_live,
    market_of,
)
from tradebotd.config.public_places import Place
from tradebotd.config.sections import FeedSection
from tradebotd.daemon.wiring.outside import Outside
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.binance.client import Client
from tradebotd.feeds.binance.facts import INTERFACES
from tradebotd.feeds.binance.feed import BinanceFeed
from tradebotd.feeds.binance.public_market import BinancePublicMarket
from tradebotd.feeds.binance.streams import MarketStreams, stream_opener
from tradebotd.ports.clock import Clock
from tradebotd.venues.binance.limits import address


def binance(name: FeedName, section: FeedSection, clock: Clock, outside: Outside) -> BinanceFeed:
    """The feed; its gate is also that of a venue's adapter which asks the same machines."""
    addresses = feed_addresses(section)
    client = Client(
        name,
        INTERFACES[market_of(section)],
        addresses.base_url,
        gate=outside.gates.gate(address(market_of(section), live=is_live(section))),
        host=outside.host,
        random=Random(),  # noqa: S311 - of pauses
    )
    streams = MarketStreams(
        name,
        market_of(section),
        stream_opener(name, addresses.ws_url),
        time=client.time,
        learn_time=client.learn_time,
        host=outside.host,
        random=Random(),  # noqa: S311 - of pauses
    )
    return BinanceFeed(
        name,
        client,
        clock,
        outside.host,
        streams=streams,
        price_every=binance_price_every(section),
    )


def binance_market(place: Place, outside: Outside) -> BinancePublicMarket:
    """The public facts of a place, behind the gate that its venue and feeds pass, too."""
    client = Client(
        FeedName(place.name),
        INTERFACES[place.market],
        place.base_url,
        gate=outside.gates.gate(address(place.market, live=place.live)),
        host=outside.host,
        random=Random(),  # noqa: S311 - of pauses
    )
    return BinancePublicMarket(place.name, client)
