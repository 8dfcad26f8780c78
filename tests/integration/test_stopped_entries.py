"""Entries that rest when something stops them: taken back at once, side by side, whoever hangs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from tests.fakes.trading import BOT, NOON, SYMBOL, Desk, open_desk, spec
from tradebotd.daemon.wiring.tick_router import Points
from tradebotd.domain.bot import DailyLimits, EntryKind, EntryRule
from tradebotd.domain.candle import PathPoint
from tradebotd.domain.exits import ExitPlan, LadderStep
from tradebotd.domain.ids import BotName, ClientOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.signal import SignalKind
from tradebotd.jobs import run_bots
from tradebotd.jobs.run_bots import RunBots
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.bots.cycle import CycleResult
from tradebotd.trading.operator.commands import OperatorHands
from tradebotd.venues.paper.fill_model import PaperTerms

WAIT = 30.0
TODAY = NOON.date()
LIMITS = DailyLimits(
    max_daily_trades=2, max_daily_loss=Decimal("0.03"), daily_target=Decimal("0.05")
)
RESTS = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))
LIMITED = spec(entry=RESTS, limits=LIMITS)
NAMES = tuple(f"C{number}USDT" for number in range(10))


async def rests(database: Database, *names: str, **changes: Any) -> Desk:
    """Each of *names* is a symbol of which one bot has a buy resting at 99."""
    bots = [replace(LIMITED, name=BotName(name), symbol=name) for name in names]
    desk = await open_desk(database, *(bots or [replace(LIMITED, **changes)]), speed=1.0)
    for each in desk.specs.values():
        await desk.candles(100.0, 100.0, symbol=each.symbol)
        desk.says(SignalKind.BUY, bot=each.name)
        await desk.run(each.name)
    assert len(desk.venue.resting) == max(1, len(names))
    return desk


async def counts(desk: Desk, pnl: int = 0, trades: int = 0, days_ago: int = 0) -> None:
    await desk.execute(
        "UPDATE bot_states SET day = $1, daily_pnl = $2, daily_trades_count = $3",
        TODAY - timedelta(days=days_ago),
        pnl,
        trades,
    )


# At once


async def halt(desk: Desk) -> None:
    await desk.gate.halt("operator")


async def pause(desk: Desk) -> None:
    await OperatorHands(desk.database, desk.protection, desk.gate).pause_bot(BOT)


async def lose_too_much(desk: Desk) -> None:
    await desk.account.snapshot(desk.clock.now())
    await desk.earns(-100_000)
    await desk.entries.review(await desk.account.worth(pause_seconds=0.001), desk.clock.now())


@pytest.mark.parametrize("stop", [halt, pause, lose_too_much])
async def test_what_rests_is_taken_back_at_once_by_whoever_attends(
    database: Database, stop: Callable[[Desk], Awaitable[None]]
) -> None:
    """M5.8: not at the bots' next minute: it could be filled until then."""
    desk = await rests(database)
    desk.entry_orders.stirred = False

    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.entry_orders.attend_once)
            await stop(desk)

    assert desk.venue.resting == {}
    assert [order["status"] for order in await desk.orders()] == ["canceled"]


async def test_who_attends_still_hears_of_a_stop_after_the_sweep_of_a_job(
    database: Database,
) -> None:
    """M5.8: a job of the minute swept while nothing had stopped; the halt comes behind it."""
    desk = await rests(database)
    desk.entry_orders.stirred = False

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.entry_orders.attend)
        await anyio.wait_all_tasks_blocked()
        await desk.entry_orders.sweep(desk.clock.now())
        await desk.gate.halt("operator")
        with anyio.move_on_after(WAIT):
            while desk.venue.resting:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    assert desk.venue.resting == {}


async def test_a_limit_that_a_fill_reaches_takes_back_what_rests(database: Database) -> None:
    """M4.8: a step of the ladder made the day's target; the rest of the entry is not wanted."""
    ladder = (LadderStep(at=Decimal("0.02"), share=Decimal("0.3")),)
    desk = await rests(
        database,
        exits=ExitPlan(stop_loss=Decimal("0.05"), ladder=ladder),
        limits=DailyLimits(daily_target=Decimal("0.0002")),
    )
    (entry,) = desk.venue.resting
    await desk.recorder.record(desk.venue.fill(entry, Decimal("0.5")))
    await desk.entry_orders.sweep(desk.clock.now())
    assert list(desk.venue.resting) == [entry]

    await desk.stream("101.2")
    with anyio.fail_after(WAIT):
        await desk.entry_orders.attend_once()

    assert desk.venue.resting == {}
    assert (await desk.position())["quantity"] == Decimal("0.35")


