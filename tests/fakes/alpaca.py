"""The feed of Alpaca before its simulator, on one clock: the test's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from tests.fakes.market_data import MINUTE
from tests.fakes.twelvedata import FollowedClock, FollowedHost
from tests.simulators.alpaca.exchange import Exchange
from tests.simulators.alpaca.market import Bar, flat_bars
from tests.simulators.alpaca.simulator import Simulator
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.server import Server, served
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.alpaca.client import Client, Keys
from tradebotd.feeds.alpaca.facts import Adjustment, DataFeed
from tradebotd.feeds.alpaca.feed import AlpacaFeed
from tradebotd.feeds.alpaca.streams import DataStreams, stream_opener
from tradebotd.net.gate import Gates
from tradebotd.net.websocket import StreamLimits
from tradebotd.ports.clock import HostClock
from tradebotd.venues.alpaca.limits import Limits, gate_name
from tradebotd.venues.alpaca.paths import Host


class AlpacaStage:
    """A served simulator and feeds of it, which share one gate as a daemon's venue and feeds do."""

    def __init__(
        self, simulator: Simulator, server: Server, clock: MarketClock, host: HostClock
    ) -> None:
        self.simulator, self.server, self.clock, self.host = simulator, server, clock, host
        self.gates = Gates(host)
        self.limits = StreamLimits()
        self.most_traded: int | None = None
        self.feeds: list[AlpacaFeed] = []

    @property
    def exchange(self) -> Exchange:
        return self.simulator.exchange

    @property
    def keys(self) -> Keys:
        return Keys(self.simulator.terms.key, self.simulator.terms.secret)

    def trade(self, name: str, price: str) -> None:
        """Let two others trade."""
        self.exchange.trade(name, price)

    def bar(self, name: str, at: datetime, close: str, feed: str = "iex") -> None:
        """Tell the bar of the minute that began at *at*; told again, it is revised."""
        price = Decimal(close)
        told = "crypto" if "/" in name else feed
        bar = Bar(at=at, open=price, high=price, low=price, close=price, volume=Decimal(7))
        self.exchange.bar(name, bar, told)

    def seed(self, name: str, first: datetime, count: int, feed: str = "iex") -> None:
        """Put *count* minutes from *first* into the past, and one trade."""
        minutes = self.exchange.desk.market._minutes[name, "crypto" if "/" in name else feed]
        for bar in flat_bars(first, count, Decimal(100), Decimal("0.01")):
            minutes[bar.at] = bar
        self.trade(name, "100")

    def feed(
        self,
        name: FeedName,
        *,
        data_feed: DataFeed = "iex",
        adjustment: Adjustment = "raw",
        keys: Keys | None = None,
        most: int | None = None,
    ) -> AlpacaFeed:
        keys = keys or self.keys
        gate = self.gates.gate(gate_name(self.server.http, keys.key_id))
        client = Client(
            name,
            self.server.http,
            keys,
            limits=Limits(gate, self.host, Host.DATA.value, keys.key_id, most=most),
            host=self.host,
            random=Random(1),
        )
        streams = DataStreams(
            name,
            data_feed,
            stream_opener(name, self.server.ws, keys, self.limits),
            keys,
            host=self.host,
            random=Random(1),
            most_traded=self.most_traded,
        )
        made = AlpacaFeed(
            name,
            client,
            self.clock,
            self.host,
            streams=streams,
            data_feed=data_feed,
            adjustment=adjustment,
        )
        self.feeds.append(made)
        return made


@asynccontextmanager
async def staged(
    clock: MarketClock,
    *,
    names: tuple[str, ...] = (),
    minutes: int = 360,
    since: datetime | None = None,
    host: HostClock | None = None,
    **terms: Any,
) -> AsyncIterator[AlpacaStage]:
    """*names* with so many *minutes* from *since* on; else they end with the clock's present one."""
    simulator = Simulator(Terms(**terms))
    async with served(simulator.build, clock=FollowedClock(clock)) as server:
        stage = AlpacaStage(simulator, server, clock, host or FollowedHost(clock))
        begin = since or clock.now().replace(second=0, microsecond=0) - minutes * MINUTE
        for name in names:
            stage.seed(name, begin, minutes)
        try:
            yield stage
        finally:
            for feed in stage.feeds:
                await feed.close()
