"""Stops that rest are seen to beside ticks and sweeps, so many at once, the naked ones first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from tests.fakes.resting import (
    behind_closed,
    move,
    one,
    open_resting_harness,
    restart,
    resting,
    stops,
    sweep,
)
from tests.fakes.trading import NOON, SYMBOL, TradingHarness
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import DatabaseUnavailableError, RolledBackError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId, PositionId
from tradebotd.domain.order import OrderReport, OrderStatus, OrderType
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.exit_groups import GroupKind
from tradebotd.storage.exit_reads import ExitRead
from tradebotd.storage.postgres.database import RESERVED_FOR_ORDERS, Database
from tradebotd.trading.exits.exit_placement import ExitPlacement

TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
AT_ONCE = 12
GENEROUS = 60.0
INSERT_OPEN = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price,
                           entry_cost, cost, stop_loss, best_price, exits, opened_at)
    SELECT p.bot, 'scripted', p.symbol, 'long', 'spot', 1, 1, 100, 100, 100, 95, 100, '{"stop_loss": "0.05"}', $3
      FROM unnest($1::text[], $2::text[]) AS p (bot, symbol)
"""


@asynccontextmanager
async def attended(harness: TradingHarness) -> AsyncIterator[None]:
    """Somebody lays stops to rest, as in the daemon."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.protection.run)
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(GENEROUS):
            yield
        tasks.cancel_scope.cancel()


async def until_resting(harness: TradingHarness, count: int) -> None:
    """In the books, too."""
    while True:
        row = await harness.row("SELECT count(*) AS n FROM orders WHERE status = 'new'")
        if row["n"] == count:
            return
        await anyio.lowlevel.checkpoint()


async def is_quiet(harness: TradingHarness) -> bool:
    """Nothing retires, and no order is on its way."""
    rows = await harness.rows(
        "SELECT 1 FROM exit_groups WHERE role = 'retiring'"
        " UNION ALL SELECT 1 FROM orders WHERE status = 'pending_new'"
    )
    return not rows


class SlowStops:
    """A venue that answers to no stop before `go`; what is sold at the market is answered at once."""

    def __init__(self, harness: TradingHarness) -> None:
        self.waiting, self.most, self.go, self.harness = 0, 0, anyio.Event(), harness
        self.came: list[ClientOrderId] = []
        harness.venue.before_submit = self.arrive

    async def arrive(self, order: ClientOrderId) -> None:
        row = await self.harness.row("SELECT type FROM orders WHERE client_order_id = $1", order)
        if row["type"] != OrderType.STOP_MARKET:
            return
        self.came.append(order)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.go.wait()
        self.waiting -= 1

    async def until(self, count: int) -> None:
        while self.waiting < count:
            await anyio.lowlevel.checkpoint()


def at_once(harness: TradingHarness, moves: int = AT_ONCE) -> None:
    harness.venue.traits = replace(harness.venue.traits, moves_at_once=moves)


async def many(database: Database, count: int, plan: ExitPlan = TRAIL) -> TradingHarness:
    specs = [
        one(Replacement.REPLACE, name=f"b{n:02}", symbol=f"S{n:02}USDT", exits=plan)
        for n in range(count)
    ]
    harness = await open_resting_harness(database, Replacement.REPLACE, *specs)
    at_once(harness)
    for each in specs:
        await harness.enter(each.name)
    return harness


async def test_ticks_and_sweeps_wait_for_no_stop(database: Database) -> None:
    """I4: a venue that is slow with stops keeps no position from being ended."""
    harness = await many(database, 20)
    slow = SlowStops(harness)
    async with attended(harness):
        await slow.until(AT_ONCE)
        await sweep(harness)
        await harness.stream("94", "S19USDT")
        closed = await harness.rows("SELECT bot FROM positions WHERE closed_at IS NOT NULL")
        assert [each["bot"] for each in closed] == ["b19"]
        assert (slow.waiting, resting(harness)) == (AT_ONCE, {})

        slow.go.set()
        await until_resting(harness, 19)
    assert slow.most == AT_ONCE


async def test_a_sweep_waits_for_no_exit_behind_a_closed_position(database: Database) -> None:
    """I4: a cancel that is not answered keeps no position from being ended."""
    specs = [one(Replacement.OVERLAP, name=f"b{n}", symbol=f"S{n}USDT") for n in range(2)]
    harness = await open_resting_harness(database, Replacement.OVERLAP, *specs)
    for each in specs:
        await harness.enter(each.name)
    await sweep(harness, 2)
    harness.venue.cancel_script.append(Behaviour.UNREACHABLE)
    await harness.stream("111", "S0USDT")
    assert len(await behind_closed(harness)) == 1
    asked, answer, cut = anyio.Event(), anyio.Event(), list[ClientOrderId]()

    async def slowly(order: ClientOrderId) -> None:
        asked.set()
        cut.append(order)
        await answer.wait()
        cut.remove(order)

    harness.venue.before_cancel = slowly
    async with attended(harness):
        await sweep(harness)
        await asked.wait()
        assert (await harness.protection.sweep(harness.clock.now())).checked == 1
        answer.set()
        while await behind_closed(harness):
            await anyio.lowlevel.checkpoint()
    assert cut == [], "the sweep waited for as long as anybody waits for a venue"


async def test_a_thousand_positions_get_their_stops_side_by_side_after_a_restart(
    database: Database,
) -> None:
    """M5.7: each once, so many at a time; not one after the other."""
    count, symbols = 1000, 10
    specs = [
        one(Replacement.CANCEL_FIRST, name=f"b{n:03}", symbol=f"S{n % symbols}USDT")
        for n in range(count)
    ]
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, *specs)
    at_once(harness)
    names, traded = [each.name for each in specs], [each.symbol for each in specs]
    await harness.execute(INSERT_OPEN, names, traded, NOON)
    for n in range(symbols):
        harness.venue.balances[f"S{n}"] = Decimal(count // symbols)
    after = await restart(harness)
    slow = SlowStops(after)
    await after.protection.load(after.clock.now())
    async with attended(after):
        await slow.until(AT_ONCE)
        slow.go.set()
        await until_resting(after, count)
    assert slow.most == AT_ONCE
    assert len(after.venue.submitted) == len(stops(after)) == count


async def test_what_is_naked_comes_before_what_only_moves(database: Database) -> None:
    """M5.7: whose stop is gone, or who is new, does not wait until all others have moved."""
    count = 4 * AT_ONCE
    symbol = f"S{count - 1:02}USDT"
    harness = await many(database, count)
    await sweep(harness, 2)
    for n in range(count):
        await harness.stream("108", f"S{n:02}USDT")
    slow = SlowStops(harness)
    async with attended(harness):
        await sweep(harness)
        await slow.until(AT_ONCE)
        (lost,) = [each for each, request in resting(harness).items() if request.symbol == symbol]
        await harness.recorder.record(await harness.venue.cancel(symbol, lost))
        slow.go.set()
        await until_resting(harness, count)
    moves = [request.symbol for _, request in harness.venue.submitted][2 * count :]
    assert AT_ONCE <= moves.index(symbol) < 2 * AT_ONCE


async def test_an_exit_at_the_market_is_not_behind_moves_of_stops(database: Database) -> None:
    """I4: connections are left to it, however many stops are being placed."""
    harness = await many(database, 2)
    shared, taken = database.pool_size - RESERVED_FOR_ORDERS, 0
    let_go = anyio.Event()

    async def hold() -> None:
        nonlocal taken
        async with database.connection():
            taken += 1
            await let_go.wait()

    async with attended(harness), anyio.create_task_group() as holding:
        for _ in range(shared):
            holding.start_soon(hold)
        while taken < shared:
            await anyio.lowlevel.checkpoint()
        position = next(iter(harness.protection.held.values()))
        await harness.protection.close_now(position, CloseReason.MANUAL)
        assert resting(harness) == {}
        let_go.set()
        await until_resting(harness, 1)


async def test_no_stop_waits_for_the_slowest_of_those_before_it(database: Database) -> None:
    """M5.7: whoever is free takes the next one; one that is not answered holds up itself alone."""
    harness = await many(database, 2 * AT_ONCE)
    slow = SlowStops(harness)
    first: list[ClientOrderId] = []

    async def arrive(order: ClientOrderId) -> None:
        if not first:
            first.append(order)
            await slow.arrive(order)

    harness.venue.before_submit = arrive
    async with attended(harness):
        await until_resting(harness, 2 * AT_ONCE - 1)
        assert slow.waiting == 1
        slow.go.set()
        await until_resting(harness, 2 * AT_ONCE)
    assert len(harness.venue.submitted) == 4 * AT_ONCE


async def test_a_stop_is_moved_soon_after_the_tick_that_moved_it(database: Database) -> None:
    """M4.7, M5.7: without a sweep, stored before it is sent, and not twice in a second."""
    harness = await many(database, 1)
    async with attended(harness):
        await until_resting(harness, 1)
        for seconds, price, expected in (
            (2, "108", "102.60"),
            (0.5, "110", "102.60"),  # within the second
            (0.6, "110.02", "104.52"),
            (2, "110.05", "104.52"),  # by too little
            (2, "112", "106.40"),
        ):
            harness.clock.advance(timedelta(seconds=seconds))
            await harness.stream(price, "S00USDT")
            if seconds < 1:
                await harness.protection.sweep(harness.clock.now())
            while stops(harness) != [(Decimal(expected), Decimal(1))]:
                await anyio.lowlevel.checkpoint()
            while not await is_quiet(harness):
                await anyio.lowlevel.checkpoint()
            row = await harness.row("SELECT trailing_stop FROM positions")
            assert row["trailing_stop"] >= Decimal(expected)
    assert len(harness.venue.submitted) == 5


@pytest.mark.parametrize("replacement", [Replacement.OVERLAP, Replacement.PROMISED])
async def test_what_has_made_way_is_cleared_behind_the_moves(
    database: Database, replacement: Replacement
) -> None:
    """B14, M5.4: no stop waits for the cancel of another one that a new one stands beside."""
    specs = [one(replacement, name=f"b{n}", symbol=f"S{n}USDT", exits=TRAIL) for n in range(8)]
    harness = await open_resting_harness(database, replacement, *specs)
    at_once(harness, 1)
    for each in specs:
        await harness.enter(each.name)
    await sweep(harness, 2)
    for each in specs:
        await harness.stream("108", each.symbol)
    sent, before = len(harness.venue.submitted), list[int]()

    async def cancelled(_: ClientOrderId) -> None:
        before.append(len(harness.venue.submitted) - sent)

    harness.venue.before_cancel = cancelled
    async with attended(harness):
        await sweep(harness)
        while stops(harness) != [(Decimal("102.60"), Decimal(1))] * len(specs):
            await anyio.lowlevel.checkpoint()
        while not await is_quiet(harness):
            await anyio.lowlevel.checkpoint()
    assert before == ([len(specs)] * len(specs) if replacement is Replacement.OVERLAP else [])
    assert await harness.rows("SELECT 1 FROM exit_groups WHERE role = 'retiring'") == []


@pytest.mark.parametrize(
    ("price", "moved"), [("108", "102.60"), ("108.04", "102.60"), ("108.2", "102.79")]
)
async def test_a_stop_that_trails_is_moved_by_more_than_a_tick_at_the_venue(
    database: Database, price: str, moved: str
) -> None:
    """M5.7: a call for each cent is a limit reached for nothing; our own check knows the cent."""
    harness = await open_resting_harness(
        database, Replacement.REPLACE, one(Replacement.REPLACE, exits=TRAIL)
    )
    await harness.enter()
    await harness.stream("108")
    await sweep(harness, 3)
    sent = len(harness.venue.submitted)

    await harness.stream(price)
    await sweep(harness, 3)

    assert stops(harness) == [(Decimal(moved), Decimal(1))]
    assert len(harness.venue.submitted) - sent == (price == "108.2")
    (held,) = harness.protection.held.values()
    await move(harness, str(held.trailing_stop))
    assert (await harness.position())["close_reason"] == "trailing_stop"


async def test_a_mark_that_comes_during_a_check_outlives_its_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5.5: the stop goes after the books were read; the database is away for the next look."""
    harness = await open_resting_harness(database, Replacement.REPLACE)
    await harness.enter()
    await sweep(harness, 2)
    (stop,) = resting(harness)
    (position_id,) = harness.protection.held
    real, reads = ExitPlacement.read, 0

    async def late(
        self: ExitPlacement, position_id: PositionId, kind: GroupKind = GroupKind.RESTING
    ) -> ExitRead:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise DatabaseUnavailableError("gone")
        read = await real(self, position_id, kind)
        if reads == 1:
            await harness.recorder.record(await harness.venue.cancel(SYMBOL, stop))
        return read

    monkeypatch.setattr(ExitPlacement, "read", late)
    harness.protection.release(position_id)  # an order of it has come to its end
    await harness.protection.run_once()
    await harness.protection.run_once()
    assert (reads, stops(harness)) == (2, [])

    await sweep(harness, 2)

    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]


