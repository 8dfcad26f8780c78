"""Polled prices: one call, the next feed for what the first lacks, nothing while markets are closed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tests.fakes.market_data import START, market_symbol, standing_clock
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import DatabaseUnavailableError, FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import ALWAYS_OPEN, MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.price_cache import PriceCache
from tradebotd.market.price_poll import PricePoll
from tradebotd.market.sessions import AlwaysOpen, Calendar
from tradebotd.ports.feed import FeedBudget, FetchedCandles, PolledFeed, TimedPrice

FIRST, SECOND = FeedName("first"), FeedName("second")


class Quoted:
    """Implements `ports.feed.PolledFeed`: *prices*, or an error."""

    price_kinds = frozenset({PriceKind.LAST})
    price_every = timedelta(minutes=1)

    def __init__(self, name: FeedName, prices: Mapping[str, str] | None) -> None:
        self.name = name
        self.prices = prices
        self.asked: list[list[str]] = []

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        raise FeedError(f"no {timeframe} candles of {symbol.symbol} from {start} to {end}")

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        self.asked.append([each.symbol for each in symbols])
        if self.prices is None:
            raise FeedError("away")
        known = {each.symbol for each in symbols}
        return {name: Decimal(price) for name, price in self.prices.items() if name in known}

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:  # noqa: ARG002
        return (Timeframe.M1,)

    def budget(self) -> FeedBudget | None:
        return None

    async def close(self) -> None:
        return


class Timed(Quoted):
    """Implements `ports.feed.TimedFeed`: its prices are of *at*."""

    at: datetime | None = None

    async def timed_quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, TimedPrice]:
        prices = await self.quotes(symbols)
        return {name: TimedPrice(price, self.at) for name, price in prices.items()}


class Told:
    """Implements `market.price_poll.OnTick`; *broken*: acting on it fails once."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.broken: str | None = None

    def __call__(self, tick: Tick) -> None:
        if tick.symbol == self.broken:
            raise DatabaseUnavailableError("away")
        self.ticks.append(tick)


class Shut(AlwaysOpen):
    def is_open(self, instant: datetime) -> bool:  # noqa: ARG002
        return False


def poll(*feeds: Quoted, told: Told, calendars: Mapping[str, Calendar] | None = None) -> PricePoll:
    by_name: dict[FeedName, PolledFeed] = {each.name: each for each in feeds}
    return PricePoll(
        FIRST,
        feeds=by_name,
        symbols=[
            market_symbol("A", feeds=(FIRST, SECOND)),
            market_symbol("B", feeds=(FIRST, SECOND)),
            market_symbol("C", feeds=(SECOND,)),
        ],
        calendars=calendars or {ALWAYS_OPEN: AlwaysOpen()},
        clock=standing_clock(START),
        on_tick=told,
    )


async def test_one_call_has_all_prices_and_the_next_feed_those_it_lacks() -> None:
    """M3.1: the next feed is used where one fails."""
    first, second, told = Quoted(FIRST, {"A": "1"}), Quoted(SECOND, {"B": "2"}), Told()

    assert await poll(first, second, told=told).poll() == 2
    assert (first.asked, second.asked) == ([["A", "B"]], [["B"]])
    assert {(each.symbol, each.price) for each in told.ticks} == {
        ("A", Decimal(1)),
        ("B", Decimal(2)),
    }
    assert all(each.after_gap and each.at == START for each in told.ticks)


async def test_a_price_is_of_when_it_was_traded() -> None:
    """M3.10: not of the question, and never of later than that."""
    first, told = Timed(FIRST, {"A": "1"}), Told()
    polled = poll(first, told=told)
    for at in (None, START - timedelta(minutes=4), START + timedelta(seconds=1)):
        first.at = at
        await polled.poll()

    assert [each.at for each in told.ticks] == [START, START - timedelta(minutes=4), START]
    assert [each.timed for each in told.ticks] == [False, True, True]


async def test_a_print_that_is_older_than_what_is_known_is_no_news() -> None:
    """M3.10: of a thin share another feed has told a later one."""
    prices = PriceCache()
    assert prices.record(Tick(START, "A", Decimal(2)))
    older = START - timedelta(minutes=4)
    assert not prices.record(Tick(older, "A", Decimal(1), repeats=True, timed=True))
    assert prices.price("A") == 2


async def test_a_feed_that_fails_ends_nothing() -> None:
    first, second, told = Quoted(FIRST, None), Quoted(SECOND, None), Told()
    polled = poll(first, second, told=told)

    assert await polled.poll() == 0
    first.prices = {"A": "1", "B": "2"}
    assert await polled.poll() == 2


async def test_the_same_price_may_be_the_same_print() -> None:
    """M3.10: it confirms nothing."""
    first, told = Quoted(FIRST, {"A": "1"}), Told()
    polled = poll(first, told=told)
    for price in ("1", "1", "2"):
        first.prices = {"A": price}
        await polled.poll()

    assert [each.repeats for each in told.ticks] == [True, True, True]


async def test_what_fails_for_one_price_leaves_the_others() -> None:
    first, told = Quoted(FIRST, {"A": "1", "B": "2"}), Told()
    told.broken = "A"
    await poll(first, told=told).poll()

    assert [each.symbol for each in told.ticks] == ["B"]


async def test_nothing_is_asked_while_the_market_is_closed() -> None:
    """M3.3: credits are for open markets."""
    first, told = Quoted(FIRST, {"A": "1"}), Told()
    await poll(first, told=told, calendars={ALWAYS_OPEN: Shut()}).poll()

    assert (first.asked, told.ticks) == ([], [])
