"""Stops where the venue has hardly room for them."""

from datetime import timedelta
from decimal import Decimal

from tests.fakes.instruments import telling
from tests.fakes.resting import assert_one_truth, one, open_resting_harness, stops, sweep
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

D = Decimal


async def test_a_stop_that_trails_makes_way_first_where_there_is_no_room_for_two(
    database: Database,
) -> None:
    """M5.7: at a venue where both would rest for a moment."""
    bot = one(Replacement.OVERLAP, exits=ExitPlan(trailing_stop=D("0.05")))
    harness = await open_resting_harness(database, Replacement.OVERLAP, bot)
    harness.set_filters(max_stops=1)
    await harness.enter()
    await sweep(harness, times=2)
    assert stops(harness) == [(D(95), D(1))]
    for price in ("105", "120"):
        await harness.stream(price)
        await sweep(harness, times=3)
    assert stops(harness) == [(D(114), D(1))]
    assert await harness.open_alerts() == []
    await assert_one_truth(harness)

    harness.set_filters(max_stops=5)
    await harness.stream("140")
    await sweep(harness, times=3)
    assert stops(harness) == [(D(133), D(1))]


async def test_a_target_rests_as_soon_as_there_is_room_for_it(database: Database) -> None:
    """M5.7: asked again each minute; meanwhile the stop that rests is left alone."""
    plan = ExitPlan(stop_loss=D("0.05"), take_profit=D("0.05"))
    bot = one(Replacement.REPLACE, exits=plan)
    harness = telling(await open_resting_harness(database, Replacement.REPLACE, bot, linked=True))
    harness.set_filters(max_stops=1)
    await harness.enter()
    await sweep(harness, times=2)
    for _ in range(3):
        harness.clock.advance(timedelta(minutes=1))
        harness.tick("100")
        await sweep(harness)
    assert stops(harness) == [(D(95), D(1))]
    assert len(harness.venue.submitted) == 2

    harness.set_filters(max_stops=5)
    harness.clock.advance(timedelta(minutes=1))
    harness.tick("100")
    await sweep(harness, times=4)
    assert {each.stop_price for each in harness.venue.resting.values()} == {D(95), D(105)}
    await assert_one_truth(harness)
