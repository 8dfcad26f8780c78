"""Stops that rest are seen to beside ticks and sweeps, so many at once, the naked ones first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import anyio
import pytest

from tests.fakes.resting import (
    behind_closed,
    move,
    one,
    open_resting_desk,
    restart,
    resting,
    stops,
    sweep,
)
from tests.fakes.trading import NOON, Desk
from tests.fakes.venue import Behaviour
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderType
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
AT_ONCE, A_ROUND = 12, 48
GENEROUS = 60.0
INSERT_OPEN = """
    INSERT INTO positions (bot, venue, symbol, side, position_type, quantity, entry_quantity, entry_price,
                           entry_cost, cost, stop_loss, best_price, exits, opened_at)
    SELECT p.bot, 'scripted', p.symbol, 'long', 'spot', 1, 1, 100, 100, 100, 95, 100, '{"stop_loss": "0.05"}', $3
      FROM unnest($1::text[], $2::text[]) AS p (bot, symbol)
"""


@asynccontextmanager
async def attended(desk: Desk) -> AsyncIterator[None]:
    """Somebody lays stops to rest, as in the daemon."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.protection.attend)
        await anyio.lowlevel.checkpoint()
        with anyio.fail_after(GENEROUS):
            yield
        tasks.cancel_scope.cancel()


async def until_resting(desk: Desk, count: int) -> None:
    """In the books, too."""
    while True:
        row = await desk.row("SELECT count(*) AS n FROM orders WHERE status = 'new'")
        if row["n"] == count:
            return
        await anyio.lowlevel.checkpoint()


class SlowStops:
    """A venue that answers to no stop before `go`; what is sold at the market is answered at once."""

    def __init__(self, desk: Desk) -> None:
        self.waiting, self.most, self.go, self.desk = 0, 0, anyio.Event(), desk
        self.came: list[ClientOrderId] = []
        desk.venue.before_submit = self.arrive

    async def arrive(self, order: ClientOrderId) -> None:
        row = await self.desk.row("SELECT type FROM orders WHERE client_order_id = $1", order)
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


async def many(database: Database, count: int, plan: ExitPlan = TRAIL) -> Desk:
    specs = [
        one(Replacement.REPLACE, name=f"b{n:02}", symbol=f"S{n:02}USDT", exits=plan)
        for n in range(count)
    ]
    desk = await open_resting_desk(database, Replacement.REPLACE, *specs)
    for each in specs:
        await desk.enter(each.name)
    return desk


async def test_ticks_and_sweeps_wait_for_no_stop(database: Database) -> None:
    """I4: a venue that is slow with stops keeps no position from being ended."""
    desk = await many(database, 20)
    slow = SlowStops(desk)
    async with attended(desk):
        await slow.until(AT_ONCE)
        await sweep(desk)
        await desk.stream("94", "S19USDT")
        closed = await desk.rows("SELECT bot FROM positions WHERE closed_at IS NOT NULL")
        assert [each["bot"] for each in closed] == ["b19"]
        assert (slow.waiting, resting(desk)) == (AT_ONCE, {})

        slow.go.set()
        await until_resting(desk, 19)
    assert slow.most == AT_ONCE


async def test_a_sweep_waits_for_no_exit_behind_a_closed_position(database: Database) -> None:
    """I4: a cancel that is not answered keeps no position from being ended."""
    specs = [one(Replacement.OVERLAP, name=f"b{n}", symbol=f"S{n}USDT") for n in range(2)]
    desk = await open_resting_desk(database, Replacement.OVERLAP, *specs)
    for each in specs:
        await desk.enter(each.name)
    await sweep(desk, 2)
    desk.venue.cancel_script.append(Behaviour.UNREACHABLE)
    await desk.stream("111", "S0USDT")
    assert len(await behind_closed(desk)) == 1
    asked, answer, cut = anyio.Event(), anyio.Event(), list[ClientOrderId]()

    async def slowly(order: ClientOrderId) -> None:
        asked.set()
        cut.append(order)
        await answer.wait()
        cut.remove(order)

    desk.venue.before_cancel = slowly
    async with attended(desk):
        await sweep(desk)
        await asked.wait()
        assert (await desk.protection.sweep(desk.clock.now())).checked == 1
        answer.set()
        while await behind_closed(desk):
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
    desk = await open_resting_desk(database, Replacement.CANCEL_FIRST, *specs)
    names, traded = [each.name for each in specs], [each.symbol for each in specs]
    await desk.execute(INSERT_OPEN, names, traded, NOON)
    for n in range(symbols):
        desk.venue.balances[f"S{n}"] = Decimal(count // symbols)
    after = await restart(desk)
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
    count, symbol = 2 * A_ROUND, f"S{2 * A_ROUND - 1:02}USDT"
    desk = await many(database, count)
    await sweep(desk, 2)
    for n in range(count):
        await desk.stream("108", f"S{n:02}USDT")
    slow = SlowStops(desk)
    async with attended(desk):
        await sweep(desk)
        await slow.until(AT_ONCE)
        (lost,) = [each for each, request in resting(desk).items() if request.symbol == symbol]
        await desk.recorder.record(await desk.venue.cancel(symbol, lost))
        slow.go.set()
        await until_resting(desk, count)
    moves = [request.symbol for _, request in desk.venue.submitted][2 * count :]
    assert A_ROUND <= moves.index(symbol) < A_ROUND + AT_ONCE


@pytest.mark.parametrize(
    ("price", "moved"), [("108", "102.60"), ("108.04", "102.60"), ("108.2", "102.79")]
)
async def test_a_stop_that_trails_is_moved_by_more_than_a_tick_at_the_venue(
    database: Database, price: str, moved: str
) -> None:
    """M5.7: a call for each cent is a limit reached for nothing; our own check knows the cent."""
    desk = await open_resting_desk(
        database, Replacement.REPLACE, one(Replacement.REPLACE, exits=TRAIL)
    )
    await desk.enter()
    await desk.stream("108")
    await sweep(desk, 3)
    sent = len(desk.venue.submitted)

    await desk.stream(price)
    await sweep(desk, 3)

    assert stops(desk) == [(Decimal(moved), Decimal(1))]
    assert len(desk.venue.submitted) - sent == (price == "108.2")
    (held,) = desk.protection.held.values()
    await move(desk, str(held.trailing_stop))
    assert (await desk.position())["close_reason"] == "trailing_stop"
