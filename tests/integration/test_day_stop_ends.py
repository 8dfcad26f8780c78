"""Ends of stops that last for a day: told early, found after a restart, quiet over night."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.resting import (
    assert_one_truth,
    guard,
    listen,
    one,
    restart,
    resting,
    settle,
    sweep,
    traits,
    unpromised,
)
from tests.fakes.trading import NOON, TradingHarness, open_harness
from tests.integration.test_day_stops import (
    CLOSE,
    DAY,
    NEXT_OPEN,
    SECOND,
    at,
    calendar,
    held_by_day,
    reopened,
)
from tradebotd.domain.order import OrderStatus
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database


async def end_early(harness: TradingHarness) -> None:
    """The venue's clock is ahead of ours: to it, the day is over."""
    (order,) = resting(harness)
    report = harness.venue._end(order, OrderStatus.EXPIRED)
    await harness.recorder.record(report)
    await harness.protection.sweep(harness.clock.now())


@unpromised
async def test_an_end_that_is_told_early_is_no_loss(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: no alarm, and no other stop is placed that would end in two seconds."""
    harness = await held_by_day(database, replacement)
    await at(harness, CLOSE - 2 * SECOND)
    await end_early(harness)

    assert await harness.open_alerts() == []
    assert resting(harness) == {}
    assert guard(harness) == "daemon"
    harness.clock.advance(SECOND)
    await harness.protection.sweep(harness.clock.now())
    assert len(harness.venue.submitted) == 2  # the entry, and the stop of the day
    assert len(await reopened(harness, NEXT_OPEN)) == 1
    assert guard(harness) == "both"
    assert await harness.open_alerts() == []


async def test_the_margin_is_as_wide_as_the_orders_of_the_venue_may_be_late(
    database: Database,
) -> None:
    """M5.7: a clock that is further away refuses orders anyway."""
    harness = await held_by_day(database)
    harness.venue.traits = replace(harness.venue.traits, receive_window=timedelta(seconds=30))
    await at(harness, CLOSE - timedelta(seconds=20))
    await end_early(harness)
    assert await harness.open_alerts() == []
    assert resting(harness) == {}


async def test_the_day_that_a_stop_has_lasted_for_is_not_asked_for_over_night(
    database: Database,
) -> None:
    """M4.4: a sweep while the market is closed reads no group, and asks no venue."""
    harness = await held_by_day(database)
    await at(harness, CLOSE)
    await sweep(harness)
    placement, reads = harness.protection._resting._placement, 0
    read = placement.read

    async def counted(*args: object, **kwargs: object) -> object:
        nonlocal reads
        reads += 1
        return await read(*args, **kwargs)  # type: ignore[arg-type]

    placement.read = counted  # type: ignore[method-assign, assignment]
    harness.venue.asked_for.clear()
    await sweep(harness, 20)
    assert reads == 0
    assert harness.venue.asked_for == []
    assert len(await reopened(harness, NEXT_OPEN)) == 1


@unpromised
@pytest.mark.parametrize("told", [True, False])
async def test_a_restart_over_night_places_the_stop_at_the_open(
    database: Database, replacement: Replacement, *, told: bool
) -> None:
    """M5.7: whether the end was told to the process before, or to nobody."""
    harness = await held_by_day(database, replacement)
    if not told:
        harness.venue.listener = None
    await at(harness, CLOSE + timedelta(hours=1), told=told)
    after = await restart(harness, calendar=calendar())
    await after.protection.load(after.clock.now())
    await sweep(after, 2)
    assert guard(after) == "daemon"
    assert await after.open_alerts() == []

    assert len(await reopened(after, NEXT_OPEN)) == 1
    assert guard(after) == "both"
    assert await after.open_alerts() == []
    await assert_one_truth(after)


@unpromised
async def test_around_the_clock_a_day_ends_at_midnight_and_the_stop_is_placed_at_once(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: the market never closes, so nothing waits for the morning."""
    by_day = replace(traits(replacement), times_in_force=dict.fromkeys(CONDITIONAL, (DAY,)))
    harness = await open_harness(database, one(replacement), traits=by_day)
    listen(harness)
    await harness.enter()
    await sweep(harness, 2)
    (before,) = resting(harness)
    midnight = (NOON + timedelta(days=1)).replace(hour=0)
    for instant in (midnight - SECOND, midnight):
        harness.clock.set(instant)
        harness.tick("100")
        await harness.venue.open_orders()
        await harness.protection.sweep(harness.clock.now())
    harness.tick("100")
    await sweep(harness)
    (after,) = resting(harness)
    assert after != before
    assert guard(harness) == "both"
    assert await harness.open_alerts() == []
    await settle(harness)
    await assert_one_truth(harness)
