"""Streams of Binance before their simulators: what is told, what goes wrong, and who notices."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from tests.fakes.binance import BinanceStage, staged
from tests.fakes.market_data import market_symbol, standing_clock
from tests.fakes.stepped_host import SteppedHost, until
from tests.simulators.shared.faults import Fault, Kind
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.facts import MarketName
from tradebotd.feeds.binance.feed import BinanceFeed
from tradebotd.net.silence import ALARM_SECONDS
from tradebotd.net.websocket import StreamLimits
from tradebotd.ports.feed import StreamNews

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
NAME = FeedName("bn")
MARKETS: list[MarketName] = ["spot", "usdm"]
IMPATIENT = StreamLimits(ping_every=0.1, ping_within=0.2)


def named(symbol: str, there: str) -> MarketSymbol:
    return replace(market_symbol(symbol, feeds=(NAME,)), names={NAME: there})


BTC, ETH = named("BTC", "BTCUSDT"), named("ETH", "ETHUSDT")


@dataclass
class Followed:
    """A feed that streams, and what it has told."""

    stage: BinanceStage
    feed: BinanceFeed
    host: SteppedHost
    clock: MarketClock
    prices: list[tuple[str, Decimal]] = field(default_factory=list)
    candles: list[str] = field(default_factory=list)
    logs: Sequence[Any] = ()

    def trade(self, name: str, price: str) -> None:
        self.stage.trade(name, price)

    async def told(self, symbol: str, price: str) -> None:
        await until(lambda: (symbol, Decimal(price)) in self.prices)

    def said(self, event: str) -> list[Any]:
        return [each for each in self.logs if each["event"] == event]

    @property
    def opened(self) -> int:
        return self.stage.server.streams.opened

    async def connected(self, times: int = 1) -> None:
        await until(lambda: len(self.said("price stream connected")) >= times)


@asynccontextmanager
async def followed(
    market: MarketName,
    *symbols: MarketSymbol,
    most_streams: int | None = None,
    limits: StreamLimits | None = None,
    faults: Sequence[Fault] = (),
) -> AsyncIterator[Followed]:
    clock = standing_clock(NOW)
    host = SteppedHost(clock)
    async with staged(market, clock, host=host) as stage:
        stage.most_streams = most_streams or stage.most_streams
        stage.limits = limits or stage.limits
        stage.server.faults.set(*faults)
        await stage.server.met()
        with capture_logs() as logs:
            made = Followed(stage, stage.feed(NAME), host, clock, logs=logs)
            news = StreamNews(
                lambda symbol, price, _: made.prices.append((symbol, price)), made.candles.extend
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(made.feed.stream, symbols or (BTC, ETH), news)
                yield made
                tasks.cancel_scope.cancel()


@pytest.mark.parametrize("market", MARKETS)
async def test_trades_are_told_by_our_symbols(market: MarketName) -> None:
    """M3.10: what was missed before the first connection is fetched, too."""
    async with followed(market) as stream:
        await stream.connected()
        assert sorted(stream.candles) == ["BTC", "ETH"]
        assert not stream.feed.tells(BTC)
        stream.trade("BTCUSDT", "60001.5")
        stream.trade("ETHUSDT", "3000.25")
        await stream.told("BTC", "60001.5")
        await stream.told("ETH", "3000.25")
        assert stream.feed.tells(BTC)


@pytest.mark.parametrize("market", MARKETS)
async def test_a_minute_that_closed_is_fetched_without_a_request(market: MarketName) -> None:
    """M3.6, M3.10."""
    async with followed(market, BTC) as stream:
        await stream.connected()
        stream.trade("BTCUSDT", "60001.5")
        await stream.told("BTC", "60001.5")
        asked = stream.stage.server.scene.requests.copy()
        stream.candles.clear()
        await stream.host.advance(20)
        stream.trade("BTCUSDT", "60001.5")
        await stream.host.advance(11)
        await until(lambda: stream.candles)
        begin = NOW.replace(second=0)
        found = await stream.feed.fetch(BTC, Timeframe.M1, begin, stream.clock.now())

        assert [each.ts for each in found.candles] == [begin]
        assert found.candles[0].close == 60001.5
        told = stream.stage.server.scene.requests - asked
        assert not [path for _, path in told if "klines" in path]


@pytest.mark.parametrize("market", MARKETS)
async def test_a_mute_stream_is_noticed_within_thirty_seconds_and_opened_anew(
    market: MarketName,
) -> None:
    """M3.10: pings are answered, and nothing is told."""
    async with followed(market, BTC) as stream:
        await stream.connected()
        for number in range(5):
            stream.trade("BTCUSDT", f"6000{number}")
            await stream.told("BTC", f"6000{number}")
            await stream.host.advance(1)
        stream.stage.server.faults.set(Fault(kind=Kind.MUTE))
        await stream.stage.server.met()
        await stream.host.advance(11)
        assert not stream.feed.tells(BTC)  # polled by now
        await stream.host.advance(ALARM_SECONDS - 11)

        assert {each["stream"] for each in stream.said("price stream silent")} >= {
            "btcusdt@aggTrade"
        }
        await stream.host.advance(2)
        await stream.connected(times=2)
        assert stream.candles.count("BTC") >= 2  # filled up behind each connection
        stream.trade("BTCUSDT", "60042")
        await stream.told("BTC", "60042")


@pytest.mark.parametrize("market", MARKETS)
async def test_one_mute_stream_of_many_is_found_by_what_is_polled(market: MarketName) -> None:
    """M3.10: the others go on meanwhile; a quiet market alone is no reason."""
    async with followed(market) as stream:
        await stream.connected()
        stream.trade("ETHUSDT", "3000.01")
        await stream.told("ETH", "3000.01")
        await stream.host.advance(11)
        for _ in range(3):
            await stream.feed.quotes([BTC, ETH])  # quiet: nothing has moved
            await stream.host.advance(5)
        assert stream.opened == 1

        stream.stage.server.faults.set(Fault(kind=Kind.MUTE, channel="btcusdt@aggTrade"))
        await stream.stage.server.met()
        for number in range(2):
            stream.trade("BTCUSDT", f"6100{number}")
            await stream.feed.quotes([BTC, ETH])
            await stream.host.advance(5)
        await stream.host.advance(2)
        await stream.connected(times=2)
        assert any("mute" in each["reason"] for each in stream.said("price stream lost"))


@pytest.mark.parametrize("market", MARKETS)
async def test_a_connection_that_ends_is_opened_again_and_filled_up(market: MarketName) -> None:
    """M3.10: back-fill after a reconnect."""
    async with followed(market, BTC) as stream:
        await stream.connected()
        stream.candles.clear()
        stream.stage.server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
        await stream.stage.server.met()
        await until(lambda: stream.said("price stream lost"))
        assert not stream.feed.tells(BTC)
        await stream.host.advance(2)
        await stream.connected(times=2)
        assert stream.candles == ["BTC"]
        stream.trade("BTCUSDT", "60007")
        await stream.told("BTC", "60007")


@pytest.mark.parametrize("market", MARKETS)
async def test_a_half_open_connection_is_lost_by_its_pings(market: MarketName) -> None:
    """M3.10."""
    async with followed(market, BTC, limits=IMPATIENT) as stream:
        await stream.connected()
        stream.stage.server.faults.set(Fault(kind=Kind.HALF_OPEN))
        await stream.stage.server.met()
        await until(lambda: stream.said("price stream lost"))
        assert "ping unanswered" in stream.said("price stream lost")[0]["reason"]
        await stream.host.advance(2)
        await stream.connected(times=2)


@pytest.mark.parametrize("market", MARKETS)
async def test_prices_that_a_stall_held_back_are_not_prices_of_now(market: MarketName) -> None:
    """M3.10: a price older than its limit is never acted on."""
    async with followed(market, BTC) as stream:
        await stream.connected()
        stall = Fault(kind=Kind.STALL)
        stream.stage.server.faults.set(stall)
        await stream.stage.server.met()
        stream.trade("BTCUSDT", "50000")
        await stream.host.advance(8)
        stream.trade("BTCUSDT", "60009")
        stream.stage.server.faults.clear()
        await stream.stage.server.met()
        await stream.told("BTC", "60009")

        assert ("BTC", Decimal(50000)) not in stream.prices
        assert stream.said("price stream late")


@pytest.mark.parametrize("market", MARKETS)
async def test_a_gap_of_minutes_is_asked_for(market: MarketName) -> None:
    """M3.10: a minute whose end was lost is not made up."""
    async with followed(market, BTC) as stream:
        await stream.connected()
        stream.trade("BTCUSDT", "60001.5")
        await stream.told("BTC", "60001.5")
        stream.stage.server.faults.set(Fault(kind=Kind.GAP, times=100, channel="btcusdt@kline"))
        await stream.stage.server.met()
        await stream.host.advance(33)
        begin = NOW.replace(second=0)
        found = await stream.feed.fetch(BTC, Timeframe.M1, begin, stream.clock.now())
        assert [each.ts for each in found.candles] == [begin]
        told = stream.stage.server.scene.requests
        assert [path for _, path in told if "klines" in path]


@pytest.mark.parametrize("market", MARKETS)
async def test_a_connection_is_replaced_before_the_venue_cuts_it(
    market: MarketName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M3.10: within 24 hours, at once and without an alarm."""
    assert facts.LIFE_SECONDS < 24 * 3_600 - 60
    monkeypatch.setattr(facts, "LIFE_SECONDS", 5.0)
    async with followed(market, BTC) as stream:
        await stream.connected()
        await stream.host.advance(6)
        await stream.connected(times=2)
        assert not stream.said("price stream lost")


