"""Stop-limits that the price has met: their grace, their alarm, and what they guard after that."""

from datetime import timedelta
from decimal import Decimal

from tests.fakes.resting import at_venue, guard, resting, sweep, unpromised
from tests.fakes.trading import TradingHarness
from tests.fakes.venue import Behaviour
from tests.integration.test_resting_types import (
    LIMITS_ONLY,
    at_venue_with,
    gap,
    rests,
)
from tradebotd.daemon.disk_watch import guards_of
from tradebotd.domain.order import OrderType
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

UNFILLED = "stop_limit_unfilled"


async def meet(harness: TradingHarness, price: str, after: int = 3) -> None:
    """The price is seen there by us; the venue has not come to it."""
    harness.clock.advance(timedelta(seconds=after))
    await harness.stream(price)


@unpromised
async def test_a_second_touch_has_the_grace_of_the_first(
    database: Database, replacement: Replacement
) -> None:
    """2.3: the price turned, and what rests was never passed over."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    await meet(harness, "95")
    await meet(harness, "99", after=1)
    for _ in range(2):
        await sweep(harness)
    await meet(harness, "95", after=600)
    assert len(rests(harness)) == 1
    assert (await harness.position())["closed_at"] is None

    await meet(harness, "94.9")
    assert (await harness.position())["close_reason"] == "stop_loss"
    assert await harness.open_alerts() == [UNFILLED]


async def test_a_price_that_wavers_does_not_put_the_exit_off(database: Database) -> None:
    """2.3: the grace runs from the first touch, whatever the price does within it."""
    harness = await at_venue_with(database, Replacement.CANCEL_FIRST, speed=1.0, **LIMITS_ONLY)
    await meet(harness, "95", after=0)
    harness.clock.advance(timedelta(seconds=1))
    harness.tick("96")
    await harness.protection.sweep(harness.clock.now())
    await meet(harness, "94.9", after=1)
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_stop_that_was_moved_has_a_grace_of_its_own(database: Database) -> None:
    """2.3: another order rests; that it was met is not yet known of it."""
    harness = await at_venue_with(database, Replacement.REPLACE, speed=1.0, **LIMITS_ONLY)
    await meet(harness, "95", after=0)
    harness.tick("100")
    await harness.execute("UPDATE positions SET stop_loss = 96, version = version + 1")
    await harness.protection.sweep(harness.clock.now())
    assert [each.stop_price for each in rests(harness)] == [Decimal(96)]
    await meet(harness, "96")
    assert (await harness.position())["closed_at"] is None


@unpromised
async def test_a_fill_that_is_told_late_raises_no_alarm(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: it did fill; what is not known is not claimed."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    (order,) = resting(harness)
    harness.venue.listener = None
    harness.venue._fill(order, Decimal(1), Decimal("94.9"))
    for price in ("94.9", "94.8", "94.7"):
        await gap(harness, price)
    assert UNFILLED not in await harness.open_alerts()
    for _ in range(3):
        await harness.reconciler.run()
        await sweep(harness, 2)
    assert (await harness.position())["exit_price"] == Decimal("94.9")
    assert UNFILLED not in await harness.open_alerts()
    assert at_venue(harness) == 0


async def test_the_alarm_comes_although_the_exit_behind_it_is_refused(database: Database) -> None:
    """M5.7: the stop-limit is gone, and has left all of it."""
    harness = await at_venue_with(database, Replacement.CANCEL_FIRST, **LIMITS_ONLY)
    harness.venue.script.append(Behaviour.REJECT)
    for price in ("90", "89"):
        await gap(harness, price)
    assert UNFILLED in await harness.open_alerts()
    row = await harness.row("SELECT message FROM alerts WHERE code = $1", UNFILLED)
    assert "1 BTCUSDT" in row["message"]


@unpromised
async def test_what_was_passed_over_guards_no_more(
    database: Database, replacement: Replacement
) -> None:
    """M5.7, M8: the exit cannot leave either; neither the screens nor systemd count the stop."""
    harness = await at_venue_with(database, replacement, **LIMITS_ONLY)
    (position_id,) = harness.protection.held
    harness.lease.mark_lost()
    for price in ("90", "89"):
        await gap(harness, price)
    assert harness.protection.resting_quantity(position_id) == 1
    assert harness.protection.protected_by(position_id) == "daemon"
    assert guards_of(harness.protection).resting == []
    assert len(guards_of(harness.protection).unguarded) == 1
    assert harness.protection._unguarded() == {harness.venue.name: 1}

    for _ in range(2):
        harness.tick("100")
        await sweep(harness)
    assert harness.protection.protected_by(position_id) == "both"


async def test_a_target_that_is_passed_over_leaves_the_stop_a_guard(database: Database) -> None:
    """M5.7: no price has met that."""
    limits = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT})
    harness = await at_venue_with(
        database, Replacement.CANCEL_FIRST, linked=True, order_types=limits
    )
    harness.lease.mark_lost()
    await meet(harness, "110")
    await meet(harness, "111")
    assert len(rests(harness)) == 2
    assert guard(harness) == "both"
