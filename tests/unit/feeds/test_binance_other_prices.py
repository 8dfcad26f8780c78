"""Bid, ask and mark of Binance, streamed for bots whose positions they end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio
import orjson
import pytest
from structlog.testing import capture_logs

from tests.fakes.binance import BinanceStage, staged
from tests.fakes.market_data import standing_clock
from tests.fakes.stepped_host import SteppedHost, until
from tests.simulators.shared.faults import Fault, Kind
from tests.unit.feeds.test_binance_streams import BTC, ETH, NAME
from tradebotd.domain.quote import PriceKind
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.events import Others, event_of
from tradebotd.feeds.binance.facts import MarketName
from tradebotd.net.answers import Source
from tradebotd.net.errors import MisshapenError
from tradebotd.ports.feed import StreamNews

NOW = datetime(2026, 3, 3, 15, 7, 30, tzinfo=UTC)
BID, ASK, MARK = PriceKind.BID, PriceKind.ASK, PriceKind.MARK
MARKETS: list[MarketName] = ["spot", "usdm"]


@dataclass
class Followed:
    stage: BinanceStage
    host: SteppedHost
    told: list[tuple[str, PriceKind, Decimal]] = field(default_factory=list)
    silent: list[dict[str, str]] = field(default_factory=list)
    logs: Sequence[Any] = ()
    connected: list[Sequence[str]] = field(default_factory=list)

    def lost(self) -> list[str]:
        return [each["reason"] for each in self.logs if each["event"] == "price stream lost"]

    def words(self, stream: str) -> set[str]:
        """Words of all alerts on *stream*, without the seconds."""
        return {each[stream].partition(": ")[2] for each in self.silent if stream in each}

    def quote(self, bid: str, ask: str) -> None:
        if self.stage.usdm is not None:
            self.stage.usdm.venue.market.set_book(
                "BTCUSDT", [(Decimal(bid), Decimal(1))], [(Decimal(ask), Decimal(1))]
            )
        elif self.stage.spot is not None:
            self.stage.spot.venue.quote("BTCUSDT", [(bid, "1")], [(ask, "1")])

    async def heard(self, kind: PriceKind, price: str) -> None:
        await until(lambda: ("BTC", kind, Decimal(price)) in self.told)


@asynccontextmanager
async def followed(market: MarketName, *kinds: PriceKind) -> AsyncIterator[Followed]:
    clock = standing_clock(NOW)
    host = SteppedHost(clock)
    async with staged(market, clock, host=host) as stage, AsyncExitStack() as stack:
        made = Followed(stage, host, logs=stack.enter_context(capture_logs()))
        news = StreamNews(
            lambda *_: None,
            made.connected.append,
            silent=lambda silent: made.silent.append(dict(silent)),
            kinds=lambda symbol: frozenset(kinds) if symbol == "BTC" else frozenset(),
            other_price=lambda symbol, kind, price: made.told.append((symbol, kind, price)),
        )
        feed = stage.feed(NAME)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed.stream, (BTC, ETH), news)
            paths = {
                facts.route_of(market, each)
                for each in facts.streams_of(market, "b", frozenset(kinds))
            }
            await until(lambda: len(made.connected) >= len(paths))
            await host.advance(1)
            yield made
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("market", MARKETS)
async def test_best_bid_and_ask_are_told_of_the_symbols_that_want_them(market: MarketName) -> None:
    """M3.10, M4.7, F11: on the path that tells them; nothing of the others."""
    async with followed(market, BID, ASK) as stream:
        streams = stream.stage.server.streams
        want = ["/stream"] if market == "spot" else ["/market/stream", "/public/stream"]
        assert sorted(each.path for each in streams.open) == want
        stream.quote("100.5", "100.75")
        await stream.heard(BID, "100.5")
        await stream.heard(ASK, "100.75")
        assert {symbol for symbol, _, _ in stream.told} == {"BTC"}
        assert {kind for _, kind, _ in stream.told} == {BID, ASK}


async def test_a_kind_that_nobody_wants_is_not_told() -> None:
    """M4.7: a long is ended by the bid alone; the stream has both."""
    async with followed("spot", BID) as stream:
        stream.quote("100.5", "100.75")
        await stream.heard(BID, "100.5")
        assert {kind for _, kind, _ in stream.told} == {BID}


async def test_the_mark_of_futures_is_told_each_second() -> None:
    """M4.7: spot has none."""
    async with followed("usdm", MARK) as stream:
        assert stream.stage.usdm is not None
        stream.stage.usdm.venue.market.set_mark("BTCUSDT", Decimal("101.5"))
        await stream.host.advance(3)
        await stream.heard(MARK, "101.5")
        before = len(stream.told)
        await stream.host.advance(4)
        assert len(stream.told) > before  # it stays, and stays young
    assert facts.streams_of("spot", "BTCUSDT", frozenset({MARK})) == (
        "btcusdt@aggTrade",
        "btcusdt@kline_1m",
    )


@pytest.mark.parametrize("market", MARKETS)
async def test_what_a_stall_held_back_is_folded_and_no_price_of_before(market: MarketName) -> None:
    """M3.10: slow consumer: of what comes together the newest counts; old ones count not at all."""
    async with followed(market, BID, ASK) as stream:
        stream.quote("100.5", "100.75")
        await stream.heard(BID, "100.5")
        stream.told.clear()
        stream.stage.server.faults.set(Fault(kind=Kind.STALL))
        await stream.stage.server.met()
        stream.stage.trade("BTCUSDT", "50")
        for number in range(200):
            stream.quote(f"{50 + number % 7}", f"{60 + number % 7}")
        await stream.host.advance(8)
        stream.stage.server.faults.clear()
        await stream.stage.server.met()
        await stream.host.advance(3)
        stream.quote("101.5", "101.75")
        await stream.heard(BID, "101.5")
        old = [price for _, _, price in stream.told if price < 90]
        assert len(old) <= (2 if market == "spot" else 0), old


async def test_a_mute_stream_of_bids_is_silent_by_itself() -> None:
    """M3.10: each stream is judged by its own rate; trades go on beside it."""
    async with followed("usdm", BID, ASK) as stream:
        for number in range(4):
            stream.quote(f"10{number}", "110")
            await stream.heard(BID, f"10{number}")
            await stream.host.advance(1)
        stream.stage.server.faults.set(Fault(kind=Kind.MUTE, channel="btcusdt@bookTicker"))
        await stream.stage.server.met()
        for number in range(31):
            stream.stage.trade("BTCUSDT", f"10{number % 7}")
            await stream.host.advance(1)
        assert any("btcusdt@bookTicker" in each for each in stream.silent)
        assert not any("btcusdt@aggTrade" in each for each in stream.silent)
        assert stream.stage.server.streams.opened > 2  # alone on its connection, it is opened anew


async def test_a_mute_stream_of_bids_is_opened_anew_though_its_siblings_speak() -> None:
    """M3.10, M4.7: nothing else tells bids; the pauses grow, until it is heard of again."""
    stream_name = "btcusdt@bookTicker"
    async with followed("spot", BID) as stream:
        for number in range(4):
            stream.quote(f"10{number}", "110")
            await stream.heard(BID, f"10{number}")
            await stream.host.advance(1)
        fault = Fault(kind=Kind.MUTE, channel=stream_name, also_new=True)
        stream.stage.server.faults.set(fault)
        await stream.stage.server.met()
        lost_after: list[int] = []
        for second in range(240):
            stream.stage.trade("BTCUSDT", f"10{second % 7}")
            await stream.host.advance(1)
            lost_after += [second] * (len(stream.lost()) - len(lost_after))
        assert all(f"mute: nothing was told of {stream_name}" in each for each in stream.lost())
        assert len(lost_after) == 3  # after 30, 60 and 120 seconds
        first, second, third = lost_after
        assert first <= 36
        assert 55 <= second - first <= 75
        assert 110 <= third - second <= 140
        assert stream.words(stream_name) == {
            "bids and asks are not asked for, and exits by them wait; its connection is opened anew"
        }
        stream.stage.server.faults.clear()
        await stream.stage.server.met()
        stream.quote("104.5", "110")
        await stream.heard(BID, "104.5")
        assert stream_name not in stream.silent[-1]


async def test_a_mute_mark_is_opened_anew_though_nothing_is_traded() -> None:
    """M3.10, M4.7: it is told each second, whatever is traded."""
    async with followed("usdm", MARK) as stream:
        assert stream.stage.usdm is not None
        stream.stage.usdm.venue.market.set_mark("BTCUSDT", Decimal("101.5"))
        await stream.host.advance(4)
        await stream.heard(MARK, "101.5")
        stream.stage.server.faults.set(Fault(kind=Kind.MUTE, channel="btcusdt@markPrice"))
        await stream.stage.server.met()
        for number in range(36):
            stream.stage.trade("ETHUSDT", f"10{number % 7}")
            await stream.host.advance(1)
        await until(lambda: bool(stream.lost()))
        assert "mute: nothing was told of btcusdt@markPrice@1s" in stream.lost()[0]
        assert any(
            "marks are not asked for" in each for each in stream.words("btcusdt@markPrice@1s")
        )


async def test_a_book_that_stays_where_nothing_is_traded_is_no_mute_one() -> None:
    """M3.10: to open the connection anew would cost the others theirs, for nothing."""
    async with followed("spot", BID) as stream:
        for number in range(4):
            stream.quote(f"10{number}", "110")
            await stream.heard(BID, f"10{number}")
            await stream.host.advance(1)
        for number in range(120):
            stream.stage.trade("ETHUSDT", f"10{number % 7}")
            await stream.host.advance(1)
        assert not stream.lost()


def test_words_on_a_silent_stream_are_true_of_its_kind() -> None:
    """M8: last prices and candles have somebody who asks for them; other prices have nobody."""
    for stream, words in (
        ("btcusdt@aggTrade", "prices are asked for meanwhile"),
        ("btcusdt@kline_1m", "candles are asked for meanwhile"),
        ("btcusdt@bookTicker", "bids and asks are not asked for"),
        ("btcusdt@markPrice@1s", "marks are not asked for"),
    ):
        assert facts.meanwhile(stream).startswith(words)


def told(stream: str, event: object) -> object:
    raw = orjson.dumps({"stream": stream, "data": event})
    return event_of(Source("bn: /stream", raw))


def test_messages_of_books_and_marks_are_read_strictly() -> None:
    """M3.10, F12: spot's best prices have neither a kind nor a time; a side of zero is none."""
    book = {"u": 1, "s": "BTCUSDT", "b": "100.5", "B": "1", "a": "0", "A": "0"}
    assert told("btcusdt@bookTicker", book) == Others(
        "btcusdt@bookTicker", "BTCUSDT", {BID: Decimal("100.5")}, None
    )
    later = told("btcusdt@bookTicker", book | {"e": "bookTicker", "E": 1_700_000_000_000, "st": 1})
    assert isinstance(later, Others)
    assert later.at is not None
    assert told("btcusdt@bookTicker", book | {"st": 2}) is None
    mark = {"e": "markPriceUpdate", "E": 1_700_000_000_000, "s": "BTCUSDT", "p": "101.5"}
    read = told("btcusdt@markPrice@1s", mark)
    assert isinstance(read, Others)
    assert read.prices == {MARK: Decimal("101.5")}
    for bad in (mark | {"p": "0"}, mark | {"p": None}, mark | {"E": "x"}):
        with pytest.raises(MisshapenError):
            told("btcusdt@markPrice@1s", bad)
    for bad in (book | {"b": []}, {"s": 5, "b": "1", "a": "1"}, {}):
        with pytest.raises(MisshapenError):
            told("btcusdt@bookTicker", bad)
