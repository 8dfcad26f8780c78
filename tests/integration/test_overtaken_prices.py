"""Prices from before the fill that made a position's levels: they end and move nothing of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio

from tests.fakes.resting import listen, resting, sweep
from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.ids import ClientOrderId
from tradebotd.market.price_cache import PriceCache
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.prices.fresh_prices import FRESH, OVERTAKEN

STOP = ExitPlan(stop_loss=Decimal("0.05"))
TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
RESTS = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))


async def told(database: Database, price: str, *specs: Any, traded: str = "100") -> TradingHarness:
    """*price* was the last that the stream told, ten seconds ago; the venue is at *traded*."""
    harness = await open_harness(database, *(specs or (spec(exits=STOP),)))
    harness.tick(price)
    harness.venue.prices = PriceCache(Decimal(100))
    at_venue(harness, traded)
    harness.clock.advance(timedelta(seconds=10))
    return harness


def at_venue(harness: TradingHarness, price: str) -> None:
    """What is traded there, of which the stream tells nothing."""
    books: Any = harness.venue.prices
    books.record(Tick(harness.clock.now(), SYMBOL, Decimal(price)))


async def fill(harness: TradingHarness, order: ClientOrderId, quantity: str, price: str) -> None:
    for report in harness.venue._fill(order, Decimal(quantity), Decimal(price)):
        await harness.recorder.record(report)


async def late(harness: TradingHarness, price: str, at: datetime) -> None:
    acting = harness.protection.on_tick(Tick(at, SYMBOL, Decimal(price)))
    if acting is not None:
        await acting


async def test_a_price_of_before_the_entry_ends_nothing(database: Database) -> None:
    """M3.4: the venue is asked instead, and what it says ends the position."""
    harness = await told(database, "94")
    await harness.enter()
    assert await harness.protection.missed_exits(harness.clock.now()) == []
    await sweep(harness)
    assert (await harness.position())["closed_at"] is None
    assert harness.venue.quote_calls == [{SYMBOL}]

    at_venue(harness, "94")
    await sweep(harness)
    row = await harness.position()
    assert (row["close_reason"], row["exit_price"]) == ("stop_loss", Decimal(94))


async def test_the_next_price_is_judged_without_a_question(database: Database) -> None:
    """M3.4: it is asked for no longer than there is none since the entry."""
    harness = await told(database, "94")
    await harness.enter()
    harness.tick("96")
    await sweep(harness)
    assert harness.venue.quote_calls == []
    await harness.stream("95")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_venue_that_does_not_answer_keeps_the_older_position_guarded(
    database: Database,
) -> None:
    """M3.4, M3.10: the price in memory is of before one position, and not of before the other."""
    specs = spec(exits=ExitPlan(stop_loss=Decimal("0.06"))), spec("two", exits=STOP)
    harness = await told(database, "100", *specs)
    await harness.enter()
    harness.tick("94")
    harness.clock.advance(timedelta(seconds=10))
    await harness.enter("two")
    harness.venue.reads_fail = True

    result = await harness.protection.sweep(harness.clock.now())
    rows = await harness.rows("SELECT bot, close_reason FROM positions ORDER BY id")
    assert [row["close_reason"] for row in rows] == ["stop_loss", None]
    assert list(result.waiting.values()) == [OVERTAKEN]


async def test_a_price_of_before_the_entry_trails_nothing(database: Database) -> None:
    """M3.5: the best price is one since the entry."""
    harness = await told(database, "110", spec(exits=TRAIL))
    await harness.enter()
    await sweep(harness, 2)
    (position,) = harness.protection.held.values()
    assert (position.best_price, position.trailing_stop) == (Decimal(100), Decimal(95))


async def test_a_tick_that_was_on_its_way_as_the_entry_filled_ends_nothing(
    database: Database,
) -> None:
    """M3.4: one of later ends it: the latch is off again."""
    harness = await told(database, "100")
    before = harness.clock.now() - timedelta(milliseconds=300)
    await harness.enter()
    await late(harness, "94", before)
    assert (await harness.position())["closed_at"] is None
    await late(harness, "94", harness.clock.now())
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_quote_that_was_on_its_way_as_the_entry_filled_ends_nothing(
    database: Database,
) -> None:
    """M3.4: it is as old as the question."""
    specs = spec(exits=ExitPlan(stop_loss=Decimal("0.2"))), spec("two", exits=STOP)
    harness = await told(database, "100", *specs)
    await harness.enter()
    harness.clock.advance(FRESH)
    at_venue(harness, "94")
    asked, go, quotes = anyio.Event(), anyio.Event(), harness.venue.quotes

    async def slow(symbols: Any) -> Any:
        answer = await quotes(symbols)
        harness.venue.quotes = quotes  # type: ignore[method-assign]
        asked.set()
        await go.wait()
        return answer

    harness.venue.quotes = slow  # type: ignore[method-assign]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.protection.sweep, harness.clock.now())
        await asked.wait()
        harness.clock.advance(timedelta(seconds=3))
        at_venue(harness, "100")
        await harness.enter("two")
        go.set()
    rows = await harness.rows("SELECT close_reason FROM positions ORDER BY id")
    assert [row["close_reason"] for row in rows] == [None, None]


async def test_a_price_of_before_a_second_fill_does_not_meet_the_stop_that_it_moved(
    database: Database,
) -> None:
    """M3.4: an entry goes on filling, and its average moves the stop."""
    harness = await told(database, "100", replace(spec(exits=STOP), entry=RESTS))
    listen(harness)
    await harness.enter()
    (order,) = resting(harness)
    await fill(harness, order, "0.1", "90")
    harness.tick("92")
    harness.clock.advance(timedelta(seconds=10))
    await fill(harness, order, "0.9", "99")
    assert (await harness.position())["stop_loss"] > 92
    await sweep(harness)
    assert (await harness.position())["closed_at"] is None


async def test_a_price_of_before_a_step_takes_no_further_step(database: Database) -> None:
    """M3.4: the first step has filled at 110; the 130 of before is no price of now."""
    ladder = tuple(LadderStep(at=Decimal(at), share=Decimal("0.5")) for at in ("0.1", "0.2"))
    harness = await told(
        database, "100", spec(exits=ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder))
    )
    await harness.enter()
    at_venue(harness, "110")

    async def travel(_: ClientOrderId) -> None:
        harness.clock.advance(timedelta(seconds=1))

    harness.venue.before_submit = travel
    await harness.stream("130")
    await sweep(harness, 2)
    row = await harness.position()
    assert (row["ladder_done"], row["closed_at"]) == (1, None)
