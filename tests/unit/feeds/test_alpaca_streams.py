"""Streams of Alpaca before their simulator: what is told, what goes wrong, and who notices."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio
import orjson
import pytest
from structlog.testing import capture_logs

from tests.fakes.alpaca import AlpacaStage, staged
from tests.fakes.market_data import MINUTE, standing_clock
from tests.fakes.stepped_host import SteppedHost, until
from tests.simulators.shared.faults import Fault, Kind
from tests.unit.feeds.test_alpaca_feed import APPLE, BITCOIN, MICROSOFT, NAME
from tradebotd.clocks.market import MarketClock
from tradebotd.domain.candle import Candle
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.alpaca import facts
from tradebotd.feeds.alpaca.client import Keys
from tradebotd.feeds.alpaca.feed import AlpacaFeed
from tradebotd.feeds.alpaca.streams import ANSWER_SECONDS, ASKED_EVERY
from tradebotd.net.silence import ALARM_SECONDS
from tradebotd.net.websocket import StreamLimits
from tradebotd.ports.feed import StreamNews

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
BEGIN = NOW.replace(second=0)
IMPATIENT = StreamLimits(ping_every=0.1, ping_within=0.2)


@dataclass
class Followed:
    """A feed that streams, and what it has told. *closed*: symbols whose market is."""

    stage: AlpacaStage
    feed: AlpacaFeed
    host: SteppedHost
    clock: MarketClock
    prices: list[tuple[str, Decimal]] = field(default_factory=list)
    candles: list[str] = field(default_factory=list)
    corrected: list[tuple[str, Candle]] = field(default_factory=list)
    silent: list[dict[str, str]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    logs: Sequence[Any] = ()

    async def told(self, symbol: str, price: str) -> None:
        await until(lambda: (symbol, Decimal(price)) in self.prices)

    def said(self, event: str) -> list[Any]:
        return [each for each in self.logs if each["event"] == event]

    @property
    def opened(self) -> int:
        return self.stage.server.streams.opened

    async def connected(self, times: int = 1) -> None:
        await until(lambda: len(self.said("price stream connected")) >= times)

    async def fault(self, fault: Fault) -> None:
        self.stage.server.faults.set(fault)
        await self.stage.server.met()


@asynccontextmanager
async def followed(
    *symbols: MarketSymbol,
    data_feed: facts.DataFeed = "iex",
    most_traded: int | None = None,
    limits: StreamLimits | None = None,
    keys: Keys | None = None,
    closed: Sequence[str] = (),
    faults: Sequence[Fault] = (),
    **terms: Any,
) -> AsyncIterator[Followed]:
    clock = standing_clock(NOW)
    host = SteppedHost(clock)
    async with staged(clock, host=host, **terms) as stage:
        stage.most_traded, stage.limits = most_traded, limits or stage.limits
        stage.server.faults.set(*faults)
        await stage.server.met()
        with capture_logs() as logs:
            feed = stage.feed(NAME, data_feed=data_feed, keys=keys)
            made = Followed(stage, feed, host, clock, closed=set(closed), logs=logs)
            news = StreamNews(
                lambda symbol, price, _: made.prices.append((symbol, price)),
                made.candles.extend,
                lambda symbol, candle: made.corrected.append((symbol, candle)),
                lambda symbol: symbol not in made.closed,
                lambda silent: made.silent.append(dict(silent)),
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(feed.stream, symbols or (APPLE, MICROSOFT), news)
                yield made
                tasks.cancel_scope.cancel()


async def test_trades_are_told_by_our_symbols_over_a_connection_a_feed() -> None:
    """M3.10, A11: coins have one of their own; what was missed before is fetched, too."""
    async with followed(APPLE, MICROSOFT, BITCOIN) as stream:
        await stream.connected(times=2)
        paths = {each.path for each in stream.stage.server.streams.open}
        assert paths == {"/v2/iex", "/v1beta3/crypto/us"}
        assert sorted(stream.candles) == ["APPLE", "BITCOIN", "MICROSOFT"]
        assert not stream.feed.tells(APPLE)
        stream.stage.trade("AAPL", "190.25")
        stream.stage.trade("BTC/USD", "60000.5")
        await stream.told("APPLE", "190.25")
        await stream.told("BITCOIN", "60000.5")
        assert stream.feed.tells(APPLE)
        assert not stream.feed.tells(MICROSOFT)
    assert facts.stream_path("AAPL", "sip") == "/v2/sip"
    assert facts.stream_path("AAPL", "otc") is None


async def test_keys_are_sent_in_a_message_and_never_in_a_url() -> None:
    """M3.1."""
    asked = [each async for each in _paths()]
    assert asked == ["/v2/iex"]


async def _paths() -> AsyncIterator[str]:
    async with followed(APPLE) as stream:
        await stream.connected()
        yield stream.stage.server.streams.open[0].path


async def test_what_makes_no_last_price_is_no_price() -> None:
    """M3.10: averages, parts of other trades, trades of another day; it proves the stream alive."""
    async with followed(APPLE) as stream:
        await stream.connected()
        for sign in ("W", "4", "7", "P", "Z", "C", "N", "R", "V", "Q", "M", "9", "T"):
            stream.stage.exchange.trade("AAPL", "1", conditions=("@", sign))
        stream.stage.exchange.trade("AAPL", "190", conditions=("@", "F", "I"))
        await stream.told("APPLE", "190")
        assert stream.prices == [("APPLE", Decimal(190))]


async def test_a_trade_that_is_withdrawn_is_asked_for_anew() -> None:
    """M3.10: a cancel (x) or a correction (c) comes with the trades; the price may be wrong."""
    async with followed(APPLE) as stream:
        await stream.connected()
        for instead in (None, "189"):
            stream.stage.trade("AAPL", "190")
            await until(lambda: stream.feed.tells(APPLE))
            stream.stage.exchange.withdraw("AAPL", instead)
            await until(lambda: not stream.feed.tells(APPLE))
        assert len(stream.said("trade withdrawn")) == 2
        assert await stream.feed.quotes([APPLE]) == {"APPLE": Decimal(189)}


async def test_a_minute_that_closed_is_fetched_without_a_request_and_revised_by_u() -> None:
    """M3.6, M3.10: late trades make the provider tell a minute anew; stored ones are corrected."""
    async with followed(APPLE) as stream:
        await stream.connected()
        stream.candles.clear()
        await stream.host.advance(31)
        stream.stage.bar("AAPL", BEGIN, "190")
        await until(lambda: stream.candles)
        stream.stage.bar("AAPL", BEGIN, "191")
        await until(lambda: stream.corrected)
        assert [(name, each.ts, each.close) for name, each in stream.corrected] == [
            ("APPLE", BEGIN, 191.0)
        ]
        found = await stream.feed.fetch(APPLE, Timeframe.M1, BEGIN, stream.clock.now())
        assert [each.close for each in found.candles] == [191.0]
        assert not stream.stage.server.scene.requests["GET", facts.STOCK_BARS]
        early = await stream.feed.fetch(APPLE, Timeframe.M1, BEGIN, BEGIN + MINUTE / 2)
        assert [each.ts for each in early.candles] == [BEGIN]


async def test_a_mute_connection_is_noticed_within_thirty_seconds_and_opened_anew() -> None:
    """M3.10, A11: pings are answered, and nothing is told, in a quiet market, too."""
    async with followed(APPLE, closed=("APPLE",)) as stream:
        await stream.connected()
        await stream.fault(Fault(kind=Kind.MUTE))
        assert ASKED_EVERY + ANSWER_SECONDS < ALARM_SECONDS
        await stream.host.advance(ALARM_SECONDS)
        await until(lambda: stream.said("price stream lost"))
        assert "no subscription within" in stream.said("price stream lost")[0]["reason"]
        await stream.host.advance(2)
        await stream.connected(times=2)
        assert stream.candles.count("APPLE") == 2  # filled up behind each connection
        stream.stage.trade("AAPL", "190")
        await stream.told("APPLE", "190")
        assert stream.silent == [{}]  # nothing was expected: the market is closed


async def test_a_stream_that_tells_nothing_is_silent_by_its_own_rate() -> None:
    """M3.10: told once, until it is heard of again; the others go on."""
    async with followed(APPLE, MICROSOFT) as stream:
        await stream.connected()
        await stream.fault(Fault(kind=Kind.MUTE, channel="trades.AAPL"))
        for number in range(int(ALARM_SECONDS) + 1):
            stream.stage.trade("MSFT", f"400.{number}")
            await stream.told("MICROSOFT", f"400.{number}")
            await stream.host.advance(1)
        await until(lambda: stream.silent[-1])
        assert [*stream.silent[-1]] == ["AAPL.trades"]
        assert len(stream.silent) == 2
        assert stream.opened == 1
        stream.stage.server.faults.clear()
        await stream.stage.server.met()
        stream.stage.trade("AAPL", "190")
        await stream.told("APPLE", "190")
        assert stream.silent[-1] == {}
        assert len(stream.silent) == 3


async def test_one_mute_stream_of_many_is_found_by_what_is_polled() -> None:
    """M3.10: it moves, and nothing is told of it."""
    async with followed(APPLE, MICROSOFT) as stream:
        await stream.connected()
        await stream.fault(Fault(kind=Kind.MUTE, channel="trades.AAPL"))
        await stream.host.advance(11)
        for number in range(3):
            stream.stage.trade("AAPL", f"19{number}")
            await stream.feed.quotes([APPLE, MICROSOFT])
            await stream.host.advance(5)
        await until(lambda: stream.said("price stream lost"))
        assert "mute" in stream.said("price stream lost")[0]["reason"]
        await stream.host.advance(2)
        await stream.connected(times=2)


async def test_nothing_is_expected_of_a_halted_symbol() -> None:
    """M5.9: the status says that it is not traded; it is said, and is no silence."""
    async with followed(APPLE, MICROSOFT) as stream:
        await stream.connected()
        stream.stage.exchange.halt("AAPL")
        await until(lambda: stream.said("trading halted"))
        assert "Trading Halt" in stream.said("trading halted")[0]["reason"]
        await stream.host.advance(ALARM_SECONDS + 2)
        await until(lambda: stream.silent[-1])
        assert "AAPL.trades" not in stream.silent[-1]
        stream.stage.exchange.halt("AAPL", halted=False)
        await until(lambda: stream.said("trading resumed"))
        await stream.host.advance(ALARM_SECONDS + 2)
        assert "AAPL.trades" in stream.silent[-1]


@pytest.mark.parametrize("told", ["trade", "bar", "connection"])
async def test_a_halt_whose_end_was_not_told_ends_all_the_same(told: str) -> None:
    """M5.9, M3.10: by a trade or bar made since, and with the connection that told it."""
    async with followed(APPLE, MICROSOFT) as stream:
        await stream.connected()
        stream.stage.exchange.halt("AAPL")
        await until(lambda: stream.said("trading halted"))
        stream.stage.bar("AAPL", BEGIN, "190")  # of the minute in which it was halted
        await until(lambda: stream.candles.count("APPLE") == 2)
        await stream.host.advance(31)
        assert not stream.said("trading resumed")
        if told == "trade":
            stream.stage.trade("AAPL", "190")
        elif told == "bar":
            stream.stage.bar("AAPL", BEGIN + MINUTE, "190")
        else:
            await stream.fault(Fault(kind=Kind.DISCONNECT, code=0))
            await until(lambda: stream.said("price stream lost"))
            await stream.host.advance(2)
            await stream.connected(times=2)
        if told != "connection":
            await until(lambda: stream.said("trading resumed"))
        for _ in range(60):
            await stream.host.advance(1)
            if "AAPL.trades" in stream.silent[-1]:
                break
        assert "AAPL.trades" in stream.silent[-1]  # something is expected of it again


async def test_a_connection_that_ends_is_opened_again_and_filled_up() -> None:
    """M3.10: back-fill after a reconnect; minutes of before are asked for, and not believed."""
    async with followed(APPLE) as stream:
        await stream.connected()
        stream.stage.bar("AAPL", BEGIN - MINUTE, "190")
        await until(lambda: stream.candles.count("APPLE") == 2)
        stream.candles.clear()
        await stream.fault(Fault(kind=Kind.DISCONNECT, code=0))
        await until(lambda: stream.said("price stream lost"))
        assert not stream.feed.tells(APPLE)
        await stream.host.advance(2)
        await stream.connected(times=2)
        assert stream.candles == ["APPLE"]
        await stream.feed.fetch(APPLE, Timeframe.M1, BEGIN - MINUTE, NOW)
        assert stream.stage.server.scene.requests["GET", facts.STOCK_BARS] == 1


async def test_a_half_open_connection_is_lost_by_its_pings() -> None:
    """M3.10."""
    async with followed(APPLE, limits=IMPATIENT) as stream:
        await stream.connected()
        await stream.fault(Fault(kind=Kind.HALF_OPEN))
        await until(lambda: stream.said("price stream lost"))
        assert "ping unanswered" in stream.said("price stream lost")[0]["reason"]


async def test_prices_that_a_stall_held_back_are_not_prices_of_now() -> None:
    """M3.10: a price older than its limit is never acted on."""
    async with followed(APPLE) as stream:
        await stream.connected()
        await stream.fault(Fault(kind=Kind.STALL))
        stream.stage.trade("AAPL", "150")
        await stream.host.advance(8)
        stream.stage.trade("AAPL", "190")
        stream.stage.server.faults.clear()
        await stream.stage.server.met()
        await stream.told("APPLE", "190")
        assert stream.prices == [("APPLE", Decimal(190))]
        assert stream.said("price stream late")


async def test_a_second_connection_of_the_key_is_refused_and_waited_out() -> None:
    """A11: 406; it is not opened again at once, and prices are polled meanwhile."""
    async with followed(APPLE) as stream:
        await stream.connected()
        other = stream.stage.feed(NAME)
        async with anyio.create_task_group() as tasks:
            nobody = StreamNews(lambda *_: None, lambda _: None)
            tasks.start_soon(other.stream, (APPLE,), nobody)
            await until(lambda: stream.said("price stream lost"))
            assert "(406)" in stream.said("price stream lost")[0]["reason"]
            count = stream.opened
            await stream.host.advance(55, step=5)
            assert stream.opened == count
            await stream.host.advance(10, step=5)
            await until(lambda: stream.opened > count)
            tasks.cancel_scope.cancel()
        assert facts.waits_after(429) >= 60


async def test_a_key_that_is_refused_is_not_tried_all_the_time() -> None:
    """A11: 402; and a plan without the feed, 409: said, polled, and tried again much later."""
    for more, code in (
        ({"keys": Keys("PKODD", "another-secret")}, 402),
        ({"data_feed": "sip"}, 409),
    ):
        async with followed(APPLE, **more) as stream:
            await until(lambda: stream.said("price stream lost"))
            assert f"({code})" in stream.said("price stream lost")[0]["reason"]
            await stream.host.advance(120, step=10)
            assert stream.opened == 1
            assert stream.silent[-1]  # one that is never connected is silent, too


async def test_a_plan_of_fewer_symbols_gets_their_trades_and_the_bars_of_all() -> None:
    """M3.1: 405 is no end: what is not streamed is polled."""
    async with followed(APPLE, MICROSOFT, channels=1) as stream:
        await until(lambda: stream.said("price stream lost"))
        assert "(405)" in stream.said("price stream lost")[0]["reason"]
        await stream.host.advance(2)
        await stream.connected()
        stream.stage.trade("AAPL", "190")
        await stream.told("APPLE", "190")
        stream.stage.bar("MSFT", BEGIN - MINUTE, "400")
        await until(lambda: stream.candles.count("MICROSOFT") == 2)
    async with followed(APPLE, MICROSOFT, channels=1, most_traded=1) as stream:
        await stream.connected()
        assert not stream.said("price stream lost")
        assert stream.said("trades not all streamed")[0]["polled"] == 1


async def test_a_greeting_that_does_not_come_ends_the_connection() -> None:
    """M3.10."""
    async with followed(APPLE, faults=[Fault(kind=Kind.MUTE, also_new=True)]) as stream:
        await until(lambda: stream.opened)
        await stream.host.advance(ANSWER_SECONDS + 2)
        await until(lambda: stream.said("price stream lost"))
        assert "no connected within" in stream.said("price stream lost")[0]["reason"]


async def test_days_so_far_are_not_asked_for() -> None:
    """M3.6: the day's bar is told all day long, and is finished on none of these times."""
    told = facts.subscription(facts.Channels(["AAPL"], []), crypto=False)
    assert orjson.dumps(told).find(b"dailyBars") < 0
    assert told["updatedBars"] == ["AAPL"]
    assert "statuses" not in facts.subscription(facts.Channels(["BTC/USD"], []), crypto=True)