async def test_a_mark_that_comes_while_another_round_works_is_not_cleared(
    database: Database,
) -> None:
    """M5.5: a sweep that meets a round at work leaves what came meanwhile to be seen."""
    specs = [one(Replacement.OVERLAP, name=f"b{n}", symbol=f"S{n}USDT") for n in range(2)]
    harness = await open_resting_harness(database, Replacement.OVERLAP, *specs)
    await harness.enter("b0")
    await sweep(harness, 2)
    (stop,) = resting(harness)
    await harness.enter("b1")
    slow = SlowStops(harness)
    with anyio.fail_after(GENEROUS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.protection.sweep, harness.clock.now())
            await slow.until(1)
            await harness.recorder.record(await harness.venue.cancel("S0USDT", stop))
            await harness.protection.sweep(harness.clock.now())
            slow.go.set()
        assert len(stops(harness)) == 1

        await harness.protection.run_once()

    assert len(stops(harness)) == 2


@pytest.mark.parametrize("is_attended", [False, True])
async def test_a_transaction_that_is_rolled_back_keeps_no_other_position_waiting(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    is_attended: bool,  # noqa: FBT001
) -> None:
    """M5.5, R5: the victim of a deadlock is no database that is away."""
    harness = await many(database, 3)
    at_once(harness, 1)
    victim, real, fell = min(harness.protection.held), ExitPlacement.read, 0

    async def read(
        self: ExitPlacement, position_id: PositionId, kind: GroupKind = GroupKind.RESTING
    ) -> ExitRead:
        nonlocal fell
        if position_id == victim and not fell:
            fell += 1
            raise RolledBackError("deadlock detected")
        return await real(self, position_id, kind)

    monkeypatch.setattr(ExitPlacement, "read", read)
    if is_attended:
        async with attended(harness):
            await until_resting(harness, 2)
            await sweep(harness)
            await until_resting(harness, 3)
    else:
        result = await harness.protection.sweep(harness.clock.now())
        assert result.failed == {str(victim): "RolledBackError: deadlock detected"}
        assert len(stops(harness)) == 2
        await sweep(harness)
    assert (len(stops(harness)), fell) == (3, 1)


