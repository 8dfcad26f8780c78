"""Credits of a day that ends while a request waits, or is on its way."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.fakes.market_data import standing_clock
from tests.fakes.twelvedata import FollowedHost
from tradebotd.feeds.twelvedata.credits import Credits
from tradebotd.net.errors import NotSentError
from tradebotd.net.gate import Gate
from tradebotd.net.rate_limit import Priority

EVENING = datetime(2026, 3, 3, 23, 59, tzinfo=UTC)
NOON = EVENING.replace(hour=12)
SECOND = timedelta(seconds=1)


async def test_a_request_counts_on_the_day_on_which_its_turn_comes() -> None:
    """M3.3, T6: it waits for credits of the minute over midnight."""
    clock = standing_clock(EVENING)
    gate = Gate("td", FollowedHost(clock))
    credits_ = Credits(gate, 10, 100, FollowedHost(clock))
    async with credits_.turn(10, Priority.PROTECTIVE, wait=0):
        pass
    clock.jump_to(EVENING + 50 * SECOND)

    async def ask() -> None:
        async with credits_.turn(3, Priority.PROTECTIVE, wait=20):
            pass

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert credits_.budget().left_day == 90
            clock.jump_to(EVENING + 61 * SECOND)
            gate.settle({}, {})  # looks who may pass
    assert credits_.budget().left_day == 97


@pytest.mark.parametrize("seconds", [1, 60], ids=["that day", "another"])
async def test_what_was_not_sent_is_given_back_to_its_own_day(seconds: int) -> None:
    """M3.3: a day has no more credits than the plan says."""
    clock = standing_clock(EVENING)
    credits_ = Credits(Gate("td", FollowedHost(clock)), 10, 100, FollowedHost(clock))
    with suppress(NotSentError):
        async with credits_.turn(3, Priority.PROTECTIVE, wait=0):
            clock.jump_to(EVENING + seconds * SECOND)
            credits_.budget()
            raise NotSentError("refused")
    assert credits_.budget().left_day == 100


async def test_requests_that_wait_together_spend_no_more_than_the_day_has() -> None:
    """M3.3: the second finds the day spent when its turn comes, and is counted nowhere."""
    clock = standing_clock(NOON)
    gate = Gate("td", FollowedHost(clock))
    credits_ = Credits(gate, 10, 14, FollowedHost(clock))
    async with credits_.turn(10, Priority.PROTECTIVE, wait=0):
        pass
    clock.jump_to(NOON + 50 * SECOND)
    refused: list[str] = []

    async def ask() -> None:
        try:
            async with credits_.turn(3, Priority.PROTECTIVE, wait=20):
                pass
        except NotSentError as error:
            refused.append(str(error))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            clock.jump_to(NOON + 61 * SECOND)
            gate.settle({}, {})
    assert refused == ["the 14 credits of the day are spent"]
    told = credits_.budget()
    assert (told.left_minute, told.left_day) == (7, 1)
