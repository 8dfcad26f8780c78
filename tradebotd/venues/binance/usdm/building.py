"""Adapter of Binance USDT-M from the settings of the file."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from pydantic import SecretStr

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.net.gate import Gates
from tradebotd.ports.clock import HostClock
from tradebotd.venues.binance.limits import address
from tradebotd.venues.binance.rest import Key
from tradebotd.venues.binance.signing import signer_of
from tradebotd.venues.binance.usdm.parts import Parts, Settings, WalletAt
from tradebotd.venues.binance.usdm.venue import RECEIVE_WINDOW, BinanceUsdmVenue, usdm_traits


class Reached(Protocol):
    """*wallet_url*: where a live key's permissions are asked for."""

    @property
    def base_url(self) -> str: ...

    @property
    def ws_url(self) -> str: ...

    @property
    def wallet_url(self) -> str: ...


class Secrets(Protocol):
    @property
    def api_key(self) -> SecretStr: ...

    @property
    def api_secret(self) -> SecretStr: ...


def build_usdm(
    name: VenueName,
    reached: Reached,
    secrets: Secrets,
    symbols: Sequence[MarketSymbol],
    *,
    host: HostClock,
    gates: Gates,
    live: bool,
    allow_unrestricted_key: bool,
    max_clock_offset: timedelta,
) -> BinanceUsdmVenue:
    """Build the adapter. Raises ConfigError for a secret that is no key."""
    api_key = secrets.api_key.get_secret_value()
    api_secret = secrets.api_secret.get_secret_value()
    wallet = WalletAt(base_url=reached.wallet_url, gate=gates.gate(address("spot", live=live)))
    settings = Settings(
        venue=name,
        base_url=reached.base_url,
        ws_url=reached.ws_url,
        key=Key(name=api_key, signer=signer_of(api_secret, f"venues.{name}.api_secret")),
        secrets=(api_key, api_secret),
        receive_window=RECEIVE_WINDOW,
        gate=gates.gate(address("usdm", live=live)),
        host=host,
        wallet=wallet if live else None,
    )
    return BinanceUsdmVenue(
        Parts(settings, symbols),
        usdm_traits(),
        allow_unrestricted_key=allow_unrestricted_key,
        max_clock_offset=max_clock_offset,
    )
