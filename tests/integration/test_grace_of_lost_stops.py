"""A price has met a stop, which is lost before it fills: ticks watch its position again at once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from tests.fakes.resting import one, open_resting_harness, resting, stops, sweep
from tests.fakes.trading import SYMBOL, TradingHarness
from tests.fakes.venue import Behaviour
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.order import OrderStatus
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

SECOND = timedelta(seconds=1)
STOP = ExitPlan(stop_loss=Decimal("0.05"))
TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))


async def met(database: Database, plan: ExitPlan) -> TradingHarness:
    """The stop of the position rests at 95, and a tick at 94 has met it."""
    bot = one(Replacement.CANCEL_FIRST, exits=plan)
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, bot, speed=1.0)
    await harness.enter()
    harness.clock.advance(SECOND)
    await harness.protection.run_once()
    await sweep(harness)
    await harness.stream("94")
    return harness


async def lose(harness: TradingHarness) -> None:
    """It expires unfilled, and the price is back above it when that is told."""
    (order,) = resting(harness)
    report = await harness.venue.cancel(SYMBOL, order)
    harness.clock.advance(timedelta(milliseconds=300))
    await harness.stream("97")
    await harness.recorder.record(replace(report, status=OrderStatus.EXPIRED))
    await harness.protection.run_once()


async def test_the_next_tick_that_meets_the_stop_ends_the_position(database: Database) -> None:
    """M5.7, M3.10: after the new stop's own grace, and by ticks alone."""
    harness = await met(database, STOP)
    await lose(harness)
    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]
    for _ in range(4):
        harness.clock.advance(SECOND)
        await harness.stream("93")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_trailing_stop_goes_on_following(database: Database) -> None:
    """M4.7: the high of after the loss counts."""
    harness = await met(database, TRAIL)
    await lose(harness)
    harness.clock.advance(SECOND)
    for price in ("110", "150", "145"):
        await harness.stream(price)
    (position,) = harness.protection.held.values()
    current = harness.protection.as_moved(position)
    assert current.trailing_stop == Decimal("142.50")


async def test_a_refused_exit_waits_as_long_as_before(database: Database) -> None:
    """M3.10: the pause is of the refusal, and ends by itself."""
    harness = await met(database, STOP)
    harness.clock.advance(timedelta(seconds=3))
    harness.venue.script.append(Behaviour.REJECT)
    await harness.stream("94")
    until = harness.protection._market_exits.timers.next
    assert until is not None
    assert until > harness.clock.now()
    (position_id,) = harness.protection.held
    harness.protection._holds._on_stop_lost(position_id)
    assert harness.protection._market_exits.timers.next == until
    harness.clock.advance(timedelta(seconds=3))
    await harness.stream("94")
    assert (await harness.position())["close_reason"] == "stop_loss"
