"""When a position that is beyond its stop is a fault, and when its exit is on its way."""

from decimal import Decimal
from typing import Any, cast

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.trading import NOON, PLAN
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import Position
from tradebotd.domain.side import PositionSide
from tradebotd.jobs.stop_loss_check import SENT_WITHIN_SECONDS, StopLossCheck


def held(number: int) -> Position:
    return Position(
        id=PositionId(number),
        bot=BotName("btc-ema"),
        venue=VenueName("paper"),
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        position_type=PositionType.SPOT,
        quantity=Decimal(1),
        entry_price=Decimal(100),
        opened_at=NOON,
        stop_loss=Decimal(99),
        take_profit=None,
        trailing_stop=None,
        best_price=Decimal(100),
        exits=PLAN,
        version=1,
    )


class Beyond:
    """Says which positions have met an exit and are still there."""

    positions: tuple[Position, ...] = (held(1),)

    async def missed_exits(self, _now: object) -> list[Position]:
        return list(self.positions)


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

    protection.positions = ()
    assert (await job.outcome()).ok
    protection.positions = Beyond.positions
    assert (await job.outcome()).ok, "another one begins anew"


@pytest.mark.anyio
async def test_the_next_position_of_a_bot_has_a_time_of_its_own() -> None:
    """N18: one closed, the next opened and beyond its stop between two looks: no fault yet."""
    seconds, protection = [10.0], Beyond()
    job = check(60.0, seconds, protection)
    assert (await job.outcome()).ok
    protection.positions = (held(2),)
    seconds.append(10.0 + SENT_WITHIN_SECONDS)
    assert (await job.outcome()).ok

    seconds.append(10.0 + 2 * SENT_WITHIN_SECONDS)
    assert not (await job.outcome()).ok
