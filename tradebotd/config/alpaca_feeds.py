"""Feeds of Alpaca in the file: what they need, where they are reached, what their key may ask."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from tradebotd.config.feed_credits import READS, pull_every, times_in
from tradebotd.config.model import Config
from tradebotd.config.sections import FeedSection
from tradebotd.config.venue_hosts import (
    host_of,
    other_vendor_problem,
    price_host_problem,
    url_problems,
)
from tradebotd.domain.instrument import ALWAYS_OPEN

PRICE_EVERY: Final = timedelta(seconds=5)  # of what the streams do not tell just now
FREE_A_MINUTE: Final = 200  # A13
NAMES_AT_ONCE: Final = 100  # an address line takes no more of them everywhere
TRADED_FREE: Final = 30  # symbols whose trades and quotes a free plan streams
_MINUTE: Final = timedelta(minutes=1)
_BASE_URL: Final = "https://data.alpaca.markets"
# Of each host of the vendor, that of its streams.
_STREAMS: Final = {
    _BASE_URL: "wss://stream.data.alpaca.markets",
    "https://data.sandbox.alpaca.markets": "wss://stream.data.sandbox.alpaca.markets",
}
_PLACES: Final = {host_of(asked): host_of(told) for asked, told in _STREAMS.items()}
_STREAM_HOSTS: Final = frozenset(_PLACES.values())
_VENDORS_OWN: Final = ".alpaca.markets"


class Addresses(NamedTuple):
    base_url: str
    ws_url: str


def data_feed_of(feed: FeedSection) -> Literal["iex", "sip", "otc"]:
    """Return whose trades of shares are told: of one exchange, where the file says nothing."""
    return feed.data_feed or "iex"


def adjustment_of(feed: FeedSection) -> Literal["raw", "split", "all"]:
    """Return what bars are adjusted for: nothing, where the file says nothing."""
    return feed.adjust or "raw"


def alpaca_price_every(feed: FeedSection) -> timedelta:
    return feed.price_every or PRICE_EVERY


def most_traded(feed: FeedSection) -> int | None:
    """Return of how many shares the plan streams trades; None: of all."""
    return TRADED_FREE if _a_minute(feed) <= FREE_A_MINUTE else None


def alpaca_addresses(feed: FeedSection) -> Addresses:
    """Return the addresses of the file, else the vendor's. Raises KeyError for a base_url alone."""
    base_url = (feed.base_url or _BASE_URL).rstrip("/")
    return Addresses(base_url, (feed.ws_url or _STREAMS[base_url]).rstrip("/"))


def alpaca_feed_problems(config: Config) -> Iterator[str]:
    """Yield what does not fit feeds of Alpaca, one by one and beside each other."""
    keys: dict[str, str] = {}
    for name, feed in config.feeds.items():
        if feed.kind != "alpaca":
            continue
        path = f"feeds.{name}"
        yield from _one(path, feed)
        yield from _short(config, name, feed)
        if feed.api_key is None:
            continue
        key = repr(feed.api_key)
        if key in keys:
            # A11: the second connection of a key is refused, and the first one may be the worse.
            yield f"{path}.api_key: {keys[key]!r} has it; a key has one stream of each kind"
        keys.setdefault(key, name)
    yield from _shares_around_the_clock(config)


def _one(path: str, feed: FeedSection) -> Iterator[str]:
    for key in ("api_key", "api_secret"):
        if getattr(feed, key) is None:
            yield f'{path}.{key}: required; it says where it is: {{ credential = "…" }}'
    if feed.credits_per_day is not None:
        yield f"{path}.credits_per_day: there is no limit of a day; leave it out"
    problems = [
        *url_problems(f"{path}.base_url", feed.base_url, "https", "http"),
        *url_problems(f"{path}.ws_url", feed.ws_url, "wss", "ws"),
    ]
    yield from problems
    if problems:
        return
    if feed.ws_url is not None and feed.base_url is None:
        yield f"{path}.base_url: required beside ws_url: both are of one place"
        return
    try:
        reached = alpaca_addresses(feed)
    except KeyError:
        if (wrong := _host_problem(host_of(feed.base_url), tuple(_PLACES))) is not None:
            yield f"{path}.base_url: {wrong}"
        else:
            yield f"{path}.ws_url: required beside a base_url that is not the vendor's"
        return
    yield from _strays(path, reached)


