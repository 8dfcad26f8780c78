"""Hosts of the vendors by what is traded or told there: one market's address is no other's.

A host that is not listed here is judged by its place alone (`real_venue_facts`).
"""

from collections.abc import Mapping
from typing import Final

SPOT: Final = "spot"
SPOT_PRICES: Final = "spot prices alone"
USDM: Final = "USDT-M futures"
TRADING: Final = "trading"
PRICES: Final = "prices alone"

_BINANCE: Final[Mapping[str, tuple[str, ...]]] = {
    SPOT: (
        *("api.binance.com", "api-gcp.binance.com", "ws-api.binance.com"),
        *(f"api{number}.binance.com" for number in range(1, 5)),
        *("demo-api.binance.com", "demo-ws-api.binance.com", "testnet.binance.vision"),
    ),
    SPOT_PRICES: (
        *("data-api.binance.vision", "data-stream.binance.vision", "stream.binance.com"),
        *("demo-stream.binance.com", "stream.testnet.binance.vision"),
    ),
    USDM: (
        *("fapi.binance.com", "fstream.binance.com", "ws-fapi.binance.com"),
        *("demo-fapi.binance.com", "demo-fstream.binance.com"),
        *("testnet.binancefuture.com", "fstream.binancefuture.com", "stream.binancefuture.com"),
    ),
    "COIN-M futures": (
        *("dapi.binance.com", "dstream.binance.com", "ws-dapi.binance.com"),
        *("demo-dapi.binance.com", "demo-dstream.binance.com", "dstream.binancefuture.com"),
    ),
    "options": ("eapi.binance.com", "nbstream.binance.com"),
    "portfolio margin": ("papi.binance.com",),
}
_ALPACA: Final[Mapping[str, tuple[str, ...]]] = {
    TRADING: ("api.alpaca.markets", "paper-api.alpaca.markets"),
    PRICES: ("data.alpaca.markets", "stream.data.alpaca.markets"),
    # Its data are of its sandbox, too: neither paper's nor live.
    "the Broker API, with keys of its own": ("broker-api.alpaca.markets", "sandbox.alpaca.markets"),
}
_VENDORS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "binance_spot": _BINANCE,
    "binance_usdm": _BINANCE,
    "alpaca": _ALPACA,
}
_TRADED: Final = {"binance_spot": SPOT, "binance_usdm": USDM, "alpaca": TRADING}
_KINDS: Final = {SPOT: "binance_spot", USDM: "binance_usdm"}


def use_of(kind: str, host: str) -> str | None:
    """Return what *host* is for, at the vendor of venues of *kind*; None: it is not listed."""
    named = {name: use for use, hosts in _VENDORS[kind].items() for name in hosts}
    fits = [name for name in named if host == name or host.endswith(f".{name}")]
    return named[max(fits, key=len)] if fits else None


def trading_host_problem(kind: str, host: str) -> str | None:
    """Return why no orders of a venue of *kind* go to *host*, nor are told there."""
    use, traded = use_of(kind, host), _TRADED[kind]
    if use is None or use == traded:
        return None
    told = f"{host} is of {use}; {kind!r} is {traded}"
    return f'{told}: say kind = "{_KINDS[use]}", or take its address' if use in _KINDS else told


def price_host_problem(kind: str, host: str) -> str | None:
    """Return why a venue of *kind*, of prices with hosts of their own, is told none at *host*."""
    use = use_of(kind, host)
    return None if use in {None, PRICES} else f"{host} is of {use}, and tells no prices"


def stream_host_problem(host: str, *, futures: bool) -> str | None:
    """Return why a feed of Binance is told nothing of its market at *host*."""
    use = use_of("binance_spot", host)
    wanted = {USDM} if futures else {SPOT, SPOT_PRICES}
    if use is None or use in wanted:
        return None
    return f'{host} is of {use}; this feed\'s market is "{"usdm" if futures else "spot"}"'
