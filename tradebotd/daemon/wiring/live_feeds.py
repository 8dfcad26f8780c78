"""Wiring of feeds that ask a provider: on the real time, with its credits and limits."""

from random import Random

from pydantic import SecretStr

from tradebotd.clocks.host import SystemHost
from tradebotd.config.feed_credits import plan_limits, price_every
from tradebotd.config.sections import FeedSection
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.twelvedata.client import Client, http_client
from tradebotd.feeds.twelvedata.credits import Credits
from tradebotd.feeds.twelvedata.feed import TwelveDataFeed
from tradebotd.net.gate import Gate
from tradebotd.ports.clock import Clock


def twelvedata(
    name: FeedName, section: FeedSection, key: SecretStr, clock: Clock
) -> TwelveDataFeed:
    """The feed, with a gate of its own: its credits are of its key, and no other feed's."""
    host = SystemHost()
    limits = plan_limits(section.credits_per_minute, section.credits_per_day)
    credits_ = Credits(Gate(name, host), limits.a_minute, limits.a_day, host)
    http = http_client(name, key.get_secret_value(), base_url=section.base_url)
    client = Client(name, http, credits_, host, Random())  # noqa: S311 - of pauses
    return TwelveDataFeed(name, client, clock, host, price_every=price_every(section))
