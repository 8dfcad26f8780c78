"""While nothing may be sent under the lease, exits wait; as soon as something may, they leave."""

from datetime import timedelta

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.resting import open_resting_desk, restart, stops
from tests.fakes.trading import Desk, open_desk, spec
from tests.integration.test_exits_in_trouble import STOP
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.lease import FENCE_MARGIN, LEASE_SECONDS, Lease

WINDOW = 5.0
FENCE = int(WINDOW + FENCE_MARGIN)


class Behind:
    """The desk's account, taken over just now; its clocks run together."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.host = desk, ShiftedHost()
        self.lease = Lease(
            account="default", token=desk.token, host=self.host, seconds=3600.0, taken_over=True
        )
        self.lease.open_fence(WINDOW)
        desk.placement._lease = self.lease

    def wait(self, seconds: float) -> None:
        self.desk.clock.advance(timedelta(seconds=seconds))
        self.host.shift += timedelta(seconds=seconds)


@pytest.mark.parametrize("way", ["tick", "sweep"])
async def test_a_stop_that_is_met_behind_the_fence_leaves_as_soon_as_it_may(
    database: Database, way: str
) -> None:
    """I4, M1.6: no pause grows meanwhile, no order is made in vain, and nobody is told of a refusal."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    behind = Behind(desk)

    async def look() -> None:
        if way == "tick":
            await desk.stream("89")
        else:
            desk.tick("89")
            await desk.protection.sweep(desk.clock.now())

    for _ in range(FENCE):
        await look()
        behind.wait(1)
    alerts = await desk.open_alerts()
    behind.wait(0.5)
    await look()

    assert (await desk.position())["close_reason"] == "stop_loss"
    assert (len(await desk.orders()), alerts) == (2, [])


async def test_a_signal_waits_for_the_fence(database: Database) -> None:
    """M1.6, M4.5: it is asked again on its candle, and leaves no order behind."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    (position,) = desk.protection.held.values()
    behind = Behind(desk)
    with pytest.raises(OrderDeniedError, match="taken over"):
        await desk.protection.close_by_hand(position, CloseReason.SIGNAL)
    assert len(await desk.orders()) == 1

    behind.wait(FENCE + 0.5)
    await desk.protection.close_by_hand(position, CloseReason.SIGNAL)
    assert (await desk.position())["close_reason"] == "signal"


async def test_an_exit_that_waited_for_a_beat_leaves_with_the_next_tick_after_it(
    database: Database,
) -> None:
    """2.5, I4: a database that was away for longer than the lease costs no pause of its own."""
    desk = await open_desk(database, spec(exits=STOP))
    await desk.enter()
    behind = Behind(desk)
    desk.placement._lease = lease = Lease(account="default", token=desk.token, host=behind.host)
    behind.wait(LEASE_SECONDS + 1)
    for _ in range(7):
        await desk.stream("89")
        behind.wait(1)
    assert len(await desk.orders()) == 1

    lease.beaten(behind.host.monotonic())
    behind.wait(1)
    await desk.stream("89")
    assert (await desk.position())["close_reason"] == "stop_loss"


async def test_a_stop_is_laid_to_rest_by_the_first_sweep_behind_the_fence(
    database: Database,
) -> None:
    """M5.7, M1.6: what may not be sent yet was refused by nobody."""
    before = await open_resting_desk(database, Replacement.OVERLAP)
    await before.enter()
    desk = await restart(before)
    behind = Behind(desk)
    for _ in range(3):
        await desk.protection.sweep(desk.clock.now())
        behind.wait(5)
    assert (stops(desk), len(await desk.orders())) == ([], 1)
    assert await desk.open_alerts() == []

    behind.wait(5)
    await desk.protection.sweep(desk.clock.now())
    assert len(stops(desk)) == 1
