"""Adapter of Alpaca from the settings of the file."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from pydantic import SecretStr

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.net.gate import Gates
from tradebotd.ports.clock import HostClock
from tradebotd.venues.alpaca.limits import gate_name
from tradebotd.venues.alpaca.parts import Parts, Settings
from tradebotd.venues.alpaca.paths import Host
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
    key_id = secrets.api_key.get_secret_value()
    known = Symbols(name, symbols)
    traits = traits_of(crypto=known.have_crypto, stocks=known.have_stocks or not symbols, feed=feed)
    settings = Settings(
        venue=name,
        base_url=reached.base_url,
        data_url=reached.data_url,
        ws_url=reached.ws_url,
        key_id=key_id,
        secret=secrets.api_secret.get_secret_value(),
        feed=feed,
        price_kinds=traits.price_kinds,
        gates={
            Host.TRADING: gates.gate(gate_name(reached.base_url, key_id)),
            Host.DATA: gates.gate(gate_name(reached.data_url, key_id)),
        },
        host=host,
    )
    return AlpacaVenue(
        Parts(settings, symbols),
        traits,
        live=live,
        key_id=key_id,
        max_clock_offset=max_clock_offset,
    )
