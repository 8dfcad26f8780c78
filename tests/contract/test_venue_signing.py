"""What every venue must do at the moment at which it signs: numbered, run for each adapter."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import anyio.lowlevel
import pytest

from tests.contract.conftest import FIRST, SECOND, THIRD, Case
from tests.fakes.host import ShiftedHost
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.order import OrderStatus, OrderType
from tradebotd.domain.side import Side
from tradebotd.trading.execution.lease import LEASE_SECONDS, Lease

SELL, STOP, TARGET = Side.SELL, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET


@dataclass
class Term:
    """Until when something may leave, by the host's clock; `looks` counts who asked."""

    reason: str
    host: ShiftedHost = field(default_factory=ShiftedHost)
    looks: int = 0

    def __post_init__(self) -> None:
        self.send_by = self.host.now() + timedelta(seconds=2)
        self.lease = Lease(account="default", token=1, host=self.host)

    def send_blocked_by(self) -> str | None:
        self.looks += 1
        if self.reason == "lease lost":
            return self.lease.send_blocked_by()
        return "it waited too long" if self.host.now() > self.send_by else None

    def passes(self) -> None:
        self.host.shift += timedelta(seconds=LEASE_SECONDS + 1)


@pytest.fixture(params=["it waited too long", "lease lost"])
def term(request: pytest.FixtureRequest) -> Term:
    return Term(str(request.param))


async def refused_at_the_limiter(
    case: Case, term: Term, send: Callable[[], Awaitable[object]]
) -> None:
    """*send* comes to the limiter in time, and leaves it when the *term* has passed."""
    refusals: list[str] = []

    async def sending() -> None:
        with pytest.raises(VenueUnavailableError) as error:
            await send()
        refusals.append(str(error.value))

    await case.venue.account()  # whatever an adapter does before its first request is done
    async with anyio.create_task_group() as tasks, case.limiter():
        tasks.start_soon(sending)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert refusals == []
        term.passes()
    (refusal,) = refusals
    assert term.reason in refusal
    assert term.looks > 0


async def test_an_order_that_waited_too_long_in_the_limiter_never_left(
    case: Case, term: Term
) -> None:
    """2.3 (VC-36): past its `send_by` or a lost lease it is provably not sent."""
    before = await case.venue.account()
    await refused_at_the_limiter(
        case,
        term,
        lambda: case.venue.submit(
            FIRST, case.order(Side.BUY, "1"), send_blocked_by=term.send_blocked_by
        ),
    )

    assert (await case.venue.find_order("BTCUSDT", FIRST)).report is None
    assert await case.venue.account() == before
    await case.venue.submit(FIRST, case.order(Side.BUY, "1"))  # the id is still free


async def test_linked_orders_that_waited_too_long_never_left(case: Case, term: Term) -> None:
    """2.3 (VC-37): none of them."""
    await case.bought("2")
    pair = [
        (FIRST, case.order(SELL, "2", STOP, "95")),
        (SECOND, case.order(SELL, "2", TARGET, "105")),
    ]
    await refused_at_the_limiter(
        case, term, lambda: case.venue.submit_linked(pair, send_blocked_by=term.send_blocked_by)
    )

    assert await case.rests() == []
    assert [await case.status(each) for each in (FIRST, SECOND)] == [None, None]


async def test_a_replacement_that_waited_too_long_cancelled_nothing(case: Case, term: Term) -> None:
    """2.3 (VC-38): the old order rests as before."""
    await case.bought("2")
    await case.venue.submit(FIRST, case.order(SELL, "2", STOP, "95"))
    await refused_at_the_limiter(
        case,
        term,
        lambda: case.venue.replace(
            "BTCUSDT",
            FIRST,
            THIRD,
            case.order(SELL, "2", STOP, "97"),
            send_blocked_by=term.send_blocked_by,
        ),
    )

    assert await case.rests() == [FIRST]
    assert [await case.status(each) for each in (FIRST, THIRD)] == [OrderStatus.NEW, None]


async def test_what_may_leave_is_looked_at_and_leaves(case: Case, term: Term) -> None:
    """2.3 (VC-39)."""
    report = await case.venue.submit(
        FIRST, case.order(Side.BUY, "1"), send_blocked_by=term.send_blocked_by
    )

    assert report.status is OrderStatus.FILLED
    assert term.looks > 0
