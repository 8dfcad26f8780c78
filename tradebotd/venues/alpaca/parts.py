"""Parts of the adapter of Alpaca, put together from its settings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.net.allow_list import AllowList
from tradebotd.net.answers import Value
from tradebotd.net.backoff import Backoff
from tradebotd.net.gate import Gate
from tradebotd.net.http import HttpClient
from tradebotd.net.limited import LimitedClient
from tradebotd.net.redaction import Redactor
from tradebotd.net.websocket import connect
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import VenueAccount, VenueClock
from tradebotd.venues.alpaca import paths
from tradebotd.venues.alpaca.answers import account_of, clock_of
from tradebotd.venues.alpaca.limits import Limits
from tradebotd.venues.alpaca.lookups import Lookups
from tradebotd.venues.alpaca.market_data import MarketData
from tradebotd.venues.alpaca.names import OrderNames
from tradebotd.venues.alpaca.order_stream import OrderStream
from tradebotd.venues.alpaca.orders import OrderReader
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.rest import KEY_ID, SECRET, Lines, Rest
from tradebotd.venues.alpaca.symbols import Symbols
from tradebotd.venues.alpaca.trading import Trading


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """*gates*: of the two addresses, shared with whatever else in the process asks them."""

    venue: VenueName
    base_url: str
    data_url: str
    ws_url: str
    key_id: str
    secret: str
    feed: str
    price_kinds: frozenset[PriceKind]
    gates: dict[Host, Gate]
    host: HostClock


class Parts:
    def __init__(self, settings: Settings, symbols: Iterable[MarketSymbol]) -> None:
        self.venue = settings.venue
        self.symbols = Symbols(settings.venue, symbols)
        self._host = settings.host
        self._redact = Redactor((settings.key_id, settings.secret))
        self._clients: list[HttpClient] = []
        self.limits = {
            each: Limits(settings.gates[each], settings.host, each.value, settings.key_id)
            for each in Host
        }
        lines = {each: self._lines(settings, each) for each in Host}
        self.rest = Rest(settings.venue, lines, self._redact)
        names = self.names = OrderNames()
        reader = OrderReader(settings.venue, self.symbols, names.size)
        self.lookups = Lookups(self.rest, reader, self.symbols, names, settings.host)
        self.stream = OrderStream(
            venue=settings.venue,
            open_stream=partial(connect, settings.venue, settings.ws_url, redact=self._redact),
            key_id=settings.key_id,
            secret=settings.secret,
            reader=reader,
            names=names,
            lookups=self.lookups,
            host=settings.host,
            backoff=Backoff(Random()),  # noqa: S311 - it spreads attempts, and hides nothing
            redact=self._redact,
        )
        self.trading = Trading(
            self.rest, reader, self.symbols, names, self.lookups, self.stream.expect
        )
        self.market_data = MarketData(self.rest, self.symbols, settings.feed, settings.price_kinds)

    def _lines(self, settings: Settings, host: Host) -> Lines:
        limits = self.limits[host]
        url = settings.base_url if host is Host.TRADING else settings.data_url
        keys = {KEY_ID: settings.key_id, SECRET: settings.secret}
        clients = [
            HttpClient(
                settings.venue,
                url,
                AllowList(paths.allowed(host)),
                headers=keys,
                redact=self._redact,
            )
            for _ in range(2)
        ]
        self._clients += clients
        asks, acts = (LimitedClient(each, limits.gate, limits.take_note) for each in clients)
        return Lines(asks, acts, limits)

    async def account(self) -> VenueAccount:
        account = await self.rest.ask(paths.ACCOUNT)
        return account_of(account, await self.rest.ask(paths.POSITIONS), self.symbols)

    async def account_state(self) -> Value:
        return await self.rest.ask(paths.ACCOUNT)

    async def clock(self) -> VenueClock:
        told = await self.rest.ask(paths.CLOCK)
        return clock_of(told, sessions=self.symbols.have_stocks)

    async def clock_problem(self, most: timedelta) -> str | None:
        """Return how far this machine's clock is off, where that is more than *most* for certain.

        The venue has read its own between the question and the answer.
        """
        asked = self._host.now()
        told, answered = (await self.clock()).time, self._host.now()
        before, behind = told - asked, told - answered
        if behind <= most and before >= -most:
            return None
        ahead, seconds = behind > most, abs((before + behind).total_seconds()) / 2
        way = "behind" if ahead else "ahead of"
        return f"this machine's clock is {seconds:.1f} s {way} the venue's; have it set by NTP"

    async def close(self) -> None:
        for each in self._clients:
            await each.close()
