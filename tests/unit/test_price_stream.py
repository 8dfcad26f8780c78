"""Streamed prices: acted on in order, bounded while one is acted on, and polled where untold."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import anyio
from structlog.testing import capture_logs

from tests.fakes.market_data import START, market_symbol, minutes, standing_clock
from tests.fakes.standing_alerts import unwritten_alarms
from tests.fakes.stepped_host import PATIENCE, SteppedHost, until
from tests.unit.test_price_poll import Quoted
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.errors import DatabaseUnavailableError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.market.ingest import Ingest
from tradebotd.market.price_poll import PricePoll
from tradebotd.market.price_stream import MOST_CORRECTED, PriceStream
from tradebotd.market.pull_result import PullResult
from tradebotd.market.sessions import AlwaysOpen
from tradebotd.ports.feed import StreamedFeed, StreamNews

NAME = FeedName("first")
BTC, ETH = market_symbol("BTC", feeds=(NAME,)), market_symbol("ETH", feeds=(NAME,))


class Streamed(Quoted):
    """Implements `ports.feed.StreamedFeed`: what a test has it tell; `fails`: so often at first."""

    def __init__(self, prices: dict[str, str], fails: int = 0) -> None:
        super().__init__(NAME, prices)
        self.told: set[str] = set()
        self.news: StreamNews | None = None
        self.fails = fails
        self.begun = 0

    def tells(self, symbol: MarketSymbol) -> bool:
        return symbol.symbol in self.told

    async def stream(self, symbols: Sequence[MarketSymbol], news: StreamNews) -> None:
        assert [each.symbol for each in symbols] == ["BTC", "ETH"]
        self.begun += 1
        if self.begun <= self.fails:
            raise ZeroDivisionError("a fault of the adapter")
        self.news = news
        await anyio.sleep_forever()


class Pulled:
    """Stands for `market.ingest.Ingest`: what was pulled, and when."""

    def __init__(self) -> None:
        self.pulls: list[tuple[datetime, list[str]]] = []
        self.away = False
        self.corrected: list[Candle] = []

    async def correct(self, _: MarketSymbol, candles: Sequence[Candle], __: FeedName) -> PullResult:
        self.corrected += candles
        return PullResult()

    async def pull(self, now: datetime, symbols: Sequence[MarketSymbol]) -> PullResult:
        self.pulls.append((now, [each.symbol for each in symbols]))
        if self.away:
            raise DatabaseUnavailableError("away")
        return PullResult()


class Stage:
    def __init__(self, on_tick: Callable[[Tick], Awaitable[None] | None], fails: int = 0) -> None:
        self.clock = standing_clock(START)
        self.host = SteppedHost(self.clock)
        self.feed, self.ingest = Streamed({"BTC": "1", "ETH": "2"}, fails), Pulled()
        assert isinstance(self.feed, StreamedFeed)
        self.stream = PriceStream(
            NAME,
            self.feed,
            symbols=[BTC, ETH, market_symbol("OTHER", feeds=("second",))],
            calendars={ALWAYS_OPEN: AlwaysOpen()},
            ingest=cast("Ingest", self.ingest),
            clock=self.clock,
            host=self.host,
            on_tick=on_tick,
            alarms=unwritten_alarms(),
        )

    async def run(self, test: Callable[["Stage"], Awaitable[Any]]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.stream.run)
            if not self.feed.fails:
                await until(lambda: self.feed.news is not None)
            await test(self)
            tasks.cancel_scope.cancel()

    def price(self, symbol: str, price: int) -> None:
        assert self.feed.news is not None
        self.feed.news.price(symbol, Decimal(price), timedelta())

    def candles(self, *symbols: str) -> None:
        assert self.feed.news is not None
        self.feed.news.candles(symbols)


async def test_each_price_is_acted_on_at_once() -> None:
    """M3.10: the path between two trades is unknown, and each is a print of its own."""
    seen: list[Tick] = []

    async def test(stage: Stage) -> None:
        stage.price("BTC", 5)
        stage.price("BTC", 5)
        stage.price("ETH", 6)

    await Stage(seen.append).run(test)
    prices = [(each.symbol, int(each.price)) for each in seen]
    assert prices == [("BTC", 5), ("BTC", 5), ("ETH", 6)]
    assert all(each.after_gap and not each.repeats for each in seen)


async def test_no_symbol_waits_for_another_and_no_extreme_is_passed_over() -> None:
    """M3.10: slow consumer: while an exit is sent, thousands of prices become three."""
    seen: list[tuple[str, int]] = []
    answered = anyio.Event()

    def on_tick(tick: Tick) -> Awaitable[None] | None:
        seen.append((tick.symbol, int(tick.price)))
        return answered.wait() if tick.price == 100 else None

    async def test(stage: Stage) -> None:
        stage.price("BTC", 100)
        for price in (101, 150, 120, *range(119, 60, -1), 99, 98, 97):
            stage.price("BTC", price)
        stage.price("ETH", 7)
        assert seen == [("BTC", 100), ("ETH", 7)]
        answered.set()
        await until(lambda: len(seen) == 5)
        assert seen[2:] == [("BTC", 150), ("BTC", 61), ("BTC", 97)]
        stage.price("BTC", 96)
        assert seen[-1] == ("BTC", 96)

    await Stage(on_tick).run(test)


async def test_a_price_that_cannot_be_acted_on_ends_nothing() -> None:
    seen: list[Tick] = []

    def on_tick(tick: Tick) -> None:
        seen.append(tick)
        raise DatabaseUnavailableError("away")

    async def test(stage: Stage) -> None:
        stage.price("BTC", 5)
        stage.price("ETH", 6)

    await Stage(on_tick).run(test)
    assert len(seen) == 2


async def test_minutes_that_closed_together_are_pulled_together() -> None:
    """M3.10: and what was missed; a database that is away is waited for."""

    async def test(stage: Stage) -> None:
        stage.ingest.away = True
        stage.candles("BTC")
        stage.candles("ETH", "BTC")
        await stage.host.advance(1)
        await until(lambda: stage.ingest.pulls)
        stage.candles("ETH")
        await stage.host.advance(1)
        await until(lambda: len(stage.ingest.pulls) == 2)
        assert [symbols for _, symbols in stage.ingest.pulls] == [["BTC", "ETH"], ["ETH"]]

    await Stage(lambda _: None).run(test)


async def test_a_stream_that_fails_is_begun_again() -> None:
    """M3.10: a fault of the adapter ends neither the stream nor the daemon."""

    async def test(stage: Stage) -> None:
        await until(lambda: stage.feed.begun == 1)
        await stage.host.advance(2)
        await until(lambda: stage.feed.begun == 2)
        await stage.host.advance(3)
        await until(lambda: stage.feed.news is not None)

    await Stage(lambda _: None, fails=2).run(test)


async def test_what_is_streamed_is_not_asked_for() -> None:
    """M3.10: polled meanwhile, where the stream tells nothing."""
    seen: list[Tick] = []
    stage = Stage(seen.append)
    poll = PricePoll(
        NAME,
        feeds={NAME: stage.feed},
        symbols=[BTC, ETH],
        calendars={ALWAYS_OPEN: AlwaysOpen()},
        clock=stage.clock,
        on_tick=seen.append,
    )
    stage.feed.told = {"BTC"}
    await poll.poll()
    assert stage.feed.asked == [["ETH"]]
    stage.feed.told = {"BTC", "ETH"}
    await poll.poll()
    assert stage.feed.asked == [["ETH"]]
    stage.feed.told = set()
    await poll.poll()
    assert stage.feed.asked[1:] == [["BTC", "ETH"]]
    assert stage.feed.price_every == timedelta(minutes=1)


async def test_corrections_that_there_is_no_room_for_are_told() -> None:
    """M3.10: the database is away, and the provider tells hours anew: a bound, and a count."""
    stage = Stage(lambda _: None)
    rows = minutes(MOST_CORRECTED + 2, START)

    async def test(stage: Stage) -> None:
        assert stage.feed.news is not None
        for candle in rows:
            stage.feed.news.corrected("BTC", candle)
        with anyio.fail_after(PATIENCE):
            while len(stage.ingest.corrected) < MOST_CORRECTED:
                await stage.host.advance(1)

    with capture_logs() as said:
        await stage.run(test)
    (told,) = [each for each in said if each["event"] == "corrections left out"]
    assert (told["symbol"], told["count"]) == ("BTC", 2)
