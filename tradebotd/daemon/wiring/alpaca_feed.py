"""Wiring of Alpaca's feed, imported where the file names it."""

from random import Random

from tradebotd.config.alpaca_feeds import (
    adjustment_of,
    alpaca_addresses,
    alpaca_price_every,
    data_feed_of,
    most_traded,
)
from tradebotd.config.sections import FeedSection
from tradebotd.daemon.wiring.files import LoadedFiles
from tradebotd.daemon.wiring.outside import Outside
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.alpaca.client import Client, Keys
from tradebotd.feeds.alpaca.feed import AlpacaFeed
from tradebotd.feeds.alpaca.streams import DataStreams, stream_opener
from tradebotd.ports.clock import Clock
from tradebotd.venues.alpaca.limits import Limits, gate_name
from tradebotd.venues.alpaca.paths import Host


def alpaca(
    name: FeedName, section: FeedSection, files: LoadedFiles, clock: Clock, outside: Outside
) -> AlpacaFeed:
    """The feed; its gate is also that of a venue's adapter with the same key at that address."""
    addresses = alpaca_addresses(section)
    keys = Keys(
        files.feed_keys[name].get_secret_value(), files.feed_secrets[name].get_secret_value()
    )
    gate = outside.gates.gate(gate_name(addresses.base_url, keys.key_id))
    client = Client(
        name,
        addresses.base_url,
        keys,
        limits=Limits(
            gate,
            outside.host,
            Host.DATA.value,
            keys.key_id,
            most=section.credits_per_minute,
        ),
        host=outside.host,
        random=Random(),  # noqa: S311 - of pauses
    )
    streams = DataStreams(
        name,
        data_feed_of(section),
        stream_opener(name, addresses.ws_url, keys),
        keys,
        host=outside.host,
        random=Random(),  # noqa: S311 - of pauses
        most_traded=most_traded(section),
    )
    return AlpacaFeed(
        name,
        client,
        clock,
        outside.host,
        streams=streams,
        data_feed=data_feed_of(section),
        adjustment=adjustment_of(section),
        price_every=alpaca_price_every(section),
    )
