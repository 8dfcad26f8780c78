"""Facts of venues outside that `check` knows before any adapter is imported.

They are what the adapters claim; `tests/unit/test_real_venues.py` compares both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tradebotd.domain.quote import PriceKind
from tradebotd.domain.self_trade import SelfTrade

# Places of a vendor: nothing of one is known at another.
LIVE: Final = "live"
DEMO: Final = "demo"
TESTNET: Final = "testnet"
PAPER: Final = "paper"


@dataclass(frozen=True, slots=True)
class Addresses:
    """*wallet_url*: where a live key's permissions are asked for, if not at the first one."""

    base_url: str
    ws_url: str
    wallet_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealVenue:
    """*hosts* of the vendor, of which those of *test_places*, by name, move no real money.

    *ws_urls*: of test places that are not *rehearsal*, by name.
    *rehearsal*: where a key that is not live belongs. *price_kinds*: those that its quotes tell.
    *charges_in_base*: a buy keeps its fee from what it bought, unless another asset pays it.
    *data_url*: of prices, where they have a host of their own, live and to rehearse.
    *tells_key_rights*: what an API key may do can be asked. *holds_shares*: beside what trades
    around the clock, by a name with a slash in it.
    """

    live: Addresses
    rehearsal: Addresses
    hosts: tuple[str, ...]
    test_places: Mapping[str, tuple[str, ...]]
    self_trade: SelfTrade
    price_kinds: frozenset[PriceKind]
    position_types: frozenset[str]
    charges_in_base: bool = False
    data_url: str = ""
    tells_key_rights: bool = True
    holds_shares: bool = False
    ws_urls: Mapping[str, str] = field(default_factory=dict[str, str])

    def place_of(self, host: str) -> str | None:
        """Return the name of the vendor's place that *host* is of; None: it is not the vendor's."""
        for name, hosts in self.test_places.items():
            if is_of(host, hosts):
                return name
        return LIVE if is_of(host, self.hosts) else None

    def ws_url_of(self, host: str) -> str | None:
        """Return where orders are told that are sent to *host*; None: it is not the vendor's."""
        place = self.place_of(host)
        if place is None:
            return None
        usual = self.live if place == LIVE else self.rehearsal
        return self.ws_urls.get(place, usual.ws_url)


def is_of(host: str, domains: tuple[str, ...]) -> bool:
    """Return whether *host* is one of *domains*, or in one of them."""
    return any(host == each or host.endswith(f".{each}") for each in domains)


REAL_VENUES: Final[Mapping[str, RealVenue]] = {
    # S13: the demo has the features, filters and prices of the live venue; the testnet has neither.
    "binance_spot": RealVenue(
        live=Addresses("https://api.binance.com", "wss://ws-api.binance.com:443/ws-api/v3"),
        rehearsal=Addresses(
            "https://demo-api.binance.com", "wss://demo-ws-api.binance.com/ws-api/v3"
        ),
        hosts=("binance.com", "binance.vision"),
        test_places={
            DEMO: ("demo-api.binance.com", "demo-ws-api.binance.com", "demo-stream.binance.com"),
            TESTNET: ("testnet.binance.vision",),
        },
        ws_urls={TESTNET: "wss://ws-api.testnet.binance.vision/ws-api/v3"},
        self_trade=SelfTrade.EXPIRES_RESTING,
        price_kinds=frozenset({PriceKind.LAST, PriceKind.BID, PriceKind.ASK}),
        position_types=frozenset({"spot"}),
        charges_in_base=True,
    ),
    "alpaca": RealVenue(
        live=Addresses("https://api.alpaca.markets", "wss://api.alpaca.markets/stream"),
        rehearsal=Addresses(
            "https://paper-api.alpaca.markets", "wss://paper-api.alpaca.markets/stream"
        ),
        hosts=("alpaca.markets",),
        test_places={PAPER: ("paper-api.alpaca.markets",)},
        self_trade=SelfTrade.REJECTS,
        price_kinds=frozenset({PriceKind.LAST}),
        position_types=frozenset({"spot"}),
        data_url="https://data.alpaca.markets",
        tells_key_rights=False,
        holds_shares=True,
    ),
    # F11, F15: streams are reached by their route, which the adapter adds.
    "binance_usdm": RealVenue(
        live=Addresses(
            *("https://fapi.binance.com", "wss://fstream.binance.com", "https://api.binance.com")
        ),
        rehearsal=Addresses("https://demo-fapi.binance.com", "wss://demo-fstream.binance.com"),
        hosts=("binance.com", "binancefuture.com"),
        test_places={
            DEMO: ("demo-fapi.binance.com", "demo-fstream.binance.com"),
            TESTNET: ("binancefuture.com",),
        },
        ws_urls={TESTNET: "wss://fstream.binancefuture.com"},
        self_trade=SelfTrade.EXPIRES_RESTING,
        price_kinds=frozenset(PriceKind),
        position_types=frozenset({"futures"}),
    ),
}


# Bid and ask of one exchange lack for minutes: those of all exchanges are told alone.
WITH_ALL_EXCHANGES: Final = frozenset({PriceKind.LAST, PriceKind.BID, PriceKind.ASK})


def kinds_told(kind: str, data_feed: str) -> frozenset[PriceKind]:
    """Return the kinds of price that a venue outside tells; none of paper."""
    facts = facts_of(kind)
    if facts is None:
        return frozenset()
    is_chosen = bool(facts.data_url) and data_feed == "sip"
    return WITH_ALL_EXCHANGES if is_chosen else facts.price_kinds


def facts_of(kind: str) -> RealVenue | None:
    """Return the facts of a venue outside; None for paper."""
    return REAL_VENUES.get(kind)