async def test_a_shutdown_that_is_announced_is_not_waited_for() -> None:
    """S7: raw or combined; no lead time is promised."""
    async with followed("spot", BTC) as stream:
        await stream.connected()
        assert stream.stage.spot is not None
        stream.stage.spot.shut_down()
        await until(lambda: stream.said("server shutdown announced"))
        await stream.host.advance(3)
        await stream.connected(times=2)
        assert stream.said("server shutdown announced")
        assert not stream.said("price stream lost")
    assert facts.is_shutdown(None, "serverShutdown")
    assert facts.is_shutdown("!serverShutdown", None)
    assert not facts.is_shutdown("btcusdt@aggTrade", "aggTrade")


async def test_usdm_streams_are_asked_for_where_they_are_told() -> None:
    """F11: on another path they would be accepted, and silent."""
    async with followed("usdm", BTC) as stream:
        await stream.connected()
        assert [each.path for each in stream.stage.server.streams.open] == ["/market/stream"]
    routes = {each: facts.route_of("usdm", each) for each in ("b@bookTicker", "b@depth@100ms")}
    assert set(routes.values()) == {"/public/stream"}
    assert facts.route_of("usdm", "b@markPrice@1s") == "/market/stream"
    assert facts.route_of("spot", "b@depth") == "/stream"


