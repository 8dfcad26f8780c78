"""When a position that is beyond its stop is a fault, and when its exit is on its way."""

from typing import Any, cast

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.trading import NOON
from tradebotd.jobs.stop_loss_check import SENT_WITHIN_SECONDS, StopLossCheck


class Beyond:
    """Says which positions have met an exit and are still there."""

    names: tuple[str, ...] = ("btc-ema BTCUSDT",)

    async def missed_exits(self, _now: object) -> list[str]:
        return list(self.names)


def check(speed: float, seconds: list[float], protection: Beyond) -> StopLossCheck:
    return StopLossCheck(
        protection=cast("Any", protection),
        prices=cast("Any", None),
        clock=FakeClock(NOON, speed),
        host_seconds=lambda: seconds[-1],
    )


@pytest.mark.parametrize("speed", [0.0, 1.0])
@pytest.mark.anyio
async def test_beyond_its_stop_is_a_fault_at_once_where_time_is_the_hosts(speed: float) -> None:
    """M2.8: a market that jumps waits for its exits, and a real one is as fast as we are."""
    assert not (await check(speed, [0.0], Beyond()).outcome()).ok


@pytest.mark.anyio
async def test_an_exit_that_is_on_its_way_is_no_fault_of_a_market_that_runs() -> None:
    """N18: at 60x an exit takes market seconds to leave; critical on a newcomer's first screen."""
    seconds, protection = [10.0], Beyond()
    job = check(60.0, seconds, protection)
    assert (await job.outcome()).ok
    seconds.append(10.0 + SENT_WITHIN_SECONDS - 0.1)
    assert (await job.outcome()).ok
    seconds.append(10.0 + SENT_WITHIN_SECONDS)
    told = await job.outcome()
    assert (told.ok, "btc-ema BTCUSDT" in told.message) == (False, True)

    protection.names = ()
    assert (await job.outcome()).ok
    protection.names = Beyond.names
    assert (await job.outcome()).ok, "another one begins anew"
