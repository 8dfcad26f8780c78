"""Entries that rest when something stops them: taken back at once, side by side, whoever hangs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.trading import BOT, NOON, SYMBOL, TradingHarness, open_harness, spec
from tradebotd.daemon.wiring.tick_router import TickRouter
from tradebotd.domain.bot import DailyLimits, EntryKind, EntryRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.exit_plan import ExitPlan, LadderStep
from tradebotd.domain.ids import BotName, ClientOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs import run_bots
from tradebotd.jobs.run_bots import RunBots
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.bots.cycle import CycleResult
from tradebotd.venues.paper.fill_model import PaperTerms

WAIT = 30.0
TODAY = NOON.date()
LIMITS = DailyLimits(
    max_daily_trades=2, max_daily_loss=Decimal("0.03"), daily_target=Decimal("0.05")
)
RESTS = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))
LIMITED = spec(entry=RESTS, limits=LIMITS)
NAMES = tuple(f"C{number}USDT" for number in range(10))


async def rests(database: Database, *names: str, **changes: Any) -> TradingHarness:
    """Each of *names* is a symbol of which one bot has a buy resting at 99."""
    bots = [replace(LIMITED, name=BotName(name), symbol=name) for name in names]
    harness = await open_harness(database, *(bots or [replace(LIMITED, **changes)]), speed=1.0)
    for each in harness.specs.values():
        await harness.candles(100.0, 100.0, symbol=each.symbol)
        harness.says(SignalKind.BUY, bot=each.name)
        await harness.run(each.name)
    assert len(harness.venue.resting) == max(1, len(names))
    return harness


async def counts(harness: TradingHarness, pnl: int = 0, trades: int = 0, days_ago: int = 0) -> None:
    await harness.execute(
        "UPDATE bot_states SET day = $1, daily_pnl = $2, daily_trades_count = $3",
        TODAY - timedelta(days=days_ago),
        pnl,
        trades,
    )


# At once


async def halt(harness: TradingHarness) -> None:
    await harness.gate.halt("operator")


async def pause(harness: TradingHarness) -> None:
    await harness.commands.pause_bot(BOT)


async def lose_too_much(harness: TradingHarness) -> None:
    await harness.account.snapshot(harness.clock.now())
    await harness.earns(-100_000)
    await harness.entries.review(
        await harness.account.value(pause_seconds=0.001), harness.clock.now()
    )


@pytest.mark.parametrize("stop", [halt, pause, lose_too_much])
async def test_what_rests_is_taken_back_at_once_by_whoever_attends(
    database: Database, stop: Callable[[TradingHarness], Awaitable[None]]
) -> None:
    """M5.8: not at the bots' next minute: it could be filled until then."""
    harness = await rests(database)
    harness.entry_orders.dirty = False

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.entry_orders.run_once)
            await stop(harness)

    assert harness.venue.resting == {}
    assert [order["status"] for order in await harness.orders()] == ["canceled"]


async def test_who_attends_still_hears_of_a_stop_after_the_sweep_of_a_job(
    database: Database,
) -> None:
    """M5.8: a job of the minute swept while nothing had stopped; the halt comes behind it."""
    harness = await rests(database)
    harness.entry_orders.dirty = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.entry_orders.run)
        await anyio.wait_all_tasks_blocked()
        await harness.entry_orders.sweep(harness.clock.now())
        await harness.gate.halt("operator")
        with anyio.move_on_after(WAIT):
            while harness.venue.resting:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    assert harness.venue.resting == {}


async def test_a_limit_that_a_fill_reaches_takes_back_what_rests(database: Database) -> None:
    """M4.8: a step of the ladder made the day's target; the rest of the entry is not wanted."""
    ladder = (LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),)
    harness = await rests(
        database,
        exits=ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder),
        limits=DailyLimits(daily_target=Decimal("0.0002")),
    )
    (entry,) = harness.venue.resting
    await harness.recorder.record(harness.venue.fill(entry, Decimal("0.5")))
    await harness.entry_orders.sweep(harness.clock.now())
    assert list(harness.venue.resting) == [entry]

    await harness.stream("101.2")
    with anyio.fail_after(WAIT):
        await harness.entry_orders.run_once()

    assert harness.venue.resting == {}
    assert (await harness.position())["quantity"] == Decimal("0.35")


