"""What was found to agree is not compared again until either side may have changed."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import MINUTE, TradingHarness, open_harness, spec
from tradebotd.domain.position import CloseReason
from tradebotd.storage.postgres.database import Database


async def agreed(database: Database) -> TradingHarness:
    harness = await open_harness(database, spec())
    await harness.enter()
    assert (await harness.reconciler.run()).differences == []
    assert (await harness.reconciler.run()).differences == []
    return harness


async def statements(harness: TradingHarness) -> int:
    """How many one more reconciliation sends."""
    before = harness.database.pool_acquired
    result = await harness.reconciler.run()
    assert not result.failed
    return harness.database.pool_acquired - before


async def test_a_quiet_minute_compares_nothing(database: Database) -> None:
    """M5.5: a few statements about orders in doubt; the venue is asked all the same."""
    harness = await agreed(database)
    asked = harness.venue.asked_for.count("account")

    assert await statements(harness) <= 2
    assert harness.venue.asked_for.count("account") == asked + 1
    harness.clock.advance(15 * MINUTE)
    assert await statements(harness) > 5


async def by_the_venue(harness: TradingHarness) -> None:
    harness.venue.balances["BTC"] -= Decimal("0.5")


async def by_us(harness: TradingHarness) -> None:
    """Our books say more than there is: nothing is left of it at the venue, which says as before."""
    await harness.execute(
        "UPDATE positions SET quantity = quantity + 0.5, entry_quantity = entry_quantity + 0.5"
    )


@pytest.mark.parametrize("change", [by_the_venue, by_us])
async def test_whatever_changes_is_compared_at_once(
    database: Database, change: Callable[[TradingHarness], Awaitable[Any]]
) -> None:
    """M5.5, M8.2: what one side has done since is a difference in the very next look."""
    harness = await agreed(database)
    await statements(harness)
    await change(harness)

    (found,) = (await harness.reconciler.run()).differences
    assert found.excess == Decimal("-0.5")
    assert await harness.open_alerts() == ["position_differs"]
    (again,) = (await harness.reconciler.run()).differences
    assert again == found


async def test_what_was_changed_by_hand_in_the_database_is_seen_within_a_quarter_of_an_hour(
    database: Database,
) -> None:
    """M5.5: nobody but us writes there; somebody who does all the same is found out."""
    harness = await agreed(database)
    async with harness.database.connection() as connection:
        await connection.execute("UPDATE positions SET quantity = 0.5, entry_quantity = 0.5")

    assert (await harness.reconciler.run()).differences == []
    harness.clock.advance(timedelta(minutes=15))
    assert len((await harness.reconciler.run()).differences) == 1


async def test_what_is_sold_meanwhile_is_compared(database: Database) -> None:
    """M5.5: an exit is written durably, so that the next look is a whole one."""
    harness = await agreed(database)
    await statements(harness)
    (held,) = harness.protection.held.values()
    await harness.protection.close_now(held, CloseReason.SIGNAL)
    harness.venue.balances["BTC"] += Decimal("0.25")

    (found,) = (await harness.reconciler.run()).differences
    assert found.excess == Decimal("0.25")
