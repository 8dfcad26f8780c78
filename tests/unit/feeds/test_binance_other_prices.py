"""Bid, ask and mark of Binance, streamed for bots whose positions they end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import anyio
import orjson
import pytest

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
    connected: list[Sequence[str]] = field(default_factory=list)

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
    async with staged(market, clock, host=host) as stage:
        made = Followed(stage, host)
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
