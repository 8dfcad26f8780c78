"""Facts of venues outside that `check` knows before any adapter is imported.

They are what the adapters claim; `tests/unit/test_real_venues.py` compares both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tradebotd.domain.quote import PriceKind
from tradebotd.domain.self_trade import SelfTrade


@dataclass(frozen=True, slots=True)
class Addresses:
    base_url: str
    ws_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RealVenue:
    """*hosts* of the vendor, of which *test_hosts* move no real money.

    *rehearsal*: where a key that is not live belongs. *price_kinds*: those that its quotes tell.
    *charges_in_base*: a buy keeps its fee from what it bought, unless another asset pays it.
    """

    live: Addresses
    rehearsal: Addresses
    hosts: tuple[str, ...]
    test_hosts: tuple[str, ...]
    self_trade: SelfTrade
    price_kinds: frozenset[PriceKind]
    position_types: frozenset[str]
    charges_in_base: bool = False


REAL_VENUES: Final[Mapping[str, RealVenue]] = {
    # S13: the demo has the features, filters and prices of the live venue; the testnet has neither.
    "binance_spot": RealVenue(
        live=Addresses("https://api.binance.com", "wss://ws-api.binance.com:443/ws-api/v3"),
        rehearsal=Addresses(
            "https://demo-api.binance.com", "wss://demo-ws-api.binance.com/ws-api/v3"
        ),
        hosts=("binance.com", "binance.vision"),
        test_hosts=(
            *("demo-api.binance.com", "demo-ws-api.binance.com", "demo-stream.binance.com"),
            "testnet.binance.vision",
        ),
        self_trade=SelfTrade.EXPIRES_RESTING,
        price_kinds=frozenset({PriceKind.LAST, PriceKind.BID, PriceKind.ASK}),
        position_types=frozenset({"spot"}),
        charges_in_base=True,
    ),
}


def facts_of(kind: str) -> RealVenue | None:
    """Return the facts of a venue outside; None for paper."""
    return REAL_VENUES.get(kind)
