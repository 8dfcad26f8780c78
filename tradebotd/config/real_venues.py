"""Venues outside: the keys of the file that they need, and addresses that fit `live`.

What `check` knows of them by itself stands in `real_venue_facts`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from tradebotd.config.model import Config
from tradebotd.config.real_venue_facts import LIVE, REAL_VENUES, Addresses, RealVenue
from tradebotd.config.sections import VenueSection
from tradebotd.config.venue_hosts import host_of, price_host_problem, trading_host_problem
from tradebotd.domain.instrument import ALWAYS_OPEN

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
    data_url: str = ""
    wallet_url: str = ""


def addresses_of(venue: VenueSection) -> Reached:
    """Return the addresses of the file, else the live ones or those to rehearse at.

    Orders are told where they are sent: `ws_url` follows `base_url`, and is empty where that is not
    the vendor's and the file names none.
    """
    facts, usual = REAL_VENUES[venue.kind], _usual(venue)
    base_url = venue.base_url or usual.base_url
    data_url = venue.data_url or facts.data_url
    if venue.data_url is None and facts.place_of(host_of(base_url)) is None:
        data_url = base_url  # a simulator or a proxy: no key of it leaves for the vendor
    return Reached(
        base_url=base_url,
        ws_url=venue.ws_url or facts.ws_url_of(host_of(base_url)) or "",
        data_url=data_url if facts.data_url else "",
        wallet_url=usual.wallet_url,
    )


def _usual(venue: VenueSection) -> Addresses:
    facts = REAL_VENUES[venue.kind]
    return facts.live if venue.live else facts.rehearsal


def real_venue_problems(config: Config) -> Iterator[str]:
    """Yield what is missing, superfluous or dangerous in a venue outside."""
    for name, venue in config.venues.items():
        if venue.kind in REAL_VENUES:
            yield from _one(f"venues.{name}", venue)
    yield from _shares_around_the_clock(config)
    yield from _one_stream_an_account(config)
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
    yield from _of_other_kinds(path, venue)
    yield from _address_problems(path, venue)


def _address_problems(path: str, venue: VenueSection) -> Iterator[str]:
    """Yield what is wrong with the addresses; what follows from a wrong one is left out."""
    facts, reached = REAL_VENUES[venue.kind], addresses_of(venue)
    strays = trading_host_problem(venue.kind, host_of(reached.base_url)) is not None
    for key, url, schemes in (
        ("base_url", reached.base_url, ("https", "http")),
        *((("ws_url", reached.ws_url, ("wss", "ws")),) if reached.ws_url else ()),
        *((("data_url", reached.data_url, ("https", "http")),) if facts.data_url else ()),
    ):
        if strays and getattr(venue, key) is None:
            continue
        if not _is_url(url, schemes):
            yield f'{path}.{key}: not a URL; write "{schemes[0]}://host"'
            continue
        found = (_host_problem(venue, key, url), _plain_problem(url, schemes, live=venue.live))
        if any(found):
            yield f"{path}.{key}: {'; '.join(each for each in found if each)}"
    if strays or trading_host_problem(venue.kind, host_of(reached.ws_url)):
        return
    problem = _place_problem(facts, reached)
    if problem is not None:
        yield f"{path}.ws_url: {problem}"


def _host_problem(venue: VenueSection, key: str, url: str) -> str | None:
    """Return why *url* is of another market, or does not fit `live`."""
    host = host_of(url)
    if key == "data_url":
        return price_host_problem(venue.kind, host) or _data_problem(venue, url)
    return trading_host_problem(venue.kind, host) or url_problem(venue, url)


def _place_problem(facts: RealVenue, reached: Reached) -> str | None:
    """S13, F15: return why orders sent to one address would not be told at the other."""
    sent_to, told_by = host_of(reached.base_url), host_of(reached.ws_url)
    if not sent_to:
        return None
    if not reached.ws_url:
        return "required beside a base_url that is not the vendor's"
    sent, told = facts.place_of(sent_to), facts.place_of(told_by)
    if not told_by or sent == told:
        return None
    return (
        f"{told_by} is {_named(told)}, but orders go to {sent_to}, {_named(sent)}: both are of one"
        " place, or fills are not told"
    )


def _named(place: str | None) -> str:
    return "no address of the vendor" if place is None else f"of {place}"


def _of_other_kinds(path: str, venue: VenueSection) -> Iterator[str]:
    """Yield keys that venues of this kind have no use for."""
    facts = REAL_VENUES[venue.kind]
    if venue.allow_unrestricted_key and not (venue.live and facts.tells_key_rights):
        asked = "only a live key is asked for its addresses"
        told = (
            asked if facts.tells_key_rights else f"{venue.kind!r} does not tell what a key may do"
        )
        yield f"{path}.allow_unrestricted_key: {told}"
    if not facts.data_url:
        for key in ("data_url", "data_feed"):
            if key in venue.model_fields_set:
                yield f"{path}.{key}: a venue of kind {venue.kind!r} has none; leave it out"


def _shares_around_the_clock(config: Config) -> Iterator[str]:
    """Yield shares whose calendar never closes: their orders would wait for the next session."""
    for number, symbol in enumerate(config.symbols):
        venue = config.venues.get(symbol.venue)
        facts = None if venue is None else REAL_VENUES.get(venue.kind)
        market = symbol.names.get(symbol.venue, symbol.symbol)
        is_share = facts is not None and facts.holds_shares and "/" not in market
        if is_share and symbol.calendar == ALWAYS_OPEN:
            yield (
                f"symbols[{number}].calendar: shares trade in sessions;"
                f' write "XNYS" (crypto there is named with a slash: "BTC/USD")'
            )


def _one_stream_an_account(config: Config) -> Iterator[str]:
    """A11: yield a second venue with one key: the order stream of an account is one connection."""
    seen: dict[str, str] = {}
    for name, venue in config.venues.items():
        if venue.kind != "alpaca" or venue.api_key is None:
            continue
        key = repr(venue.api_key)
        if key in seen:
            yield f"venues.{name}.api_key: {seen[key]!r} has it; an account has one order stream"
        seen.setdefault(key, name)


def _is_url(url: str, schemes: tuple[str, str]) -> bool:
    try:
        return urlsplit(url).scheme in schemes and bool(host_of(url))
    except ValueError:
        return False


def _plain_problem(url: str, schemes: tuple[str, str], *, live: bool) -> str | None:
    """Return why *url* must not go unencrypted: on their way others read keys and change prices."""
    secure, plain = schemes
    if urlsplit(url).scheme != plain:
        return None
    if live:
        return f"a live key is sent by {secure} only"
    return None if on_loopback(url) else f"{plain} is for this machine alone; write {secure}://"


def on_loopback(url: str | None) -> bool:
    """Return whether *url* is of this machine, and never leaves it."""
    try:
        return (host := host_of(url)) == "localhost" or ip_address(host).is_loopback
    except ValueError:  # no address
        return False


def url_problem(venue: VenueSection, url: str) -> str | None:
    """S12, S13: return why *url* does not fit `live`; None where it does.

    A host that is not the vendor's (a simulator, a proxy) is not live.
    """
    facts, host = REAL_VENUES[venue.kind], host_of(url)
    is_live = facts.place_of(host) == LIVE
    if venue.live and not is_live:
        return f"live = true, but {host} is no live address of the venue"
    if not venue.live and is_live:
        return f"{host} is live, with real money: say live = true, or take a test address"
    return None


def _data_problem(venue: VenueSection, url: str) -> str | None:
    """Return why a live key must not be shown there. Prices are the same, live and to rehearse."""
    host = host_of(url)
    if venue.live and REAL_VENUES[venue.kind].place_of(host) is None:
        return f"live = true, but {host} is no address of the venue"
    return None
