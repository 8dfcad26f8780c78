"""Keys that nothing reads: of a later version or of another kind. A setting must have an effect."""

from collections.abc import Iterator
from typing import Final

from tradebotd.config.model import SIMULATED_KINDS, Config
from tradebotd.config.sections import FeedSection, HealthSection, VenueSection

OF_PROVIDERS: Final = ("base_url", "credits_per_minute", "credits_per_day", "price_every")
OF_SIMULATED: Final = ("speed", "on_end")
LATER_OF_VENUES: Final = ("base_url", "ws_url", "data_url")
LATER_OF_HEALTH: Final = (
    *("buy_sell_ratio", "buy_sell_for"),
    *("max_position_age", "job_failure_rate"),
)
# By the kind that has them.
OF_KIND: Final = {
    "synthetic": ("seed", "volatility", "start"),
    "replay": ("path",),
    "binance": ("market",),
    "alpaca": ("data_feed", "adjust"),
}
STREAMED: Final = frozenset({"binance", "alpaca"})


def unused_problems(config: Config) -> Iterator[str]:
    """Yield unused keys; one at its default is allowed, as in config.example.toml.

    Secrets that a later kind needs are checked elsewhere and may be present already.
    """
    for name, feed in config.feeds.items():
        yield from _feed(f"feeds.{name}", feed)
    for name, venue in config.venues.items():
        if venue.kind == "paper":
            yield from _venue(f"venues.{name}", venue)
    usual = HealthSection.model_construct()
    for key in LATER_OF_HEALTH:
        if getattr(config.health, key) != getattr(usual, key):
            yield f"health.{key}: its monitor comes later; leave it out"
    if config.alerts.min_severity != "warning":
        yield "alerts.min_severity: alerts are not delivered in this version; leave it out"


def _feed(path: str, feed: FeedSection) -> Iterator[str]:
    if feed.kind in SIMULATED_KINDS:
        for key in OF_PROVIDERS:
            if getattr(feed, key) is not None:
                yield f"{path}.{key}: a feed of kind {feed.kind!r} has none; leave it out"
    else:
        for key in OF_SIMULATED:
            if key in feed.model_fields_set:
                yield f"{path}.{key}: {feed.kind!r} tells real prices, in real time; leave it out"
    if feed.kind == "twelvedata" and feed.api_secret is not None:
        yield f"{path}.api_secret: a feed of kind 'twelvedata' has a key alone; leave it out"
    yield from _of_other_kinds(path, feed)


def _of_other_kinds(path: str, feed: FeedSection) -> Iterator[str]:
    for kind, keys in OF_KIND.items():
        for key in keys:
            if kind != feed.kind and key in feed.model_fields_set:
                yield f'{path}.{key}: belongs to kind = "{kind}", not to {feed.kind!r}'
    if feed.ws_url is not None and feed.kind not in STREAMED:
        kinds = " or ".join(f'"{kind}"' for kind in sorted(STREAMED, reverse=True))
        yield f"{path}.ws_url: belongs to kind = {kinds}, not to {feed.kind!r}"


def _venue(path: str, venue: VenueSection) -> Iterator[str]:
    for key in LATER_OF_VENUES:
        if getattr(venue, key) is not None:
            yield f"{path}.{key}: a paper venue has none; leave it out"
    if venue.data_feed != "iex":
        yield f"{path}.data_feed: a paper venue has none; leave it out"
    if venue.live:
        yield f"{path}.live: nothing is live on paper; leave it out"
    if venue.allow_unrestricted_key:
        yield f"{path}.allow_unrestricted_key: a paper venue has no key; leave it out"
