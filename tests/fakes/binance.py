"""The feed of Binance before its simulators, spot and USDT-M, on one clock: the test's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from random import Random

from aiohttp import web

from tests.fakes.twelvedata import FollowedClock, FollowedHost
from tests.simulators.binance.spot.candles import Candle
from tests.simulators.binance.spot.simulator import SpotSimulator
from tests.simulators.binance.spot.symbols import Symbol, usual_filters
from tests.simulators.binance.usdm.app import application
from tests.simulators.binance.usdm.instruments import Instrument
from tests.simulators.binance.usdm.market import SymbolMarket
from tests.simulators.binance.usdm.simulator import Simulator
from tests.simulators.shared.answers import Scene
from tests.simulators.shared.clock import to_ms
from tests.simulators.shared.server import Server, served
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import FeedName
from tradebotd.feeds.binance.client import Client
from tradebotd.feeds.binance.facts import INTERFACES, MOST_STREAMS, MarketName
from tradebotd.feeds.binance.feed import BinanceFeed
from tradebotd.feeds.binance.public_market import BinancePublicMarket
from tradebotd.feeds.binance.streams import MarketStreams, stream_opener
from tradebotd.net.gate import Gate
from tradebotd.net.websocket import StreamLimits
from tradebotd.ports.clock import HostClock

SPANS = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1_440}  # minutes


class BinanceStage:
    """A served simulator and feeds of it, which share one gate as those of a daemon do."""

    def __init__(
        self, market: MarketName, server: Server, clock: MarketClock, host: HostClock
    ) -> None:
        self.market, self.server, self.clock, self.host = market, server, clock, host
        self.gate = Gate(server.http, host)
        self.most_streams = MOST_STREAMS
        self.limits = StreamLimits()
        self.feeds: list[BinanceFeed] = []
        self.markets: list[BinancePublicMarket] = []
        self.spot: SpotSimulator | None = None
        self.usdm: Simulator | None = None

    def trade(self, symbol: str, price: str, quantity: str = "0.5") -> None:
        """Let two others trade."""
        if self.usdm is not None:
            self.usdm.venue.market.set_price(symbol, Decimal(price), Decimal(quantity))
        elif self.spot is not None:
            self.spot.venue.print_trade(symbol, price, quantity)

    def _client(self, name: str) -> Client:
        return Client(
            FeedName(name),
            INTERFACES[self.market],
            self.server.http,
            gate=self.gate,
            host=self.host,
            random=Random(1),
        )

    def public(self, name: str = "bn") -> BinancePublicMarket:
        self.markets.append(BinancePublicMarket(name, self._client(name)))
        return self.markets[-1]

    def feed(self, name: FeedName) -> BinanceFeed:
        client = self._client(name)
        streams = MarketStreams(
            name,
            self.market,
            stream_opener(name, self.server.ws, self.limits),
            time=client.time,
            learn_time=client.learn_time,
            host=self.host,
            random=Random(1),
            most_streams=self.most_streams,
        )
        self.feeds.append(BinanceFeed(name, client, self.clock, self.host, streams=streams))
        return self.feeds[-1]


def seed(spot: SpotSimulator, symbol: str, until: datetime, days: int) -> None:
    """Put candles of every timeframe into the past, and one price."""
    for interval, span in SPANS.items():
        length = span * 60_000
        end = to_ms(until) // length * length
        opens = range(end - days * 86_400_000 // length * length, end, length)
        spot.venue.candles[symbol].seed(interval, [_seeded(at) for at in opens])
    spot.venue.quote(symbol, [("99.99", "10")], [("100.01", "10")])


def _seeded(opened_ms: int) -> Candle:
    price = Decimal(100) + Decimal(opened_ms // 60_000 % 10) / 10
    return Candle(opened_ms, price, price + 1, price - 1, price, Decimal(3))


def usdm_simulator(scene: Scene, symbols: tuple[str, ...]) -> Simulator:
    """A simulator that has *symbols*, too."""
    made = Simulator(scene)
    market = made.venue.market
    for symbol in symbols:
        if symbol in market.symbols:
            continue
        one = Instrument(symbol, symbol[:3], Decimal("0.01"), Decimal("0.001"), Decimal(100))
        made.venue.instruments[symbol] = one
        market.symbols[symbol] = SymbolMarket(one, one.price, one.price)
        made.state.candles._base[symbol] = one.price
    return made


@asynccontextmanager
async def staged(
    market: MarketName,
    clock: MarketClock,
    *,
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"),
    days: int = 3,
    host: HostClock | None = None,
) -> AsyncIterator[BinanceStage]:
    """*days*: of candles behind the clock's present time."""
    followed = FollowedClock(clock)
    host = host or FollowedHost(clock)
    filters = usual_filters("0.01", "0.001")
    spot = SpotSimulator([Symbol(each, each[:3], "USDT", filters) for each in symbols])
    usdm: list[Simulator] = []

    def build(scene: Scene) -> web.Application:
        if market == "spot":
            return spot.build(scene)
        usdm.append(usdm_simulator(scene, symbols))
        return application(usdm[0])

    async with served(build, clock=followed) as server:
        if market == "spot":
            for each in symbols:
                seed(spot, each, clock.now(), days)
        stage = BinanceStage(market, server, clock, host)
        stage.spot, stage.usdm = spot, usdm[0] if usdm else None
        try:
            yield stage
        finally:
            for feed in stage.feeds:
                await feed.close()
            for public in stage.markets:
                await public.close()