async def test_a_stop_that_is_taken_and_ended_at_once_is_not_replaced_without_end(
    database: Database,
) -> None:
    """M5.7, M8: ever less often, and one alert counts it, until a stop has rested for a minute."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    submit = harness.venue.submit

    async def flapping(*args: Any, **changes: Any) -> OrderReport:
        report = await submit(*args, **changes)
        if report.client_order_id not in resting(harness):
            return report
        over = await harness.venue.cancel(SYMBOL, report.client_order_id)
        return replace(over, status=OrderStatus.EXPIRED)

    harness.venue.submit = flapping  # type: ignore[method-assign]
    sent = []
    for _ in range(40):
        await harness.protection.sweep(harness.clock.now())
        harness.clock.advance(timedelta(milliseconds=100))
        sent.append(len(harness.venue.submitted) - 1)
    assert (sent[0], sent[-1]) == (1, 6), "at 0, 0.1, 0.3, 0.7, 1.5 and 3.1 s"
    (alert,) = await harness.rows("SELECT count, cleared_at FROM alerts")
    assert alert["count"] >= 5
    assert alert["cleared_at"] is None

    harness.venue.submit = submit  # type: ignore[method-assign]
    await sweep(harness, 5)
    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]
    assert await harness.open_alerts() == ["resting_stop_lost"]
    await sweep(harness, 12)
    assert await harness.open_alerts() == []
    assert len(await harness.rows("SELECT 1 FROM alerts")) == 1


async def test_a_pause_that_a_worker_has_begun_ends_without_a_tick_or_a_sweep(
    database: Database,
) -> None:
    """M5.7, I4: one leg of a pair is told to be over, and the other one never is."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, linked=True)
    await harness.enter()
    await sweep(harness, 3)
    harness.venue.listener = None
    stop = next(
        name for name, each in resting(harness).items() if each.type is OrderType.STOP_MARKET
    )
    over = await harness.venue.cancel(SYMBOL, stop)
    assert resting(harness) == {}

    async with attended(harness):
        await harness.recorder.record(over)
        while not stops(harness):
            harness.clock.advance(timedelta(milliseconds=10))
            await anyio.lowlevel.checkpoint()
