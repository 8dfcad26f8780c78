"""Parts of the adapter of Binance USDT-M, put together from its settings."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.net.allow_list import AllowList
from tradebotd.net.backoff import Backoff
from tradebotd.net.gate import Gate
from tradebotd.net.http import HttpClient
from tradebotd.net.redaction import Redactor
from tradebotd.net.websocket import Connection, connect
from tradebotd.ports.clock import HostClock
from tradebotd.venues.binance.limits import Limits
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.permissions import Permissions, permissions_of
from tradebotd.venues.binance.rest import Key, RestInterface
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.usdm import paths
from tradebotd.venues.binance.usdm.account import Accounts
from tradebotd.venues.binance.usdm.expectations import Expectations
from tradebotd.venues.binance.usdm.incomes import Incomes
from tradebotd.venues.binance.usdm.lookups import Lookups
from tradebotd.venues.binance.usdm.market_data import MarketData
from tradebotd.venues.binance.usdm.order_names import OrderNames
from tradebotd.venues.binance.usdm.orders import OrderReader
from tradebotd.venues.binance.usdm.trades import Trades
from tradebotd.venues.binance.usdm.trading import Trading
from tradebotd.venues.binance.usdm.user_stream import ROUTE, UserStream

# Until exchangeInfo has told what is in force.
USUAL_LIMITS: Final = {"REQUEST_WEIGHT_1M": 2_400, "ORDERS_10S": 300, "ORDERS_1M": 1_200}
USUAL_LIMITS_OF_WALLET: Final = {"REQUEST_WEIGHT_1M": 6_000}
# Beginnings of the texts with which an answer of 503 says that nothing was executed. Any other one
# ("Unknown error, please check your request or try again later.") may have been a success.
FAILED: Final = ("Service Unavailable", "Internal error; unable to process your request")


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletAt:
    """Where the wallet is asked what the key may do: the spot host, which has a gate of its own."""

    base_url: str
    gate: Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """*gate*: of the address, shared with whatever else in the process asks it.

    *wallet*: live alone.
    """

    venue: VenueName
    base_url: str
    ws_url: str
    key: Key
    secrets: tuple[str, ...]
    receive_window: timedelta
    gate: Gate
    host: HostClock
    wallet: WalletAt | None = None


class Parts:
    def __init__(self, settings: Settings, symbols: Iterable[MarketSymbol]) -> None:
        self.venue, self._settings = settings.venue, settings
        markets, names = Markets(settings.venue, symbols), OrderNames()
        self._host, self._time = settings.host, ServerTime(settings.host)
        self.limits = Limits(
            settings.gate, settings.host, settings.venue, USUAL_LIMITS, success_is_free=False
        )
        self._redact = Redactor(settings.secrets)
        self._clients = [self._client(settings.base_url, paths.ALLOWED) for _ in range(2)]
        self.interface = RestInterface(
            venue=settings.venue,
            asks=self._clients[0],
            acts=self._clients[1],
            key=settings.key,
            limits=self.limits,
            time=self._time,
            time_call=paths.TIME,
            host=settings.host,
            receive_window=settings.receive_window,
            secrets=settings.secrets,
            failed=FAILED,
        )
        self._wallet = None if settings.wallet is None else self._wallet_at(settings.wallet)
        reader = OrderReader(settings.venue, markets, names)
        expectations = Expectations(settings.host)
        self.trades = Trades(self.interface, reader, markets, self._time, names)
        self.lookups = Lookups(
            self.interface, reader, markets, self._time, names, trades=self.trades
        )
        self.trading = Trading(
            self.interface,
            reader,
            markets,
            names,
            lookups=self.lookups,
            expectations=expectations,
        )
        self.accounts = Accounts(self.interface, markets)
        self.market_data = MarketData(self.interface, markets, self.limits)
        self.incomes = Incomes(settings.venue, self.interface, markets, self._time)
        self.stream = UserStream(
            venue=settings.venue,
            open_stream=self._open_stream,
            interface=self.interface,
            limits=self.limits,
            time=self._time,
            reader=reader,
            names=names,
            expectations=expectations,
            host=settings.host,
            backoff=Backoff(Random()),  # noqa: S311 - it spreads attempts, and hides nothing
            secrets=settings.secrets,
        )

    def _client(self, base_url: str, allowed: frozenset[tuple[str, str]]) -> HttpClient:
        return HttpClient(self.venue, base_url, AllowList(allowed), redact=self._redact)

    def _wallet_at(self, wallet: WalletAt) -> RestInterface:
        settings, client = self._settings, self._client(wallet.base_url, paths.OF_WALLET)
        self._clients.append(client)
        return RestInterface(
            venue=settings.venue,
            asks=client,
            acts=client,
            key=settings.key,
            limits=Limits(wallet.gate, settings.host, settings.venue, USUAL_LIMITS_OF_WALLET),
            time=ServerTime(settings.host),
            time_call=paths.WALLET_TIME,
            host=settings.host,
            receive_window=settings.receive_window,
            secrets=settings.secrets,
        )

    def _open_stream(self, key: str) -> AbstractAsyncContextManager[Connection]:
        """F11: open the private stream of a listen key, which no error or log shows."""
        url = f"{self._settings.ws_url.rstrip('/')}{ROUTE}{key}"
        return connect(self.venue, url, redact=Redactor((*self._settings.secrets, key)))

    async def permissions(self) -> Permissions | None:
        """Ask what the key may do; None: there is no wallet to ask."""
        if self._wallet is None:
            return None
        return permissions_of(await self._wallet.ask(paths.PERMISSIONS), trades="enableFutures")

    async def server_time(self) -> datetime:
        return (await self.interface.ask_time()).instant("serverTime")

    async def clock_problem(self, most: timedelta) -> str | None:
        """Return how far this machine's clock is off, where that is more than *most* for certain.

        The venue has read its own between the question and the answer.
        """
        asked = self._host.now()
        told, answered = await self.server_time(), self._host.now()
        before, behind = told - asked, told - answered
        if behind <= most and before >= -most:
            return None
        ahead, seconds = behind > most, abs((before + behind).total_seconds()) / 2
        way = "behind" if ahead else "ahead of"
        return f"this machine's clock is {seconds:.1f} s {way} the venue's; have it set by NTP"

    async def close(self) -> None:
        for each in self._clients:
            await each.close()
