"""What every venue says while it is away, or bans us: numbered, run for each adapter."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.contract.conftest import FIRST, SECOND, THIRD, Case
from tradebotd.clocks.host import host_now
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.order import OrderType
from tradebotd.domain.side import Side
from tradebotd.ports.venue import SymbolSetup, not_blocked
from tradebotd.venues.paper.venue import PaperVenue

SELL, STOP, TARGET = Side.SELL, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET


def take_away(case: Case, error: VenueUnavailableError | None) -> None:
    if isinstance(case.venue, PaperVenue):
        case.venue.drills.away = error
    else:
        case.venue.away = error


async def submit(case: Case) -> None:
    await case.venue.submit(SECOND, case.order(SELL, "1"), send_blocked_by=not_blocked)


async def submit_linked(case: Case) -> None:
    legs = [
        (SECOND, case.order(SELL, "1", STOP, "90")),
        (THIRD, case.order(SELL, "1", TARGET, "110")),
    ]
    await case.venue.submit_linked(legs, send_blocked_by=not_blocked)


async def replace(case: Case) -> None:
    await case.venue.replace(
        "BTCUSDT", FIRST, SECOND, case.order(SELL, "1", STOP, "91"), send_blocked_by=not_blocked
    )


CALLS: dict[str, Callable[[Case], Awaitable[object]]] = {
    "submit": submit,
    "submit_linked": submit_linked,
    "replace": replace,
    "cancel": lambda case: case.venue.cancel("BTCUSDT", FIRST),
    "find_order": lambda case: case.venue.find_order("BTCUSDT", FIRST),
    "open_orders": lambda case: case.venue.open_orders(),
    "fills_since": lambda case: case.venue.fills_since(case.clock.now()),
    "funding_since": lambda case: case.venue.funding_since(case.clock.now()),
    "transfers_since": lambda case: case.venue.transfers_since(case.clock.now()),
    "account": lambda case: case.venue.account(),
    "quotes": lambda case: case.venue.quotes([case.symbol]),
    "instruments": lambda case: case.venue.instruments([case.symbol]),
    "commissions": lambda case: case.venue.commissions([case.symbol]),
    "set_up": lambda case: case.venue.set_up("BTCUSDT", SymbolSetup()),
    "server_clock": lambda case: case.venue.server_clock(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_venue_that_is_away_says_until_when_and_does_nothing(case: Case, call: str) -> None:
    """M6.1 (VC-75): a ban or a maintenance is no answer of any other kind, whatever is asked."""
    await case.bought()
    await case.venue.submit(FIRST, case.order(SELL, "1", STOP, "90"))
    before = await case.venue.account()
    until = host_now().replace(microsecond=0) + timedelta(minutes=5)  # venues tell milliseconds
    take_away(case, VenueUnavailableError("429 too many requests", until))

    with pytest.raises(VenueUnavailableError) as raised:
        await CALLS[call](case)

    assert (raised.value.until, raised.value.is_ban) == (until, True)
    take_away(case, None)
    assert await case.venue.account() == before
    assert await case.rests() == [FIRST]
    assert await case.status(SECOND) is None


async def test_a_ban_without_an_end_is_told_as_one(case: Case) -> None:
    """M6.1 (VC-76): no instant is made up, and it is no connection that was refused either."""
    take_away(case, VenueUnavailableError("418 banned", banned=True))

    with pytest.raises(VenueUnavailableError) as raised:
        await case.venue.account()

    assert (raised.value.until, raised.value.is_ban) == (None, True)
