"""Prices from before the fill that made a position's levels: they end and move nothing of it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio

from tests.fakes.resting import listen, resting, sweep
from tests.fakes.standing_alerts import unwritten_alarms
from tests.fakes.trading import SYMBOL, TradingHarness, open_harness, spec
from tests.fakes.venue import AUTHORITATIVE
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.ids import ClientOrderId, FeedName
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.domain.quote import PriceKind, TriggerPrice
from tradebotd.market.price_cache import PriceCache
from tradebotd.market.price_poll import PricePoll
from tradebotd.market.price_stream import PriceStream
from tradebotd.market.sessions import AlwaysOpen
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_changes import Level
from tradebotd.trading.prices.fresh_prices import FRESH, OVERTAKEN, OVERTAKEN_FOR

FEED, NEW = FeedName("hand"), timedelta()
LAST_OF = (SYMBOL, PriceKind.LAST)
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


def meanwhile(harness: TradingHarness, happens: Callable[[], Awaitable[None]]) -> None:
    """The next question for quotes is answered by what is so now; *happens* comes before it ends."""
    quotes = harness.venue.quotes

    async def slow(symbols: Any) -> Any:
        answer = await quotes(symbols)
        harness.venue.quotes = quotes  # type: ignore[method-assign]
        harness.clock.advance(timedelta(milliseconds=200))
        await happens()
        return answer

    harness.venue.quotes = slow  # type: ignore[method-assign]


async def late(harness: TradingHarness, price: str, at: datetime) -> None:
    acting = harness.protection.on_tick(Tick(at, SYMBOL, Decimal(price)))
    if acting is not None:
        await acting


async def test_a_price_of_before_the_entry_ends_nothing(database: Database) -> None:
    """M4.7: the venue is asked instead, and what it says ends the position."""
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
    """M4.7: it is asked for no longer than there is none since the entry."""
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
    """M4.7, M3.10: the price in memory is of before one position, and not of before the other."""
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
    """M4.7: the best price is one since the entry."""
    harness = await told(database, "110", spec(exits=TRAIL))
    await harness.enter()
    await sweep(harness, 2)
    (position,) = harness.protection.held.values()
    assert (position.best_price, position.trailing_stop) == (Decimal(100), Decimal(95))


async def test_a_tick_that_was_on_its_way_as_the_entry_filled_ends_nothing(
    database: Database,
) -> None:
    """M4.7: one of later ends it: the latch is off again."""
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
    """M4.7: it is as old as the question."""
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
    """M4.7: an entry goes on filling, and its average moves the stop."""
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
    """M4.7: the first step has filled at 110; the 130 of before is no price of now."""
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


async def test_a_late_tick_trails_nothing(database: Database) -> None:
    """M4.7: what was highest before the entry is no best price of it."""
    harness = await told(database, "100", spec(exits=TRAIL))
    before = harness.clock.now() - timedelta(milliseconds=300)
    await harness.enter()
    await late(harness, "110", before)
    await late(harness, "100", harness.clock.now() + timedelta(seconds=1))
    row = await harness.position()
    assert (row["closed_at"], row["best_price"]) == (None, Decimal(100))


async def test_a_late_tick_ends_the_positions_of_before_it(database: Database) -> None:
    """M4.7, M3.10: whoever else has entered since."""
    harness = await told(database, "100", spec(exits=STOP), spec("two", exits=STOP))
    await harness.enter()
    harness.clock.advance(timedelta(seconds=1))
    at = harness.clock.now()
    harness.clock.advance(timedelta(seconds=1))
    await harness.enter("two")
    await late(harness, "94", at)
    rows = await harness.rows("SELECT close_reason FROM positions ORDER BY id")
    assert [row["close_reason"] for row in rows] == ["stop_loss", None]


async def test_a_late_tick_leaves_a_target_in_doubt_alone(database: Database) -> None:
    """M4.7: that its levels are newer arms no target again whose exit may be on its way."""
    plan = ExitPlan(stop_loss=Decimal("0.05"), take_profit=Decimal("0.1"))
    harness = await told(database, "100", spec(exits=plan))
    await harness.enter()
    (position,) = harness.protection.held.values()
    tracked = harness.protection._tracked
    harness.clock.advance(timedelta(seconds=1))
    tracked.release_stops(position.id)
    await late(harness, "94", harness.clock.now() - timedelta(seconds=5))
    await late(harness, "94", harness.clock.now() - FRESH - timedelta(seconds=1))
    assert tracked.book.tick(SYMBOL, Decimal(111)) == ()


async def test_a_quote_that_was_on_its_way_trails_nothing(database: Database) -> None:
    """M4.7: nor does it move what has been filled since it was asked for."""
    specs = spec(exits=ExitPlan(stop_loss=Decimal("0.2"))), spec("two", exits=TRAIL)
    harness = await told(database, "100", *specs)
    await harness.enter()
    harness.clock.advance(FRESH)
    at_venue(harness, "110")

    async def entry() -> None:
        at_venue(harness, "100")
        await harness.enter("two")

    meanwhile(harness, entry)
    await harness.protection.sweep(harness.clock.now())
    harness.clock.advance(timedelta(seconds=1))
    await harness.stream("100")
    rows = await harness.rows("SELECT close_reason FROM positions ORDER BY id")
    assert [row["close_reason"] for row in rows] == [None, None]


async def test_a_clock_that_is_set_back_leaves_nothing_unguarded(database: Database) -> None:
    """M3.10: by ten minutes, after a second fill: the next price ends the position."""
    harness = await told(database, "100", replace(spec(exits=STOP), entry=RESTS))
    listen(harness)
    await harness.enter()
    (order,) = resting(harness)
    await fill(harness, order, "0.1", "98")
    await fill(harness, order, "0.9", "99")
    harness.clock.advance(-timedelta(minutes=10))
    await harness.stream("50")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_venue_whose_clock_is_behind_opens_no_window(database: Database) -> None:
    """M4.7: the price of four seconds before the fill is older than it, whatever the venue says."""
    harness = await told(database, "94")
    harness.venue.clock = type(harness.clock)(harness.clock.now() - timedelta(seconds=15))
    await harness.enter()
    harness.venue.clock = harness.clock
    await sweep(harness)
    assert (await harness.position())["closed_at"] is None


async def test_a_price_that_waited_is_as_old_as_its_coming(database: Database) -> None:
    """M4.7: the stream tells 93 while one position ends; another enters at 100 before it is seen."""
    harness = await told(database, "100", spec(exits=STOP), spec("two", exits=STOP))
    symbol = replace(harness.symbols[SYMBOL], feeds=(FEED,))
    await harness.enter()
    harness.clock.advance(timedelta(seconds=1))
    unused: Any = None
    stream = PriceStream(
        FEED, unused, symbols=[symbol], calendars={ALWAYS_OPEN: AlwaysOpen()}, ingest=unused,
        clock=harness.clock, host=unused, on_tick=harness.protection.on_tick, alarms=unwritten_alarms(),
    )  # fmt: skip
    arrived, go = anyio.Event(), anyio.Event()

    async def slow(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        arrived.set()
        await go.wait()

    harness.venue.before_submit = slow
    async with anyio.create_task_group() as tasks:
        stream._tell(tasks, LAST_OF, Decimal(94), NEW)
        await arrived.wait()
        stream._tell(tasks, LAST_OF, Decimal(93), NEW)
        harness.clock.advance(timedelta(seconds=2))
        at_venue(harness, "100")
        await harness.enter("two")
        go.set()
    rows = await harness.rows("SELECT close_reason FROM positions ORDER BY id")
    assert [row["close_reason"] for row in rows] == ["stop_loss", None]


async def test_an_answer_is_as_old_as_its_question(database: Database) -> None:
    """M4.7: the entry fills while a poll of prices is on its way."""
    harness = await told(database, "100")
    symbol = replace(harness.symbols[SYMBOL], feeds=(FEED,))

    class Feed:
        price_every = timedelta(minutes=1)

        async def quotes(self, _: Any) -> dict[str, Decimal]:
            harness.clock.advance(timedelta(seconds=3))
            at_venue(harness, "100")
            await harness.enter()
            return {SYMBOL: Decimal(94)}

    feed: Any = Feed()
    poll = PricePoll(
        FEED, feeds={FEED: feed}, symbols=[symbol], calendars={ALWAYS_OPEN: AlwaysOpen()},
        clock=harness.clock, on_tick=harness.protection.on_tick,
    )  # fmt: skip
    await poll.poll()
    assert (await harness.position())["closed_at"] is None


async def test_the_same_print_told_again_is_as_old_as_at_first(database: Database) -> None:
    """M4.7: the venue is asked, and its price ends the position."""
    harness = await told(database, "94")
    await harness.enter()
    harness.clock.advance(timedelta(seconds=2))
    again = Tick(harness.clock.now(), SYMBOL, Decimal(94), after_gap=True, repeats=True)
    acting = harness.protection.on_tick(again)
    if acting is not None:
        await acting
    await sweep(harness)
    assert (await harness.position())["closed_at"] is None
    assert harness.venue.quote_calls == [{SYMBOL}]

    at_venue(harness, "94")
    await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_an_overtaken_mark_is_no_missing_one(database: Database) -> None:
    """M8.5: a second fill while the mark is asked for: the next sweep asks again, and nobody is woken."""
    plan = replace(STOP, trigger_price=TriggerPrice.MARK)
    kinds = frozenset({PriceKind.LAST, PriceKind.MARK})
    harness = await open_harness(
        database,
        replace(spec(exits=plan), entry=RESTS),
        traits=replace(AUTHORITATIVE, price_kinds=kinds),
    )
    harness.venue.prices = PriceCache(Decimal(100))
    at_venue(harness, "100")
    listen(harness)
    await harness.enter()
    (order,) = resting(harness)
    await fill(harness, order, "0.1", "98")
    harness.venue.told_prices[SYMBOL, PriceKind.MARK] = Decimal(99)
    harness.clock.advance(timedelta(seconds=1))

    async def second() -> None:
        await fill(harness, order, "0.9", "99")

    meanwhile(harness, second)
    result = await harness.protection.sweep(harness.clock.now())
    assert (result.failed, list(result.waiting.values())) == ({}, [OVERTAKEN])


async def test_a_price_that_stays_overtaken_is_a_fault(database: Database) -> None:
    """M3.4: the venue knows no price, and the stream is quiet: said after three sweeps."""
    harness = await told(database, "94")
    await harness.enter()

    async def none(_: Any) -> Any:
        return {}

    harness.venue.quotes = none  # type: ignore[assignment]
    assert not (await harness.protection.sweep(harness.clock.now())).failed
    harness.clock.advance(OVERTAKEN_FOR + timedelta(seconds=1))
    (reason,) = (await harness.protection.sweep(harness.clock.now())).failed.values()
    assert "no price since the fill" in reason


async def test_a_trailing_stop_of_an_operator_begins_at_the_fill(database: Database) -> None:
    """M4.7: the price in memory is of before it, and higher."""
    harness = await told(database, "110", spec(exits=STOP))
    await harness.enter()
    (position,) = harness.protection.held.values()
    changed = await harness.exit_changes.set(
        position.id, trailing_stop=Level(fraction=Decimal("0.05"))
    )
    assert (changed.best_price, changed.trailing_stop) == (Decimal(100), Decimal(95))


async def test_a_stop_of_an_operator_is_compared_with_the_fill(database: Database) -> None:
    """M4.7: 94 was the price before it, and has not met a stop at 95."""
    harness = await told(database, "94", spec(exits=ExitPlan(stop_loss=Decimal("0.2"))))
    await harness.enter()
    (position,) = harness.protection.held.values()
    changed = await harness.exit_changes.set(position.id, stop_loss=Level(price=Decimal(95)))
    assert changed.stop_loss == 95


async def test_a_print_that_is_told_again_is_compared_as_of_when_it_was_seen(
    database: Database,
) -> None:
    """M4.7: 94 was the price before the fill, and is polled once more after it."""
    harness = await told(database, "94", spec(exits=ExitPlan(stop_loss=Decimal("0.2"))))
    await harness.enter()
    harness.clock.advance(timedelta(seconds=1))
    harness.prices.record(Tick(harness.clock.now(), SYMBOL, Decimal(94), repeats=True))
    (position,) = harness.protection.held.values()
    changed = await harness.exit_changes.set(position.id, stop_loss=Level(price=Decimal(95)))
    assert changed.stop_loss == 95


async def test_a_time_that_is_over_is_missed_whatever_the_price_is_of(database: Database) -> None:
    """M3.10: the longest holding needs none."""
    plan = ExitPlan(stop_loss=Decimal("0.05"), max_holding=timedelta(seconds=30))
    harness = await told(database, "100", spec(exits=plan))
    await harness.enter()
    harness.clock.advance(timedelta(seconds=40))
    assert len(await harness.protection.missed_exits(harness.clock.now())) == 1


async def test_a_step_that_is_passed_over_makes_no_price_old(database: Database) -> None:
    """M4.7: it was too small to sell, and filled nothing: the same price takes the next one."""
    steps = (("0.05", "0.0001"), ("0.1", "0.5"), ("0.9", "0.4"))
    ladder = tuple(LadderStep(at=Decimal(at), share=Decimal(share)) for at, share in steps)
    harness = await told(
        database, "100", spec(exits=ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder))
    )
    harness.set_filters(lot_size=Decimal("0.01"))
    await harness.enter()
    harness.clock.advance(timedelta(seconds=1))
    harness.tick("130")
    harness.venue.reads_fail = True
    await sweep(harness, 3)
    assert (await harness.position())["ladder_done"] == 2


async def test_a_trade_that_was_told_late_is_as_old_as_it_is(database: Database) -> None:
    """M4.7: a stream that had stalled tells four seconds at once, the entry among them."""
    harness = await told(database, "100")
    symbol = replace(harness.symbols[SYMBOL], feeds=(FEED,))
    unused: Any = None
    stream = PriceStream(
        FEED, unused, symbols=[symbol], calendars={ALWAYS_OPEN: AlwaysOpen()}, ingest=unused,
        clock=harness.clock, host=unused, on_tick=harness.protection.on_tick, alarms=unwritten_alarms(),
    )  # fmt: skip
    await harness.enter()
    harness.clock.advance(timedelta(seconds=1))
    async with anyio.create_task_group() as tasks:
        stream._tell(tasks, LAST_OF, Decimal(94), timedelta(seconds=4))
    assert (await harness.position())["closed_at"] is None
    async with anyio.create_task_group() as tasks:
        stream._tell(tasks, LAST_OF, Decimal(94), timedelta(milliseconds=300))
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_print_that_a_stream_has_told_is_no_newer_where_it_is_polled(
    database: Database,
) -> None:
    """M4.7: told before the entry; then the stream is quiet, and the provider is asked."""
    harness = await told(database, "94")
    symbol = replace(harness.symbols[SYMBOL], feeds=(FEED,))
    await harness.enter()
    harness.clock.advance(timedelta(seconds=5))

    class Feed:
        price_every = timedelta(minutes=1)

        async def quotes(self, _: Any) -> dict[str, Decimal]:
            return {SYMBOL: Decimal(94)}

    feed: Any = Feed()
    poll = PricePoll(
        FEED, feeds={FEED: feed}, symbols=[symbol], calendars={ALWAYS_OPEN: AlwaysOpen()},
        clock=harness.clock, on_tick=harness.protection.on_tick,
    )  # fmt: skip
    await poll.poll()
    assert (await harness.position())["closed_at"] is None


async def test_an_answer_that_the_stream_has_overtaken_is_no_price(database: Database) -> None:
    """M4.7: 94 was asked for before the stream told 100; and 94 is told of later by nobody."""
    harness = await told(database, "100")
    await harness.enter()
    harness.clock.advance(timedelta(seconds=5))
    asked_at = harness.clock.now()
    harness.clock.advance(timedelta(seconds=3))
    await harness.stream("100")
    polled = Tick(asked_at, SYMBOL, Decimal(94), after_gap=True, repeats=True)
    assert harness.protection.on_tick(polled) is None
    assert (await harness.position())["closed_at"] is None
    assert harness.prices.price(SYMBOL) == 100
