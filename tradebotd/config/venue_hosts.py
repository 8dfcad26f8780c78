"""Hosts of the vendors by what is traded or told there: one market's address is no other's.

A host that is not listed here is judged by its place alone (`real_venue_facts`).
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

SPOT: Final = "spot"
SPOT_PRICES: Final = "spot prices alone"
USDM: Final = "USDT-M futures"
TRADING: Final = "trading"
PRICES: Final = "prices alone"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

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
# All that is below them is the vendor's: a key of another vendor has no business there.
_DOMAINS: Final[Mapping[str, tuple[str, ...]]] = {
    "Binance": ("binance.com", "binance.vision", "binancefuture.com"),
    "Alpaca": ("alpaca.markets",),
    "Twelve Data": ("twelvedata.com",),
}
_VENDOR_OF: Final = {
    "binance_spot": "Binance",
    "binance_usdm": "Binance",
    "binance": "Binance",
    "alpaca": "Alpaca",
    "twelvedata": "Twelve Data",
}


def host_of(url: str | None) -> str:
    """Return the host of *url* as hosts are compared; empty where it has none.

    `HOST.` is the same machine as `host`.
    """
    try:
        return (urlsplit(url or "").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def other_vendor_problem(kind: str, host: str) -> str | None:
    """Return why a key for venues or feeds of *kind* is not shown to *host*: it is another's."""
    for vendor, domains in _DOMAINS.items():
        if vendor != _VENDOR_OF[kind] and any(f".{host}".endswith(f".{each}") for each in domains):
            return f"{host} is of {vendor}, not of {_VENDOR_OF[kind]}"
    return None


def use_of(kind: str, host: str) -> str | None:
    """Return what *host* is for, at the vendor of venues of *kind*; None: it is not listed."""
    named = {name: use for use, hosts in _VENDORS[kind].items() for name in hosts}
    fits = [name for name in named if host == name or host.endswith(f".{name}")]
    return named[max(fits, key=len)] if fits else None


def trading_host_problem(kind: str, host: str) -> str | None:
    """Return why no orders of a venue of *kind* go to *host*, nor are told there."""
    if (wrong := other_vendor_problem(kind, host)) is not None:
        return wrong
    use, traded = use_of(kind, host), _TRADED[kind]
    if use is None or use == traded:
        return None
    told = f"{host} is of {use}; {kind!r} is {traded}"
    return f'{told}: say kind = "{_KINDS[use]}", or take its address' if use in _KINDS else told


def price_host_problem(kind: str, host: str) -> str | None:
    """Return why a venue of *kind*, of prices with hosts of their own, is told none at *host*."""
    if (wrong := other_vendor_problem(kind, host)) is not None:
        return wrong
    use = use_of(kind, host)
    return None if use in {None, PRICES} else f"{host} is of {use}, and tells no prices"


def stream_host_problem(host: str, *, futures: bool) -> str | None:
    """Return why a feed of Binance is told nothing of its market at *host*."""
    if (wrong := other_vendor_problem("binance", host)) is not None:
        return wrong
    use = use_of("binance_spot", host)
    wanted = {USDM} if futures else {SPOT, SPOT_PRICES}
    if use is None or use in wanted:
        return None
    return f'{host} is of {use}; this feed\'s market is "{"usdm" if futures else "spot"}"'


def url_problems(
    path: str,
    told: str | None,
    secure: str,
    plain: str,
    *,
    harm: str = "prices could be changed on their way",
) -> Iterator[str]:
    """Yield what is wrong with *told*: of no such scheme, or not *secure*: then *harm*."""
    if told is None:
        return
    try:
        scheme, host = urlsplit(told).scheme, host_of(told)
    except ValueError:
        scheme, host = "", ""
    if not host or scheme not in {secure, plain}:
        yield f'{path}: write "{secure}://HOST"'
    elif scheme == plain and host not in _LOOPBACK:
        yield f"{path}: without {secure} {harm}; write {secure}://"