async def test_a_replay_takes_back_before_the_next_price(database: Database) -> None:
    """M5.8 at speed 0, where nobody attends: the price that would fill it comes after the halt."""
    terms = PaperTerms(
        starting_cash={"USDT": Decimal(10_000)},
        maker=Decimal(0),
        taker=Decimal(0),
        slippage_bps=Decimal(0),
        spread_bps=Decimal(0),
    )
    desk = await open_desk(database, LIMITED, paper=terms)
    points = Points(
        desk.protection, [desk.paper], desk.protection.hours, desk.prices, desk.entry_orders
    )
    await desk.candles(100.0, 100.0)
    desk.says(SignalKind.BUY)
    await desk.run()
    await desk.gate.halt("operator")

    for price in ("99.5", "98.5"):
        desk.clock.advance(timedelta(seconds=20))
        acting = points.on_point(PathPoint(desk.clock.now(), SYMBOL, Decimal(price)))
        if acting is not None:
            await acting

    assert [order["status"] for order in await desk.orders()] == ["canceled"]
    assert desk.protection.held == {}


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
    desk = await rests(database)
    await counts(desk, pnl, trades)
    if cycle_has_seen_it:
        await desk.minute()
        await desk.run()
        assert (await desk.state())["paused_by"] == "limit"

    result = await desk.entry_orders.sweep(desk.clock.now())

    assert list(result.cancelled.values()) == [f"its bot is paused ({limit})"]
    assert desk.venue.resting == {}


async def test_a_limit_of_yesterday_takes_nothing_back(database: Database) -> None:
    """M4.8: the day is over, though nobody has come to lift the pause yet."""
    desk = await rests(database)
    await counts(desk, -30, 2, days_ago=1)
    await desk.execute("UPDATE bot_states SET paused_by = 'limit'")

    assert (await desk.entry_orders.sweep(desk.clock.now())).cancelled == {}
    assert len(desk.venue.resting) == 1


async def test_a_trade_that_it_has_begun_itself_takes_no_entry_back(database: Database) -> None:
    """M4.8: the limit is on trades, and a part of this one has been filled; the next is too many."""
    desk = await rests(database)
    await counts(desk, trades=1)
    (entry,) = desk.venue.resting
    await desk.recorder.record(desk.venue.fill(entry, Decimal("0.4")))
    assert (await desk.state())["daily_trades_count"] == LIMITS.max_daily_trades

    assert (await desk.entry_orders.sweep(desk.clock.now())).cancelled == {}

    await counts(desk, trades=3)
    assert list((await desk.entry_orders.sweep(desk.clock.now())).cancelled) == [entry]


# Side by side


async def test_ten_that_their_venue_does_not_answer_are_asked_side_by_side(
    database: Database,
) -> None:
    """M5.5: the last does not wait for the time-outs of nine."""
    desk = await rests(database, *NAMES)
    asked: set[str] = set()
    all_asked = anyio.Event()

    async def hang(order: ClientOrderId) -> None:
        asked.add(order)
        if len(asked) == len(NAMES):
            all_asked.set()
        await all_asked.wait()

    desk.venue.before_cancel = hang
    await desk.gate.halt("operator")
    with anyio.fail_after(WAIT):
        result = await desk.entry_orders.sweep(desk.clock.now())

    assert (len(result.cancelled), result.failed) == (len(NAMES), {})
    assert desk.venue.resting == {}


