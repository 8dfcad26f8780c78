from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tradebotd.clocks.market import LONGEST_STANDSTILL_SECONDS, MarketClock
from tradebotd.clocks.wall import WallClock

START = datetime(2022, 1, 3, tzinfo=UTC)


async def a_few_turns() -> None:
    for _ in range(5):
        await checkpoint()


def test_market_time_runs_so_many_times_as_fast_as_host_time() -> None:
    host = [100.0]
    clock = MarketClock(START, 60, host_seconds=lambda: host[0])
    host[0] += 2

    assert (clock.kind, clock.speed) == ("market", 60)
    assert clock.now() == START + timedelta(minutes=2)
    clock.stop_at(START + timedelta(minutes=3))
    host[0] += 1000
    assert clock.now() == START + timedelta(minutes=3)


def test_market_time_goes_no_further_than_it_is_let_and_makes_up_for_nothing() -> None:
    """2.4: who plays the prices says how far; a busy host does not make them old."""
    host = [100.0]
    clock = MarketClock(START, 60, host_seconds=lambda: host[0])
    clock.run_no_further(START + timedelta(minutes=2))
    host[0] += 1
    assert clock.now() == START + timedelta(minutes=1)
    host[0] += 4
    assert clock.now() == START + timedelta(minutes=2)

    assert clock.run_no_further(START + timedelta(minutes=9)) == 3.0
    assert clock.now() == START + timedelta(minutes=2)
    host[0] += 1
    assert clock.now() == START + timedelta(minutes=3)
    assert clock.run_no_further(None) == 0.0
    host[0] += 60
    assert clock.now() == START + timedelta(minutes=63)


def test_market_time_stands_still_for_so_long_at_most() -> None:
    """Nothing that waits for it waits without an end."""
    host = [100.0]
    clock = MarketClock(START, 60, host_seconds=lambda: host[0])
    clock.run_no_further(START)
    host[0] += LONGEST_STANDSTILL_SECONDS
    assert clock.now() == START
    host[0] += 1
    assert clock.now() == START + timedelta(minutes=1)
    assert clock.run_no_further(START + timedelta(hours=1)) == LONGEST_STANDSTILL_SECONDS
    assert clock.now() == START + timedelta(minutes=1)


@pytest.mark.parametrize("stall", [0, 61, 180])
def test_a_limit_that_is_set_behind_a_stall_turns_no_time_back(stall: int) -> None:
    """2.4: the next price is older than the time that a stall without a price has let pass."""
    host = [100.0]
    clock = MarketClock(START, 60, host_seconds=lambda: host[0])
    clock.run_no_further(START + timedelta(minutes=1))
    host[0] += 1 + stall
    reached = clock.now()

    clock.run_no_further(START + timedelta(minutes=2))
    assert clock.now() == reached
    host[0] += 1
    assert clock.now() == max(reached, START + timedelta(minutes=2))
    clock.run_no_further(START + timedelta(minutes=3))
    assert clock.now() == max(reached, START + timedelta(minutes=2))
    clock.run_no_further(reached + timedelta(minutes=9))
    host[0] += 1
    assert clock.now() == max(reached, START + timedelta(minutes=2)) + timedelta(minutes=1)


async def test_a_sleeper_waits_while_market_time_stands_still() -> None:
    host = [100.0]
    clock = MarketClock(START, 60, host_seconds=lambda: host[0])
    clock.run_no_further(START)
    awake = anyio.Event()

    async def sleep() -> None:
        await clock.sleep_until(START + timedelta(seconds=1))
        awake.set()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sleep)
            host[0] += 1
            await a_few_turns()
            assert not awake.is_set()
            clock.run_no_further(None)
            host[0] += 1
            await awake.wait()


def test_at_speed_0_time_stands_until_it_is_jumped_and_never_goes_back() -> None:
    clock = MarketClock(START, 0)
    clock.jump_to(START + timedelta(hours=1))

    assert clock.now() == START + timedelta(hours=1)
    with pytest.raises(ValueError, match="does not go back"):
        clock.jump_to(START)
    with pytest.raises(RuntimeError):
        MarketClock(START, 1).jump_to(START)


async def test_a_sleeper_wakes_when_its_instant_comes() -> None:
    clock = MarketClock(START, 0)
    woken: list[datetime] = []

    async def sleep(minutes: int) -> None:
        await clock.sleep_until(START + timedelta(minutes=minutes))
        woken.append(clock.now())

    async with anyio.create_task_group() as tasks:
        for minutes in (2, 1, 0):
            tasks.start_soon(sleep, minutes)
        await a_few_turns()
        assert clock.next_wake() == START + timedelta(minutes=1)
        for minute in (1, 2):
            clock.jump_to(START + timedelta(minutes=minute))
            await a_few_turns()

    assert woken == [START + timedelta(minutes=minutes) for minutes in (0, 1, 2)]
    assert clock.next_wake() is None


async def test_who_holds_the_clock_keeps_it_still_and_lets_go_while_asleep() -> None:
    """2.4: running things hold; whoever sleeps on the clock lets go of its hold first."""
    clock = MarketClock(START, 0)
    later = START + timedelta(minutes=1)
    release = anyio.Event()

    async def command() -> None:
        with clock.hold():
            await clock.sleep_until(later)
            await release.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(command)
        await a_few_turns()
        clock.jump_to(later)
        # At once: nothing may jump before the sleeper has acted.
        with pytest.raises(RuntimeError):
            clock.jump_to(later + timedelta(minutes=1))
        release.set()
        await clock.wait_until_free()

    clock.jump_to(later + timedelta(minutes=1))


async def test_a_cancelled_sleeper_leaves_nothing_behind() -> None:
    clock = MarketClock(START, 0)
    with anyio.move_on_after(0), clock.hold():
        await clock.sleep_until(START + timedelta(days=1))

    assert not clock.is_held
    assert clock.next_wake() is None


async def test_the_past_is_not_waited_for() -> None:
    wall = WallClock()
    with anyio.fail_after(30):
        await wall.sleep_until(wall.now() - timedelta(seconds=1))
        await MarketClock(START, 5).sleep_until(START)
        await MarketClock(START, 0).sleep_until(START)
    assert (wall.kind, wall.speed, wall.now().tzinfo) == ("wall", 1.0, UTC)
