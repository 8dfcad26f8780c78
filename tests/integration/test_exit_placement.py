"""Exits that meet exits: cut at every wait, for each capability, nothing is sold twice or forgotten."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import (
    CAPABILITIES,
    assert_one_truth,
    at_venue,
    one,
    open_resting_harness,
    restart,
    resting,
    settle,
    stops,
    sweep,
)
from tests.fakes.steps import cancelled_at
from tests.fakes.trading import TradingHarness, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.instrument import PositionType
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
MOST_WAITS = 400
capabilities = pytest.mark.parametrize("replacement", CAPABILITIES)


async def place(harness: TradingHarness) -> Awaitable[Any]:
    return harness.protection.sweep(harness.clock.now())


async def move_up(harness: TradingHarness) -> Awaitable[Any]:
    await sweep(harness, 2)
    await harness.stream("108")
    return harness.protection.sweep(harness.clock.now())


async def close(harness: TradingHarness) -> Awaitable[Any]:
    """The daemon's trigger is tighter than what rests: 102.6 against 95."""
    await sweep(harness, 2)
    await harness.stream("108")
    return harness.stream("102")


Scene = Callable[[TradingHarness], Awaitable[Awaitable[Any]]]
scenes = pytest.mark.parametrize("scene", [place, move_up, close])


@scenes
@capabilities
async def test_cut_at_any_wait_nothing_is_sold_twice_and_nothing_is_forgotten(
    database: Database, replacement: Replacement, scene: Scene
) -> None:
    """M5.4, M5.7, M5.2: then a new daemon reconciles and sweeps; the venue's ledger is the judge."""
    cuts = 0
    for step in range(1, MOST_WAITS):
        await clean(database)
        harness = await open_resting_harness(
            database, replacement, one(replacement, exits=TRAIL), sequential=True
        )
        await harness.enter()
        work = await scene(harness)
        if not await cancelled_at(step, work):
            break
        cuts += 1
        after = await restart(harness)
        await after.protection.load(after.clock.now())
        await settle(after)
        await assert_one_truth(after)
        if at_venue(after):
            assert len(stops(after)) == 1, f"cut at wait {step}"
            assert stops(after)[0][1] == at_venue(after)
        else:
            assert resting(after) == {}, f"cut at wait {step}"
        sold = [fill for fill in after.venue.fills if fill.side == "sell"]
        assert sum((fill.quantity for fill in sold), Decimal(0)) + at_venue(after) == 1
    assert cuts > 5


async def clean(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "TRUNCATE fills, orders, exit_groups, positions, order_events, bot_states, bot_configs, "
            "decision_runs, alerts, leadership, ohlc CASCADE"
        )


@capabilities
async def test_a_refused_replacement_leaves_a_stop_behind(
    database: Database, replacement: Replacement
) -> None:
    """2.3: what is active always has an order, or the next sweep gives it one."""
    harness = await open_resting_harness(database, replacement, one(replacement, exits=TRAIL))
    await harness.enter()
    await sweep(harness, 2)
    await harness.stream("108")
    harness.venue.script.append(Behaviour.REJECT)
    await sweep(harness)
    await sweep(harness, 4)

    assert stops(harness) == [(Decimal("102.60"), Decimal(1))]
    await assert_one_truth(harness)


@capabilities
async def test_a_replacement_whose_answer_is_lost_ends_with_one_stop(
    database: Database, replacement: Replacement
) -> None:
    """M5.2: executed or not, the venue is asked; nothing is sent again blindly."""
    for behaviour in (Behaviour.DROP_AFTER, Behaviour.DROP_BEFORE):
        await clean(database)
        harness = await open_resting_harness(database, replacement, one(replacement, exits=TRAIL))
        await harness.enter()
        await sweep(harness, 2)
        await harness.stream("108")
        harness.venue.script.append(behaviour)
        await sweep(harness)
        await settle(harness, 6)

        assert stops(harness) == [(Decimal("102.60"), Decimal(1))], behaviour
        await assert_one_truth(harness)


async def test_a_second_exit_goes_at_once_where_it_can_only_reduce(database: Database) -> None:
    """2.3: an unknown exit retires; two reduce-only ones cannot sell more than is there."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    harness.venue.script.clear()
    await harness.enter()
    await sweep(harness, 2)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await harness.stream("111")
    groups = await harness.rows("SELECT role, kind FROM exit_groups ORDER BY id")
    assert [each["role"] for each in groups].count("retiring") <= 1

    await sweep(harness, 2)

    assert at_venue(harness) == 0
    await settle(harness)
    await assert_one_truth(harness)


@pytest.mark.parametrize("behaviour", [Behaviour.DROP_BEFORE, Behaviour.DROP_AFTER])
async def test_a_second_exit_that_could_sell_more_waits_for_evidence(
    database: Database, behaviour: Behaviour
) -> None:
    """2.3: on spot, until fills and balances were asked; then one of them sells, not both."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    harness.venue.balances["BTC"] = Decimal(4)  # somebody else's: they are not ours to sell
    await harness.reconciler.run()
    await harness.enter()
    await sweep(harness, 2)
    harness.venue.script.append(behaviour)
    await harness.stream("111")
    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")

    await sweep(harness, 3)

    assert at_venue(harness) == 4
    assert (await harness.position())["close_reason"] == "take_profit"
    assert await harness.broken_books() == []


async def test_no_second_exit_while_the_first_may_still_arrive(database: Database) -> None:
    """2.3: on spot; the venue's receive window has not passed, whatever it says of the first."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    harness.venue.traits = replace(harness.venue.traits, receive_window=timedelta(minutes=10))
    await harness.enter()
    await sweep(harness, 2)
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await harness.stream("111")
    sent = len(harness.venue.submitted)

    await sweep(harness, 3)

    assert len(harness.venue.submitted) == sent
    assert (await harness.position())["closed_at"] is None


@capabilities
async def test_a_hundred_positions_are_replaced_and_closed_without_one_too_many(
    database: Database, replacement: Replacement
) -> None:
    """M1.3, M5.4: side by side."""
    futures = replacement is Replacement.OVERLAP
    specs = [
        spec(
            f"b{n}",
            f"S{n}USDT",
            exits=TRAIL,
            position_type=PositionType.FUTURES if futures else PositionType.SPOT,
        )
        for n in range(100)
    ]
    harness = await open_resting_harness(database, replacement, *specs)
    for each in specs:
        await harness.enter(each.name)
    await sweep(harness, 2)
    assert len(stops(harness)) == 100
    for each in specs:
        await harness.stream("108", each.symbol)
    await sweep(harness, 2)
    assert {level for level, _ in stops(harness)} == {Decimal("102.60")}

    for each in specs:
        harness.tick("101", each.symbol)
    await harness.protection.sweep(harness.clock.now())
    await harness.protection.sweep(harness.clock.now())
    await settle(harness, 2)

    assert resting(harness) == {}
    for each in specs:
        assert at_venue(harness, each.symbol) == 0
    assert await harness.broken_books() == []
    rows = await harness.row(
        "SELECT count(*) AS n FROM trades WHERE close_reason = 'trailing_stop'"
    )
    assert rows["n"] == 100