def _strays(path: str, reached: Addresses) -> Iterator[str]:
    """Yield addresses of other vendors, of what tells no prices, or of two places."""
    asked, told = host_of(reached.base_url), host_of(reached.ws_url)
    wrong = {
        "base_url": _host_problem(asked, tuple(_PLACES)),
        "ws_url": _host_problem(told, tuple(_PLACES.values())),
    }
    yield from (f"{path}.{key}: {each}" for key, each in wrong.items() if each is not None)
    if not any(wrong.values()) and _PLACES.get(asked) != (told if told in _STREAM_HOSTS else None):
        yield f"{path}.ws_url: {told} is of another place than {asked}: both are of one place"


def _host_problem(host: str, known: tuple[str, ...]) -> str | None:
    """Return why the key is not shown to *host*; None for a simulator's or proxy's, too."""
    if (wrong := other_vendor_problem("alpaca", host)) is not None or host in known:
        return wrong
    if not f".{host}".endswith(_VENDORS_OWN):
        return None
    wrong = price_host_problem("alpaca", host)
    return wrong or f"{host} is not where this is told; the vendor's are {' and '.join(known)}"


def _short(config: Config, name: str, feed: FeedSection) -> Iterator[str]:
    """M3.3: refuse what the key's requests of a minute cannot pay while no stream tells anything.

    A symbol counts at the first of its feeds: its candles are a request, as are those of each share
    of a watchlist; prices are asked for in one request of a hundred shares, or of a hundred coins.
    """
    names = [
        each.names.get(name, each.symbol) for each in config.symbols if each.feeds[:1] == [name]
    ]
    coins = sum(1 for each in names if "/" in each)
    batches = math.ceil(coins / NAMES_AT_ONCE) + math.ceil((len(names) - coins) / NAMES_AT_ONCE)
    watched = config.universe.size if config.universe.pull_from == name else 0
    pulls = (len(names) + watched) * times_in(pull_every(config), _MINUTE)
    prices = batches * times_in(alpaca_price_every(feed), _MINUTE)
    limit = _a_minute(feed)
    reads = math.floor(limit * READS)
    if pulls <= reads and pulls + prices <= limit:
        return
    count = len(names) + watched
    told = f"{count} {'symbol needs' if count == 1 else 'symbols need'}"
    if watched:
        told = f"{len(names)} and a watchlist of {watched} (universe.size) need"
    most = max(0, min(reads, limit - prices) // times_in(pull_every(config), _MINUTE))
    yield (
        f"feeds.{name}.credits_per_minute: {told} {pulls + prices} requests in a minute in which no"
        f" stream tells anything, of {limit} ({READS:.0%} of them for candles): at most {most} fit,"
        f" or a longer price_every and [jobs.realtime_pull] every"
    )


def _a_minute(feed: FeedSection) -> int:
    return feed.credits_per_minute or FREE_A_MINUTE


def _shares_around_the_clock(config: Config) -> Iterator[str]:
    """Yield shares whose calendar never closes: at night their streams would count as silent, and
    prices of the evening before as prices of now.
    """
    feeds = {name for name, feed in config.feeds.items() if feed.kind == "alpaca"}
    for number, symbol in enumerate(config.symbols):
        venue = config.venues.get(symbol.venue)
        if symbol.calendar != ALWAYS_OPEN or (venue is not None and venue.kind == "alpaca"):
            continue  # the venue's checks name those
        for name in symbol.feeds:
            if name in feeds and "/" not in symbol.names.get(name, symbol.symbol):
                yield (
                    f"symbols[{number}].calendar: shares trade in sessions; write"
                    f' "XNYS" (coins are named with a slash: names = {{ {name} = "BTC/USD" }})'
                )
                break
