"""What waits at a venue's limiter is looked at once more before a byte of it leaves."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal

import anyio.lowlevel
import pytest

from tests.fakes.host import ShiftedHost
from tests.fakes.resting import one, open_resting_harness, resting, stops, sweep
from tests.fakes.trading import ACCOUNT, TradingHarness, open_harness
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.execution.lease import Lease

Meanwhile = Callable[[], None]


def hosted(harness: TradingHarness) -> tuple[ShiftedHost, Lease]:
    """Sending goes by a host whose time is set by hand."""
    host = ShiftedHost()
    lease = Lease(account=ACCOUNT, token=harness.token, host=host)
    harness.placement._host, harness.placement._lease = host, lease
    return host, lease


async def wait_at_the_limiter(
    harness: TradingHarness, act: Callable[[], Awaitable[object]], meanwhile: Meanwhile
) -> None:
    """*act* comes to the venue's limiter; when it leaves it, *meanwhile* has happened."""

    async def limiter() -> None:
        await anyio.lowlevel.checkpoint()
        meanwhile()

    harness.venue.limiter = limiter
    with contextlib.suppress(VenueUnavailableError):
        await act()
    harness.venue.limiter = None


@pytest.mark.parametrize(
    ("how", "why"),
    [("late", "it waited too long"), ("beatless", "lease lost"), ("taken", "lease lost")],
)
async def test_an_order_that_waits_at_the_limiter_for_too_long_is_not_sent(
    database: Database, how: str, why: str
) -> None:
    """2.3: `send_by` and the lease are looked at when it is signed, not only before the call."""
    harness = await open_harness(database)
    host, lease = hosted(harness)

    def meanwhile() -> None:
        if how == "taken":
            lease.mark_lost()
        else:
            host.shift += timedelta(seconds=3 if how == "late" else 16)
            if how == "beatless":
                host.now = ShiftedHost().now  # type: ignore[method-assign]

    await wait_at_the_limiter(harness, harness.enter, meanwhile)

    assert harness.venue.submitted == []
    (order,) = await harness.orders()
    assert (order["status"], order["settled"]) == ("rejected", True)
    assert order["reason"].startswith(f"not_sent: {why}")
    assert await harness.rows("SELECT * FROM positions") == []


async def test_a_pair_that_waits_at_the_limiter_for_too_long_goes_not_at_all(
    database: Database,
) -> None:
    """2.3: both of its orders are `not_sent`, and the next sweep makes another pair."""
    harness = await open_resting_harness(database, Replacement.OVERLAP, linked=True)
    host, _ = hosted(harness)
    await harness.enter()

    await wait_at_the_limiter(
        harness,
        lambda: harness.protection.sweep(harness.clock.now()),
        lambda: setattr(host, "shift", timedelta(seconds=3)),
    )

    assert resting(harness) == {}
    exits = [each for each in await harness.orders() if each["role"] == "exit"]
    assert [each["status"] for each in exits] == ["rejected", "rejected"]
    await sweep(harness, 10)
    assert len(resting(harness)) == 2


async def closed_too_late(
    database: Database, *specs: BotSpec
) -> tuple[TradingHarness, list[tuple[Decimal | None, Decimal]]]:
    """A desk whose close by hand waited at the limiter for too long, and the stops that rested."""
    harness = await open_resting_harness(database, Replacement.REPLACE, *specs)
    host, _ = hosted(harness)
    await harness.enter()
    await sweep(harness)
    before = stops(harness)
    assert len(before) == 1
    (held,) = harness.protection.held.values()

    await wait_at_the_limiter(
        harness,
        lambda: harness.protection.close_now(held, CloseReason.MANUAL),
        lambda: setattr(host, "shift", timedelta(seconds=3)),
    )
    return harness, before


async def test_what_rests_stays_when_its_replacement_waited_for_too_long(
    database: Database,
) -> None:
    """2.3: the stop is not cancelled by a request that was not sent."""
    futures = one(Replacement.REPLACE, position_type=PositionType.FUTURES)
    harness, before = await closed_too_late(database, futures)

    assert stops(harness) == before
    assert (await harness.position())["quantity"] == 1


async def test_what_was_cancelled_for_an_exit_that_waited_for_too_long_rests_again(
    database: Database,
) -> None:
    """2.3, M5.4: on spot the stop is gone before the exit leaves, which may then be too late."""
    harness, before = await closed_too_late(database)
    await sweep(harness, 10)

    assert stops(harness) == before
    assert (await harness.position())["quantity"] == 1