async def test_a_stream_on_the_wrong_path_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """F11: an unrouted connection accepts the streams of /market, and tells nothing."""
    monkeypatch.setattr(facts, "route_of", lambda *_: "/stream")
    async with followed("usdm", BTC) as stream:
        await stream.connected()
        stream.trade("BTCUSDT", "60001")
        await stream.host.advance(ALARM_SECONDS + 1)
        assert len(stream.said("price stream silent")) == 2
        assert not stream.prices


@pytest.mark.parametrize("market", MARKETS)
async def test_no_connection_has_more_streams_than_are_allowed(market: MarketName) -> None:
    async with followed(market, most_streams=2) as stream:
        await stream.connected(times=2)
        assert stream.opened == 2
        stream.trade("ETHUSDT", "3001")
        await stream.told("ETH", "3001")


async def test_a_subscription_that_is_not_answered_ends_the_connection() -> None:
    """M3.10."""
    mute = Fault(kind=Kind.MUTE, also_new=True)
    async with followed("usdm", BTC, faults=[mute]) as stream:
        await until(lambda: stream.opened)
        await stream.host.advance(12)
        await until(lambda: stream.said("price stream lost"))
        assert "SUBSCRIBE not answered" in stream.said("price stream lost")[0]["reason"]
        assert not stream.feed.tells(BTC)


async def test_a_venue_that_is_never_reached_is_silent_too() -> None:
    """M3.10."""
    async with followed("spot", BTC, faults=[Fault(kind=Kind.REFUSED)]) as stream:
        await until(lambda: stream.said("price stream lost"))
        await stream.host.advance(ALARM_SECONDS + 2)
        assert {each["stream"] for each in stream.said("price stream silent")} == {
            "btcusdt@aggTrade",
            "btcusdt@kline_1m",
        }
