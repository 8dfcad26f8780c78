"""What every feed must do: those that carry their own time, and those that ask a provider."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path

import pytest

from tests.fakes import alpaca, binance
from tests.fakes.market_data import MINUTE, START, market_symbol, standing_clock
from tests.fakes.twelvedata import staged
from tests.recorded import recorded_csv
from tests.simulators.twelvedata.instruments import Instrument
from tradebotd.clocks.market import MarketClock
from tradebotd.config.price_kinds import FEEDS
from tradebotd.domain.errors import ConfigError, FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.binance.facts import MarketName
from tradebotd.feeds.replay import Recordings, ReplayFeed, load_recordings
from tradebotd.feeds.synthetic import SyntheticFeed
from tradebotd.ports.feed import Feed, SimulatedFeed
from tradebotd.storage.postgres.database import Database

SYMBOL = market_symbol("BTCPERP", feeds=("sim",))
NAME = FeedName("sim")
Made = tuple[SimulatedFeed, MarketClock]
AnyMade = tuple[Feed, MarketClock]
# What the simulated provider has of SYMBOL: it trades around the clock.
THERE = Instrument(symbol="BTCPERP", kind="Digital Currency", exchange="Simulated")


def replay(directory: Path) -> Made:
    recorded_csv("BTCPERP", directory, minutes=600)
    recordings = load_recordings(NAME, str(directory / "*.csv"), [SYMBOL])
    clock = standing_clock(recordings.span()[0])
    return ReplayFeed(NAME, recordings, clock), clock


def synthetic(directory: Path) -> Made:
    clock = standing_clock(START)
    return SyntheticFeed(NAME, [SYMBOL], seed=1, volatility=0.6, start=START, clock=clock), clock


@pytest.fixture(params=[replay, synthetic])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Made]:
    made = iter([request.param(tmp_path) for _ in range(2)])  # files are read before the loop runs
    return lambda: next(made)


ASKED: dict[str, MarketName | None] = {
    "twelvedata": None,
    "alpaca": None,
    "binance spot": "spot",
    "binance usdm": "usdm",
}


@pytest.fixture(params=[replay, synthetic, *ASKED], ids=["replay", "synthetic", *ASKED])
def ready(request: pytest.FixtureRequest, tmp_path: Path) -> AnyMade | str:
    """A feed whose files are read; a name: one that asks, and is made while the loop runs."""
    made: AnyMade | str = (
        request.param if isinstance(request.param, str) else request.param(tmp_path)
    )
    return made


@pytest.fixture
async def any_feed(ready: AnyMade | str) -> AsyncIterator[AnyMade]:
    if not isinstance(ready, str):
        yield ready
        return
    clock = standing_clock(START)
    market = ASKED[ready]
    if ready == "alpaca":
        async with alpaca.staged(clock, names=(SYMBOL.symbol,), since=START) as shares:
            yield shares.feed(NAME), clock
        return
    if market is None:
        async with staged(clock, instruments=[THERE]) as stage:
            yield stage.feed(NAME), clock
        return
    async with binance.staged(market, clock, symbols=(SYMBOL.symbol,)) as there:
        yield there.feed(NAME), clock


def begin(feed: Feed) -> datetime:
    return feed.span()[0] if isinstance(feed, ReplayFeed | SyntheticFeed) else START


async def test_only_closed_candles_are_shown(any_feed: AnyMade) -> None:
    """M3.6: an unfinished candle is never used."""
    feed, clock = any_feed
    start = begin(feed)
    for elapsed in (0, 59, 60, 119, 120):
        clock.jump_to(start + timedelta(seconds=elapsed))
        found = await feed.fetch(SYMBOL, Timeframe.M1, start, start + timedelta(days=1))
        assert all(candle.ts + MINUTE <= clock.now() for candle in found.candles)
        assert (len(found.candles) > 0) == (elapsed >= 60)


async def test_ranges_are_half_open_and_in_order(any_feed: AnyMade) -> None:
    feed, clock = any_feed
    start = begin(feed)
    clock.jump_to(start + timedelta(hours=5))
    whole = (await feed.fetch(SYMBOL, Timeframe.M1, start, clock.now())).candles
    middle = start + timedelta(hours=2)
    left = (await feed.fetch(SYMBOL, Timeframe.M1, start, middle)).candles
    right = (await feed.fetch(SYMBOL, Timeframe.M1, middle, clock.now())).candles

    assert [*left, *right] == list(whole)
    assert [candle.ts for candle in whole] == sorted({candle.ts for candle in whole})
    assert all(candle.ts < middle for candle in left)


async def test_the_same_feed_made_again_says_the_same(make: Callable[[], Made]) -> None:
    feed, clock = make()
    again, other_clock = make()
    start = feed.span()[0]
    late = start + timedelta(hours=9)
    clock.jump_to(late)
    other_clock.jump_to(late)
    early_and_late = await feed.fetch(SYMBOL, Timeframe.M1, start, late)
    only_late = await again.fetch(SYMBOL, Timeframe.M1, late - timedelta(hours=1), late)

    tail = [c for c in early_and_late.candles if c.ts >= late - timedelta(hours=1)]
    assert tail == list(only_late.candles)
    assert list(islice(feed.path(None), 500)) == list(islice(again.path(None), 500))


async def test_the_path_goes_on_where_it_was_left(make: Callable[[], Made]) -> None:
    feed, _ = make()
    points = list(islice(feed.path(None), 400))
    assert [point.at for point in points] == sorted(point.at for point in points)
    for cut in (0, 1, 2, 3, 4, 101):
        rest = list(islice(feed.path(points[cut].at), 20))
        assert rest == points[cut + 1 : cut + 21]


async def test_its_path_tells_the_kinds_of_price_that_it_claims(make: Callable[[], Made]) -> None:
    """M4.7: `check` believes the same of it."""
    feed, _ = make()
    kind = "synthetic" if isinstance(feed, SyntheticFeed) else "replay"
    assert feed.price_kinds == FEEDS[kind]
    assert {point.kind for point in islice(feed.path(None), 60)} <= feed.price_kinds


async def test_a_quote_is_the_last_point_of_the_path(make: Callable[[], Made]) -> None:
    feed, clock = make()
    for point in islice(feed.path(None), 60):
        clock.jump_to(point.at)
        assert await feed.quotes([SYMBOL]) == {SYMBOL.symbol: point.price}


async def test_what_the_feed_does_not_have_is_an_error(any_feed: AnyMade) -> None:
    feed, clock = any_feed
    start = begin(feed)
    clock.jump_to(start + 2 * MINUTE)
    with pytest.raises(FeedError):
        await feed.fetch(market_symbol("OTHER"), Timeframe.M1, start, start + MINUTE)
    if Timeframe.H4 not in feed.timeframes(SYMBOL):
        with pytest.raises(FeedError):
            await feed.fetch(SYMBOL, Timeframe.H4, start, start + MINUTE)
    assert await feed.quotes([market_symbol("OTHER")]) == {}


async def test_a_call_while_a_connection_is_held_fails(
    any_feed: AnyMade, database: Database
) -> None:
    """M1.3: enforced at run time, for every call that may wait on a network."""
    feed, _ = any_feed
    start = begin(feed)
    async with database.connection():
        with pytest.raises(RuntimeError, match="holds a database connection"):
            await feed.fetch(SYMBOL, Timeframe.M1, start, start + MINUTE)
        with pytest.raises(RuntimeError, match="holds a database connection"):
            await feed.quotes([SYMBOL])
    assert not (await feed.fetch(SYMBOL, Timeframe.M1, start, start + MINUTE)).candles


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="BTCPERP"):
        load_recordings(NAME, str(tmp_path / "*.csv"), [SYMBOL])


@pytest.fixture
def bad_line_31(tmp_path: Path) -> Recordings:
    path = recorded_csv("BTCPERP", tmp_path, minutes=50)
    lines = path.read_text().splitlines()
    lines.insert(30, "nonsense")
    path.write_text("\n".join(lines))
    return load_recordings(NAME, str(path), [SYMBOL])


async def test_bad_rows_show_once_the_candle_before_them_has_closed(
    bad_line_31: Recordings,
) -> None:
    """M3.4: quarantined when a live feed would have met them."""
    recordings = bad_line_31
    start, end = recordings.span()
    clock = standing_clock(start)
    feed = ReplayFeed(NAME, recordings, clock)

    assert not (await feed.fetch(SYMBOL, Timeframe.M1, start, end)).rejected
    clock.jump_to(end)
    (rejected,) = (await feed.fetch(SYMBOL, Timeframe.M1, start, end)).rejected
    assert rejected.line == 31


async def test_synthetic_candles_are_on_the_tick_and_sound(tmp_path: Path) -> None:
    feed, clock = synthetic(tmp_path)
    clock.jump_to(START + timedelta(days=3))
    found = await feed.fetch(SYMBOL, Timeframe.M1, START, clock.now())

    assert len(found.candles) == 3 * 1_440
    for before, candle in pairwise(found.candles):
        assert candle.low <= min(candle.open, candle.close)
        assert candle.high >= max(candle.open, candle.close)
        assert round(candle.close, 2) == candle.close
        assert abs(candle.open - before.close) < 0.02 * before.close
