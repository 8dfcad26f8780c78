"""Adapter of Alpaca from the settings of the file."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from pydantic import SecretStr

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.net.gate import Gates
from tradebotd.ports.clock import HostClock
from tradebotd.venues.alpaca.limits import gate_name
from tradebotd.venues.alpaca.parts import Parts, Settings
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.screening import AlpacaScreening
from tradebotd.venues.alpaca.symbols import Symbols
from tradebotd.venues.alpaca.venue import AlpacaVenue, traits_of


class Reached(Protocol):
    @property
    def base_url(self) -> str: ...

    @property
    def ws_url(self) -> str: ...

    @property
    def data_url(self) -> str: ...


class Secrets(Protocol):
    @property
    def api_key(self) -> SecretStr: ...

    @property
    def api_secret(self) -> SecretStr: ...


def build_alpaca(
    name: VenueName,
    reached: Reached,
    secrets: Secrets,
    symbols: Sequence[MarketSymbol],
    *,
    host: HostClock,
    gates: Gates,
    live: bool,
    feed: str,
    max_clock_offset: timedelta,
) -> AlpacaVenue:
    """Build the adapter. *feed*: of the prices of stocks, `iex` or `sip`."""
    known = Symbols(name, symbols)
    traits = traits_of(crypto=known.have_crypto, stocks=known.have_stocks or not symbols, feed=feed)
    settings = _settings(
        name, reached, secrets, host=host, gates=gates, feed=feed, kinds=traits.price_kinds
    )
    return AlpacaVenue(
        Parts(settings, symbols),
        traits,
        live=live,
        key_id=settings.key_id,
        max_clock_offset=max_clock_offset,
    )


def build_screening(
    name: VenueName,
    reached: Reached,
    secrets: Secrets,
    exchanges: Sequence[str],
    *,
    host: HostClock,
    gates: Gates,
    feed: str,
) -> AlpacaScreening:
    """Build what screens the shares of *exchanges*; it shares the limits of the adapter's key."""
    settings = _settings(
        name, reached, secrets, host=host, gates=gates, feed=feed, kinds=frozenset()
    )
    return AlpacaScreening(Parts(settings, ()), exchanges, feed, host)


def _settings(
    name: VenueName,
    reached: Reached,
    secrets: Secrets,
    *,
    host: HostClock,
    gates: Gates,
    feed: str,
    kinds: frozenset[PriceKind],
) -> Settings:
    key_id = secrets.api_key.get_secret_value()
    return Settings(
        venue=name,
        base_url=reached.base_url,
        data_url=reached.data_url,
        ws_url=reached.ws_url,
        key_id=key_id,
        secret=secrets.api_secret.get_secret_value(),
        feed=feed,
        price_kinds=kinds,
        gates={
            Host.TRADING: gates.gate(gate_name(reached.base_url, key_id)),
            Host.DATA: gates.gate(gate_name(reached.data_url, key_id)),
        },
        host=host,
    )
