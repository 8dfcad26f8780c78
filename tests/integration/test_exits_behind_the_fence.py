"""While nothing may be sent under the lease, exits wait; as soon as something may, they leave."""

from datetime import timedelta

import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.resting import open_resting_harness, restart, stops
from tests.fakes.trading import TradingHarness, open_harness, spec
from tests.integration.test_exit_outages import STOP
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.lease import FENCE_MARGIN, LEASE_SECONDS, Lease

WINDOW = 5.0
FENCE = int(WINDOW + FENCE_MARGIN)


class Behind:
    """The harness's account, taken over just now; its clocks run together."""

    def __init__(self, harness: TradingHarness) -> None:
        self.harness, self.host = harness, ShiftedHost()
        self.lease = Lease(
            account="default", token=harness.token, host=self.host, seconds=3600.0, taken_over=True
        )
        self.lease.start_fence(WINDOW)
        harness.placement._lease = self.lease

    def wait(self, seconds: float) -> None:
        self.harness.clock.advance(timedelta(seconds=seconds))
        self.host.shift += timedelta(seconds=seconds)


@pytest.mark.parametrize("way", ["tick", "sweep"])
async def test_a_stop_that_is_met_behind_the_fence_leaves_as_soon_as_it_may(
    database: Database, way: str
) -> None:
    """I4, M1.6: no pause grows meanwhile, no order is made in vain, and nobody is told of a refusal."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    behind = Behind(harness)

    async def look() -> None:
        if way == "tick":
            await harness.stream("89")
        else:
            harness.tick("89")
            await harness.protection.sweep(harness.clock.now())

    for _ in range(FENCE):
        await look()
        behind.wait(1)
    alerts = await harness.open_alerts()
    behind.wait(0.5)
    await look()

    assert (await harness.position())["close_reason"] == "stop_loss"
    assert (len(await harness.orders()), alerts) == (2, [])


async def test_a_signal_waits_for_the_fence(database: Database) -> None:
    """M1.6, M4.5: it is asked again on its candle, and leaves no order behind."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    (position,) = harness.protection.held.values()
    behind = Behind(harness)
    with pytest.raises(OrderDeniedError, match="taken over"):
        await harness.protection.close_now(position, CloseReason.SIGNAL)
    assert len(await harness.orders()) == 1

    behind.wait(FENCE + 0.5)
    await harness.protection.close_now(position, CloseReason.SIGNAL)
    assert (await harness.position())["close_reason"] == "signal"


async def test_an_exit_that_waited_for_a_beat_leaves_with_the_next_tick_after_it(
    database: Database,
) -> None:
    """2.5, I4: a database that was away for longer than the lease costs no pause of its own."""
    harness = await open_harness(database, spec(exits=STOP))
    await harness.enter()
    behind = Behind(harness)
    harness.placement._lease = lease = Lease(
        account="default", token=harness.token, host=behind.host
    )
    behind.wait(LEASE_SECONDS + 1)
    for _ in range(7):
        await harness.stream("89")
        behind.wait(1)
    assert len(await harness.orders()) == 1

    lease.renewed(behind.host.monotonic())
    behind.wait(1)
    await harness.stream("89")
    assert (await harness.position())["close_reason"] == "stop_loss"


async def test_a_stop_is_laid_to_rest_by_the_first_sweep_behind_the_fence(
    database: Database,
) -> None:
    """M5.7, M1.6: what may not be sent yet was refused by nobody."""
    before = await open_resting_harness(database, Replacement.OVERLAP)
    await before.enter()
    harness = await restart(before)
    behind = Behind(harness)
    for _ in range(3):
        await harness.protection.sweep(harness.clock.now())
        behind.wait(5)
    assert (stops(harness), len(await harness.orders())) == ([], 1)
    assert await harness.open_alerts() == []

    behind.wait(5)
    await harness.protection.sweep(harness.clock.now())
    assert len(stops(harness)) == 1
