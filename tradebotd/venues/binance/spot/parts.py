"""Parts of the adapter of Binance spot, put together from its settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.net.allow_list import AllowList
from tradebotd.net.backoff import Backoff
from tradebotd.net.gate import Gate
from tradebotd.net.http import HttpClient
from tradebotd.net.redaction import Redactor
from tradebotd.net.websocket import connect
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import VenueAccount
from tradebotd.venues.binance.limits import Limits
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.rest import Key, RestInterface
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.spot import answers, paths
from tradebotd.venues.binance.spot.lookups import Lookups
from tradebotd.venues.binance.spot.market_data import MarketData
from tradebotd.venues.binance.spot.order_names import OrderNames
from tradebotd.venues.binance.spot.orders import OrderReader
from tradebotd.venues.binance.spot.trades import Trades
from tradebotd.venues.binance.spot.trading import Trading
from tradebotd.venues.binance.spot.user_stream import UserStream
from tradebotd.venues.binance.spot.wallet import Wallet

# S2: until exchangeInfo has told what is in force.
USUAL_LIMITS: Final = {
    "REQUEST_WEIGHT_1M": 6_000,
    "RAW_REQUESTS_5M": 300_000,
    "ORDERS_10S": 50,
    "ORDERS_1D": 160_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """*gate*: of the address, shared with whatever else in the process asks it."""

    venue: VenueName
    base_url: str
    ws_url: str
    key: Key
    secrets: tuple[str, ...]
    receive_window: timedelta
    gate: Gate
    host: HostClock


class Parts:
    def __init__(self, settings: Settings, symbols: Iterable[MarketSymbol]) -> None:
        self.venue = settings.venue
        markets = Markets(settings.venue, symbols)
        names = OrderNames()
        self._host, self._time = settings.host, ServerTime(settings.host)
        self.limits = Limits(settings.gate, settings.host, settings.venue, USUAL_LIMITS)
        self._redact = Redactor(settings.secrets)
        self._clients = [self._client(settings) for _ in range(2)]
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
        )
        reader = OrderReader(settings.venue, markets.symbol, markets.quote_asset)
        self.trading = Trading(self.interface, reader, markets, names)
        trades = Trades(self.interface, reader, markets, self._time, names, limits=self.limits)
        self.lookups = Lookups(self.interface, reader, markets, self._time, names, trades=trades)
        self.market_data = MarketData(self.interface, markets, self.limits, settings.host)
        self.wallet = Wallet(settings.venue, self.interface, self._time)
        self.stream = UserStream(
            venue=settings.venue,
            open_stream=partial(connect, settings.venue, settings.ws_url, redact=self._redact),
            key=settings.key,
            interface=self.interface,
            limits=self.limits,
            time=self._time,
            reader=reader,
            names=names,
            host=settings.host,
            backoff=Backoff(Random()),  # noqa: S311 - it spreads attempts, and hides nothing
            receive_window=settings.receive_window,
            secrets=settings.secrets,
        )

    def _client(self, settings: Settings) -> HttpClient:
        return HttpClient(
            settings.venue, settings.base_url, AllowList(paths.ALLOWED), redact=self._redact
        )

    async def account(self) -> VenueAccount:
        told = await self.interface.ask(paths.ACCOUNT, {"omitZeroBalances": "true"})
        return answers.account_of(told)

    async def server_time(self) -> datetime:
        return answers.server_time(await self.interface.ask_time())

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