async def test_one_bots_signal_does_not_wait_for_the_cancel_of_another(
    database: Database,
) -> None:
    """M4.2: each bot on its own, also while a venue hangs over one of them."""
    first, second = BotName(NAMES[0]), BotName(NAMES[1])
    desk = await rests(database, first, second)
    hangs, go = anyio.Event(), anyio.Event()
    one = next(iter(desk.venue.resting))

    async def hang(order: ClientOrderId) -> None:
        if order == one:
            hangs.set()
            await go.wait()

    desk.venue.before_cancel = hang
    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.entry_orders.withdraw, first, "by hand")
            await hangs.wait()
            result = await desk.entry_orders.withdraw(second, "the signal turned")
            go.set()

    assert list(result.cancelled.values()) == ["the signal turned"]
    assert desk.venue.resting == {}


async def test_two_who_want_the_same_back_ask_once_and_both_know(database: Database) -> None:
    """M5.5: a cancel is sent once; whoever comes second waits for its answer."""
    desk = await rests(database)
    hangs, go = anyio.Event(), anyio.Event()

    async def hang(_: ClientOrderId) -> None:
        hangs.set()
        await go.wait()

    results = []

    async def withdraw() -> None:
        results.append(await desk.entry_orders.withdraw(BOT, "the signal turned"))

    desk.venue.before_cancel = hang
    with anyio.fail_after(WAIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(withdraw)
            await hangs.wait()
            tasks.start_soon(withdraw)
            await anyio.wait_all_tasks_blocked()
            go.set()

    assert [len(each.cancelled) for each in results] == [1, 1]
    assert len(desk.venue.cancelled) == 1


async def test_an_adapter_that_fails_over_one_keeps_no_other(database: Database) -> None:
    """P5: a mistake in an answer is that order's alone."""
    desk = await rests(database, *NAMES[:3])
    bad = next(iter(desk.venue.resting))

    async def fail(order: ClientOrderId) -> None:
        if order == bad:
            raise KeyError("executedQty")

    desk.venue.before_cancel = fail
    await desk.gate.halt("operator")
    result = await desk.entry_orders.sweep(desk.clock.now())

    assert list(result.failed) == [bad]
    assert list(desk.venue.resting) == [bad]


async def test_the_bots_go_on_while_a_venue_does_not_cancel(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2.6, M4.2: one entry's cancel holds up no cycle; it is asked for again, with patience."""
    desk = await rests(database)
    two = spec("two", "ETHUSDT")
    desk.specs[two.name] = two
    stuck = anyio.Event()

    async def hang(_: ClientOrderId) -> None:
        await stuck.wait()

    desk.venue.before_cancel = hang
    desk.clock.advance(RESTS.lifetime)
    ran: list[BotName] = []

    class Cycle:
        async def run(self, name: BotName, _: object) -> object:
            ran.append(name)
            return CycleResult(status="running")

    monkeypatch.setattr(run_bots, "HURRIED_SECONDS", 0.01)
    job = RunBots(
        cycle=Cycle(),  # type: ignore[arg-type]
        entry_orders=desk.entry_orders,
        specs=desk.specs,
        database=database,
        sequential=False,
    )
    with anyio.fail_after(WAIT):
        summary = await job.run(desk.context())

    assert set(ran) == {BOT, two.name}
    assert summary.failed == 1
    assert desk.entry_orders.stirred
    stuck.set()
    with anyio.fail_after(WAIT):
        await desk.entry_orders.attend_once()
    assert desk.venue.resting == {}


async def test_what_rests_is_taken_back_while_nothing_can_be_written(database: Database) -> None:
    """N4: what is filled now could not be protected."""
    desk = await rests(database)
    desk.database.writes.fail("DiskFullError: could not extend file")

    result = await desk.entry_orders.sweep(desk.clock.now())

    assert list(result.cancelled.values()) == ["PostgreSQL cannot write"]


async def test_a_cancel_that_tells_of_another_order_has_taken_nothing_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.2, M5.8: it rests still, and whoever stopped it is told so."""
    desk = await rests(database)
    (entry,) = desk.venue.resting
    lie = replace(
        desk.venue.orders[entry],
        client_order_id=ClientOrderId("another"),
        status=OrderStatus.CANCELED,
    )

    async def mistaken(*_: object) -> OrderReport:
        return lie

    monkeypatch.setattr(desk.venue, "cancel", mistaken)
    await desk.gate.halt("operator")

    result = await desk.entry_orders.sweep(desk.clock.now())

    assert (result.cancelled, list(result.failed)) == ({}, [entry])
