"""Feeds of Binance in the file: which market, and where it is reached."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from tradebotd.config.real_venue_facts import REAL_VENUES
from tradebotd.config.sections import FeedSection
from tradebotd.config.venue_hosts import host_of, stream_host_problem, url_problems

PRICE_EVERY: Final = timedelta(seconds=5)  # of what the streams do not tell just now
LEAST_PRICE_EVERY: Final = timedelta(seconds=1)
_KEYS: Final = ("api_key", "api_secret", "credits_per_minute", "credits_per_day")


class Addresses(NamedTuple):
    base_url: str
    ws_url: str


_OF_USDM: Final = frozenset(
    {"fapi.binance.com", "demo-fapi.binance.com", "testnet.binancefuture.com"}
)
_USUAL: Final[Mapping[str, str]] = {
    "spot": "https://api.binance.com",
    "usdm": "https://fapi.binance.com",
}
_LIVE: Final = frozenset({*_USUAL.values(), "https://data-api.binance.vision"})
# S12, S13, F15: of each host of the vendor, that of its market streams.
_STREAMS: Final[Mapping[str, str]] = {
    "https://api.binance.com": "wss://stream.binance.com:9443",
    "https://data-api.binance.vision": "wss://data-stream.binance.vision",
    "https://demo-api.binance.com": "wss://demo-stream.binance.com:9443",
    "https://testnet.binance.vision": "wss://stream.testnet.binance.vision",
    "https://fapi.binance.com": "wss://fstream.binance.com",
    "https://demo-fapi.binance.com": "wss://demo-fstream.binance.com",
    "https://testnet.binancefuture.com": "wss://fstream.binancefuture.com",
}


def market_of(feed: FeedSection) -> Literal["spot", "usdm"]:
    return feed.market or "spot"


def binance_price_every(feed: FeedSection) -> timedelta:
    return feed.price_every or PRICE_EVERY


def feed_addresses(feed: FeedSection) -> Addresses:
    """Return the addresses of the file, else the vendor's. Raises KeyError for a base_url alone."""
    base_url = (feed.base_url or _USUAL[market_of(feed)]).rstrip("/")
    return Addresses(base_url, (feed.ws_url or _STREAMS[base_url]).rstrip("/"))


def is_live(feed: FeedSection) -> bool:
    """Return whether it asks the machines that live orders go to, whose limits they share."""
    return f"https://{host_of(feed_addresses(feed).base_url)}" in _LIVE


def binance_feed_problems(name: str, feed: FeedSection) -> Iterator[str]:
    """Yield what does not fit a feed of Binance."""
    path = f"feeds.{name}"
    for key in _KEYS:
        if getattr(feed, key) is not None:
            yield f"{path}.{key}: prices of Binance need no key and cost no credits; leave it out"
    if feed.price_every is not None and feed.price_every < LEAST_PRICE_EVERY:
        yield f"{path}.price_every: at least 1s: streams tell prices, this is for when they do not"
    problems = [
        *url_problems(f"{path}.base_url", feed.base_url, "https", "http"),
        *url_problems(f"{path}.ws_url", feed.ws_url, "wss", "ws"),
    ]
    yield from problems
    if problems:
        return
    try:
        feed_addresses(feed)
    except KeyError:
        yield f"{path}.ws_url: required beside a base_url that is not the vendor's"
    yield from _strays(path, feed)
    if feed.ws_url is not None and feed.base_url is None:
        yield f"{path}.base_url: required beside ws_url: both are of one place"


def _strays(path: str, feed: FeedSection) -> Iterator[str]:
    """Yield addresses of another market or vendor, or of two places."""
    host, told_at, futures = host_of(feed.base_url), host_of(feed.ws_url), market_of(feed) == "usdm"
    if f"https://{host}" in _STREAMS and (host in _OF_USDM) != futures:
        yield f'{path}.base_url: of the other market; this one is "{market_of(feed)}"'
    elif (wrong := stream_host_problem(host, futures=futures)) is not None:
        yield f"{path}.base_url: {wrong}"
    if (wrong := stream_host_problem(told_at, futures=futures)) is not None:
        yield f"{path}.ws_url: {wrong}"
    facts = REAL_VENUES["binance_usdm" if futures else "binance_spot"]
    asked, told = facts.place_of(host), facts.place_of(told_at)
    if asked is not None and told is not None and asked != told:
        yield f"{path}.ws_url: {told_at} is of {told}, but {host} of {asked}: both are of one place"