async def test_a_replay_takes_back_before_the_next_price(database: Database) -> None:
    """M5.8 at speed 0, where nobody attends: the price that would fill it comes after the halt."""
    terms = PaperTerms(
        starting_cash={"USDT": Decimal(10_000)},
        maker=Decimal(0),
        taker=Decimal(0),
        slippage_bps=Decimal(0),
        spread_bps=Decimal(0),
    )
    harness = await open_harness(database, LIMITED, paper=terms)
    points = TickRouter(
        harness.protection,
        [harness.paper],
        harness.protection.hours,
        harness.prices,
        harness.entry_orders,
    )
    await harness.candles(100.0, 100.0)
    harness.says(SignalKind.BUY)
    await harness.run()
    await harness.gate.halt("operator")

    for price in ("99.5", "98.5"):
        harness.clock.advance(timedelta(seconds=20))
        acting = points.on_tick(Tick(harness.clock.now(), SYMBOL, Decimal(price)))
        if acting is not None:
            await acting

    assert [order["status"] for order in await harness.orders()] == ["canceled"]
    assert harness.protection.held == {}


# A pause by a limit


@pytest.mark.parametrize(
    ("pnl", "trades", "limit"),
    [
        (-30, 0, "max_daily_loss reached"),
        (50, 0, "daily target reached"),
        (0, 2, "max_daily_trades reached"),
    ],
)
@pytest.mark.parametrize("cycle_has_seen_it", [False, True])
async def test_a_bot_whose_limit_is_reached_keeps_no_entry_resting(
    database: Database, pnl: int, trades: int, limit: str, *, cycle_has_seen_it: bool
) -> None:
    """M4.8: whether its cycle has come to pause it or not."""
    harness = await rests(database)
    await counts(harness, pnl, trades)
    if cycle_has_seen_it:
        await harness.minute()
        await harness.run()
        assert (await harness.state())["paused_by"] == "limit"

    result = await harness.entry_orders.sweep(harness.clock.now())

    assert list(result.cancelled.values()) == [f"its bot is paused ({limit})"]
    assert harness.venue.resting == {}


async def test_a_limit_of_yesterday_takes_nothing_back(database: Database) -> None:
    """M4.8: the day is over, though nobody has come to lift the pause yet."""
    harness = await rests(database)
    await counts(harness, -30, 2, days_ago=1)
    await harness.execute("UPDATE bot_states SET paused_by = 'limit'")

    assert (await harness.entry_orders.sweep(harness.clock.now())).cancelled == {}
    assert len(harness.venue.resting) == 1


async def test_a_trade_that_it_has_begun_itself_takes_no_entry_back(database: Database) -> None:
    """M4.8: the limit is on trades, and a part of this one has been filled; the next is too many."""
    harness = await rests(database)
    await counts(harness, trades=1)
    (entry,) = harness.venue.resting
    await harness.recorder.record(harness.venue.fill(entry, Decimal("0.4")))
    assert (await harness.state())["daily_trades_count"] == LIMITS.max_daily_trades

    assert (await harness.entry_orders.sweep(harness.clock.now())).cancelled == {}

    await counts(harness, trades=3)
    assert list((await harness.entry_orders.sweep(harness.clock.now())).cancelled) == [entry]


# Side by side


async def test_ten_that_their_venue_does_not_answer_are_asked_side_by_side(
    database: Database,
) -> None:
    """M5.5: the last does not wait for the time-outs of nine."""
    harness = await rests(database, *NAMES)
    asked: set[str] = set()
    all_asked = anyio.Event()

    async def hang(order: ClientOrderId) -> None:
        asked.add(order)
        if len(asked) == len(NAMES):
            all_asked.set()
        await all_asked.wait()

    harness.venue.before_cancel = hang
    await harness.gate.halt("operator")
    with anyio.fail_after(WAIT):
        result = await harness.entry_orders.sweep(harness.clock.now())

    assert (len(result.cancelled), result.failed) == (len(NAMES), {})
    assert harness.venue.resting == {}


