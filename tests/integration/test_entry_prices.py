"""M3.10 of entries: at which price one is judged, how old it may be, and what becomes of the rest."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes.prices import FakePrices
from tests.fakes.trading import BOT, MINUTE, NOON, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.candle import Candle, Tick
from tradebotd.domain.ids import BotName, FeedName
from tradebotd.domain.signal import SignalKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage.postgres.database import Database
from tradebotd.venues.paper.fill_model import PaperTerms

BUY, NONE = SignalKind.BUY, SignalKind.NONE
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WAITS = "waiting (no fresh price)"
WORTH_103 = SizingRule(kind=SizingKind.FIXED_NOTIONAL, value=Decimal(103))
PAPER = PaperTerms(
    starting_cash={"USDT": Decimal(10_000)}, slippage_bps=Decimal(0), spread_bps=Decimal(0)
)


async def closed(harness: TradingHarness, timeframe: Timeframe, ago: int) -> None:
    """Two candles at 100, the newest of which began *ago* periods before noon."""
    first = NOON.replace(hour=0) if timeframe is Timeframe.D1 else NOON
    step = timeframe.duration
    rows = [Candle(first - n * step, 100.0, 100.0, 100.0, 100.0, 1.0) for n in (ago + 1, ago)]
    await harness.writer.write(SYMBOL, timeframe, rows, FeedName("hand"))


async def status(harness: TradingHarness, bot: str = BOT) -> str:
    await harness.run(bot)
    found: str = (await harness.state(bot))["status"]
    return found


async def nothing_was_done(harness: TradingHarness) -> None:
    assert await harness.orders() == []
    assert await harness.rows("SELECT * FROM decision_runs") == []


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.D1])
async def test_a_price_of_hours_ago_is_not_bought_at_and_the_candle_is_asked_about_again(
    database: Database, timeframe: Timeframe
) -> None:
    """M3.10: the stream is silent since the candle began; the first fresh price is bought at."""
    harness = await open_harness(database, spec(timeframe=timeframe, sizing=WORTH_103), paper=PAPER)
    await closed(harness, timeframe, 1)
    harness.clock.advance(HOUR - MINUTE)
    strategy = harness.says(BUY, BUY, BUY, NONE)

    assert await status(harness) == WAITS
    assert await status(harness) == WAITS
    await nothing_was_done(harness)
    harness.tick("103")
    assert await status(harness) == "running"

    assert (await harness.position())["entry_price"] == 103
    assert await status(harness) == "running"
    assert len(strategy.asked) == 3


async def test_a_venue_that_knows_a_newer_price_is_asked_once(database: Database) -> None:
    """M3.10: and the size is made of what it says."""
    harness = await open_harness(database, spec(timeframe=Timeframe.H1, sizing=WORTH_103))
    await closed(harness, Timeframe.H1, 1)
    harness.clock.advance(HOUR)
    elsewhere = FakePrices()
    elsewhere.move(SYMBOL, "103")
    harness.venue.prices = elsewhere
    harness.says(BUY)

    assert await status(harness) == "running"

    assert harness.venue.quote_calls == [{SYMBOL}]
    assert (await harness.position())["quantity"] == 1


async def fails(harness: TradingHarness) -> None:
    harness.venue.reads_fail = True


async def hangs(harness: TradingHarness) -> None:
    harness.venue.gate = anyio.Event()


async def knows_nothing(harness: TradingHarness) -> None:
    harness.prices._last.clear()


async def says_zero(harness: TradingHarness) -> None:
    harness.venue.prices = prices = FakePrices()
    prices.record(Tick(NOON, SYMBOL, Decimal(0)))


@pytest.mark.parametrize("trouble", [fails, hangs, knows_nothing, says_zero])
async def test_a_venue_that_does_not_say_leaves_the_bot_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch, trouble: Any
) -> None:
    """M3.10, M2.3: the question has a bound, and no candle is lost by it."""
    monkeypatch.setattr("tradebotd.trading.prices.fresh_prices.QUOTE_SECONDS", 0.01)
    harness = await open_harness(database, spec(timeframe=Timeframe.H1))
    await closed(harness, Timeframe.H1, 1)
    harness.clock.advance(HOUR)
    await trouble(harness)
    harness.says(BUY)

    assert await status(harness) == WAITS

    await nothing_was_done(harness)


async def two_that_queue(database: Database, price: str) -> TradingHarness:
    """The account is asked for while *price* comes; both bots had seen 100."""
    sizing = SizingRule(kind=SizingKind.FIXED_NOTIONAL, value=Decimal(103))
    harness = await open_harness(database, spec("one", sizing=sizing), spec("two", sizing=sizing))
    await harness.candles(100.0, 100.0)

    async def moves() -> None:
        harness.tick(price)

    harness.venue.before_account_answers = moves
    for name in ("one", "two"):
        harness.says(BUY, bot=name)
    async with anyio.create_task_group() as cycles:
        for name in ("one", "two"):
            cycles.start_soon(harness.run, name)
    return harness


async def test_entries_that_queue_are_sized_at_the_price_of_their_turn(
    database: Database,
) -> None:
    """M4.6: not at that of their arrival."""
    harness = await two_that_queue(database, "103")

    assert [request.quantity for _, request in harness.venue.submitted] == [1, 1]


async def test_the_collar_is_held_against_the_price_of_the_turn(database: Database) -> None:
    """M4.4a: what was decided on 100 is not bought at 106, although it was 100 on arrival."""
    harness = await two_that_queue(database, "106")

    assert harness.venue.submitted == []
    states = [(await harness.state(name))["status"] for name in ("one", "two")]
    assert states == ["waiting (price_collar)"] * 2


async def test_a_price_that_grows_old_in_the_queue_is_not_used(database: Database) -> None:
    """M3.10: two minutes pass while the account is asked for."""
    harness = await open_harness(database)
    await harness.candles(100.0, 100.0)

    async def passes() -> None:
        harness.clock.advance(2 * MINUTE)

    harness.venue.before_account_answers = passes
    harness.says(BUY)

    assert await status(harness) == WAITS
    await nothing_was_done(harness)


async def test_a_daily_candle_of_long_ago_gives_no_signal(database: Database) -> None:
    """M3.6: two sessions have closed since; of one it is still the newest there can be."""
    harness = await open_harness(database, spec("one", timeframe=Timeframe.D1))
    await closed(harness, Timeframe.D1, 3)
    strategy = harness.says(BUY)
    assert await status(harness) == "waiting (no fresh candle)"
    assert strategy.asked == []

    harness.clock.set(NOON - DAY)
    harness.tick("100")
    assert await status(harness) == "running"
    assert harness.specs[BotName("one")].timeframe is Timeframe.D1
