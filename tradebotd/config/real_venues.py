"""Venues outside: the keys of the file that they need, and addresses that fit `live`.

What `check` knows of them by itself stands in `real_venue_facts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tradebotd.config.model import Config
from tradebotd.config.real_venue_facts import REAL_VENUES, Addresses
from tradebotd.config.sections import VenueSection

# Of the paper venue: a real one has these from itself, and tells them.
PAPER_KEYS: Final = (
    *("starting_cash", "fee_asset", "replacement", "self_trade", "order_types"),
    *("stop_time_in_force", "funding_rate", "funding_every", "slippage_bps", "spread_bps"),
    *("latency_ms", "depth_notional"),
)
KEYS: Final = ("api_key", "api_secret")


@dataclass(frozen=True, slots=True)
class Reached:
    """Addresses at which a venue of the file is reached."""

    base_url: str
    ws_url: str


def addresses_of(venue: VenueSection) -> Reached:
    """Return the addresses of the file, else the live ones or those to rehearse at."""
    usual = _usual(venue)
    return Reached(venue.base_url or usual.base_url, venue.ws_url or usual.ws_url)


def _usual(venue: VenueSection) -> Addresses:
    facts = REAL_VENUES[venue.kind]
    return facts.live if venue.live else facts.rehearsal


def real_venue_problems(config: Config) -> Iterator[str]:
    """Yield what is missing, superfluous or dangerous in a venue outside."""
    for name, venue in config.venues.items():
        if venue.kind in REAL_VENUES:
            yield from _one(f"venues.{name}", venue)
    kinds = {name: venue.kind for name, venue in config.venues.items()}
    traded = {symbol.symbol: kinds.get(symbol.venue, "") for symbol in config.symbols}
    for number, bot in enumerate(config.bots):
        facts = REAL_VENUES.get(traded.get(bot.symbol, ""))
        if facts is not None and bot.position_type not in facts.position_types:
            yield (
                f"bots[{number}].position_type: a venue of kind {traded[bot.symbol]!r} has no"
                f" {bot.position_type}; {' or '.join(sorted(facts.position_types))} is allowed"
            )


def _one(path: str, venue: VenueSection) -> Iterator[str]:
    for key in KEYS:
        if getattr(venue, key) is None:
            yield f'{path}.{key}: required for kind = "{venue.kind}"'
    for key in PAPER_KEYS:
        if key in venue.model_fields_set:
            yield f'{path}.{key}: belongs to kind = "paper", not to {venue.kind!r}'
    if venue.allow_unrestricted_key and not venue.live:
        yield f"{path}.allow_unrestricted_key: only a live key is asked for its addresses"
    reached = addresses_of(venue)
    for key, url, schemes in (
        ("base_url", reached.base_url, ("https", "http")),
        ("ws_url", reached.ws_url, ("wss", "ws")),
    ):
        problem = _scheme_problem(url, schemes, live=venue.live) or url_problem(venue, url)
        if problem is not None:
            yield f"{path}.{key}: {problem}"


def _scheme_problem(url: str, schemes: tuple[str, str], *, live: bool) -> str | None:
    secure, plain = schemes
    try:
        parts = urlsplit(url)
        given, host = parts.scheme, parts.hostname
    except ValueError:
        given, host = "", None
    if not host or given not in schemes:
        return f'not a URL; write "{secure}://host"'
    if given == plain and live:
        return f"a live key is sent by {secure} only"
    return None


def url_problem(venue: VenueSection, url: str) -> str | None:
    """S12, S13: return why *url* does not fit `live`; None where it does.

    A host that is not the vendor's (a simulator, a proxy) is not live.
    """
    facts, host = REAL_VENUES[venue.kind], (urlsplit(url).hostname or "").lower()
    is_test, is_vendors = _is_of(host, facts.test_hosts), _is_of(host, facts.hosts)
    if venue.live and (is_test or not is_vendors):
        return f"live = true, but {host} is no live address of the venue"
    if not venue.live and is_vendors and not is_test:
        return f"{host} is live, with real money: say live = true, or take a test address"
    return None


def _is_of(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == each or host.endswith(f".{each}") for each in domains)
