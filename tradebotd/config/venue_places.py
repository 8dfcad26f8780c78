"""Places of the venues in the file: real money, or which kind of play money."""

from typing import Final

from tradebotd.config.real_venue_facts import LIVE, PAPER, facts_of
from tradebotd.config.real_venues import addresses_of, on_loopback
from tradebotd.config.sections import VenueSection
from tradebotd.config.venue_hosts import host_of

SIMULATOR: Final = "simulator"
ELSEWHERE: Final = "not live"  # an address that is not the vendor's: whose money it is, it knows


def place_of_venue(venue: VenueSection) -> str:
    """Return `live` (real money), `demo`, `testnet`, `paper`, `simulator` or `not live`."""
    facts = facts_of(venue.kind)
    if facts is None:
        return PAPER
    if venue.live:
        return LIVE
    base_url = addresses_of(venue).base_url
    if on_loopback(base_url):
        return SIMULATOR
    return facts.place_of(host_of(base_url)) or ELSEWHERE
