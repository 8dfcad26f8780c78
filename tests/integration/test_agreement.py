"""What was found to agree is not compared again until either side may have changed."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.trading import MINUTE, Desk, open_desk, spec
from tradebotd.domain.position import CloseReason
from tradebotd.storage.postgres.database import Database


async def agreed(database: Database) -> Desk:
    desk = await open_desk(database, spec())
    await desk.enter()
    assert (await desk.reconciler.run()).differences == []
    assert (await desk.reconciler.run()).differences == []
    return desk


async def statements(desk: Desk) -> int:
    """How many one more reconciliation sends."""
    before = desk.database.pool_acquired
    result = await desk.reconciler.run()
    assert not result.failed
    return desk.database.pool_acquired - before


async def test_a_quiet_minute_compares_nothing(database: Database) -> None:
    """M5.5: a few statements about orders in doubt; the venue is asked all the same."""
    desk = await agreed(database)
    asked = desk.venue.asked_for.count("account")

    assert await statements(desk) <= 2
    assert desk.venue.asked_for.count("account") == asked + 1
    desk.clock.advance(15 * MINUTE)
    assert await statements(desk) > 5


async def by_the_venue(desk: Desk) -> None:
    desk.venue.balances["BTC"] -= Decimal("0.5")


async def by_us(desk: Desk) -> None:
    """Our books say more than there is: nothing is left of it at the venue, which says as before."""
    await desk.execute(
        "UPDATE positions SET quantity = quantity + 0.5, entry_quantity = entry_quantity + 0.5"
    )


@pytest.mark.parametrize("change", [by_the_venue, by_us])
async def test_whatever_changes_is_compared_at_once(
    database: Database, change: Callable[[Desk], Awaitable[Any]]
) -> None:
    """M5.5, M8.2: what one side has done since is a difference in the very next look."""
    desk = await agreed(database)
    await statements(desk)
    await change(desk)

    (found,) = (await desk.reconciler.run()).differences
    assert found.more == Decimal("-0.5")
    assert await desk.open_alerts() == ["position_differs"]
    (again,) = (await desk.reconciler.run()).differences
    assert again == found


async def test_what_was_changed_by_hand_in_the_database_is_seen_within_a_quarter_of_an_hour(
    database: Database,
) -> None:
    """M5.5: nobody but us writes there; somebody who does all the same is found out."""
    desk = await agreed(database)
    async with desk.database.connection() as connection:
        await connection.execute("UPDATE positions SET quantity = 0.5, entry_quantity = 0.5")

    assert (await desk.reconciler.run()).differences == []
    desk.clock.advance(timedelta(minutes=15))
    assert len((await desk.reconciler.run()).differences) == 1


async def test_what_is_sold_meanwhile_is_compared(database: Database) -> None:
    """M5.5: an exit is written durably, so that the next look is a whole one."""
    desk = await agreed(database)
    await statements(desk)
    (held,) = desk.protection.held.values()
    await desk.protection.close_by_hand(held, CloseReason.SIGNAL)
    desk.venue.balances["BTC"] += Decimal("0.25")

    (found,) = (await desk.reconciler.run()).differences
    assert found.more == Decimal("0.25")