async def test_one_bots_signal_does_not_wait_for_the_cancel_of_another(
    database: Database,
) -> None:
    """M4.2: each bot on its own, also while a venue hangs over one of them."""
    first, second = BotName(NAMES[0]), BotName(NAMES[1])
    harness = await rests(database, first, second)
    hangs, go = anyio.Event(), anyio.Event()
    one = next(iter(harness.venue.resting))

    async def hang(order: ClientOrderId) -> None:
        if order == one:
            hangs.set()
            await go.wait()

    harness.venue.before_cancel = hang
    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.entry_orders.withdraw, first, "by hand")
            await hangs.wait()
            result = await harness.entry_orders.withdraw(second, "the signal turned")
            go.set()

    assert list(result.cancelled.values()) == ["the signal turned"]
    assert harness.venue.resting == {}


async def test_two_who_want_the_same_back_ask_once_and_both_know(database: Database) -> None:
    """M5.5: a cancel is sent once; whoever comes second waits for its answer."""
    harness = await rests(database)
    hangs, go = anyio.Event(), anyio.Event()

    async def hang(_: ClientOrderId) -> None:
        hangs.set()
        await go.wait()

    results = []

    async def withdraw() -> None:
        results.append(await harness.entry_orders.withdraw(BOT, "the signal turned"))

    harness.venue.before_cancel = hang
    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(withdraw)
            await hangs.wait()
            tasks.start_soon(withdraw)
            await anyio.wait_all_tasks_blocked()
            go.set()

    assert [len(each.cancelled) for each in results] == [1, 1]
    assert len(harness.venue.cancelled) == 1


async def test_an_adapter_that_fails_over_one_keeps_no_other(database: Database) -> None:
    """P5: a mistake in an answer is that order's alone."""
    harness = await rests(database, *NAMES[:3])
    bad = next(iter(harness.venue.resting))

    async def fail(order: ClientOrderId) -> None:
        if order == bad:
            raise KeyError("executedQty")

    harness.venue.before_cancel = fail
    await harness.gate.halt("operator")
    result = await harness.entry_orders.sweep(harness.clock.now())

    assert list(result.failed) == [bad]
    assert list(harness.venue.resting) == [bad]


async def test_the_bots_go_on_while_a_venue_does_not_cancel(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.6, M4.2: one entry's cancel holds up no cycle; it is asked for again, with patience."""
    harness = await rests(database)
    two = spec("two", "ETHUSDT")
    harness.specs[two.name] = two
    stuck = anyio.Event()

    async def hang(_: ClientOrderId) -> None:
        await stuck.wait()

    harness.venue.before_cancel = hang
    harness.clock.advance(RESTS.lifetime)
    ran: list[BotName] = []

    class Cycle:
        async def run(self, name: BotName, _: object) -> object:
            ran.append(name)
            return CycleResult(status="running")

    monkeypatch.setattr(run_bots, "HURRIED_SECONDS", 0.01)
    job = RunBots(
        cycle=Cycle(),  # type: ignore[arg-type]
        entry_orders=harness.entry_orders,
        specs=harness.specs,
        database=database,
        sequential=False,
    )
    with anyio.fail_after(WAIT):
        summary = await job.run(harness.context())

    assert set(ran) == {BOT, two.name}
    assert summary.failed == 1
    assert harness.entry_orders.dirty
    stuck.set()
    with anyio.fail_after(WAIT):
        await harness.entry_orders.run_once()
    assert harness.venue.resting == {}


async def test_what_rests_is_taken_back_while_nothing_can_be_written(database: Database) -> None:
    """N4: what is filled now could not be protected."""
    harness = await rests(database)
    harness.database.writes.fail("DiskFullError: could not extend file")

    result = await harness.entry_orders.sweep(harness.clock.now())

    assert list(result.cancelled.values()) == ["PostgreSQL cannot write"]


async def test_a_cancel_that_tells_of_another_order_has_taken_nothing_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2, M5.8: it rests still, and whoever stopped it is told so."""
    harness = await rests(database)
    (entry,) = harness.venue.resting
    lie = replace(
        harness.venue.orders[entry],
        client_order_id=ClientOrderId("another"),
        status=OrderStatus.CANCELED,
    )

    async def mistaken(*_: object) -> OrderReport:
        return lie

    monkeypatch.setattr(harness.venue, "cancel", mistaken)
    await harness.gate.halt("operator")

    result = await harness.entry_orders.sweep(harness.clock.now())

    assert (result.cancelled, list(result.failed)) == ({}, [entry])
