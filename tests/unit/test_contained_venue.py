"""What an adapter raises that nobody foresaw ends the one call, and nothing else."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.prices import FakePrices
from tests.fakes.venue import SCRIPTED, ScriptedVenue
from tradebotd.clocks.host import SystemHost
from tradebotd.domain.errors import OutcomeUnknownError, VenueError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport
from tradebotd.net.errors import MisshapenError
from tradebotd.ports.venue import SymbolSetup, Venue
from tradebotd.venues.contained import ContainedVenue

NOW = datetime(2022, 3, 1, 12, tzinfo=UTC)
OURS = ClientOrderId("tb1")
READS: dict[str, Callable[[Venue], Awaitable[object]]] = {
    "account": lambda venue: venue.account(),
    "open_orders": lambda venue: venue.open_orders(["BTCUSDT"]),
    "fills_since": lambda venue: venue.fills_since(NOW - timedelta(hours=1), ["BTCUSDT"]),
    "funding_since": lambda venue: venue.funding_since(NOW - timedelta(hours=1)),
    "transfers_since": lambda venue: venue.transfers_since(NOW - timedelta(hours=1)),
    "find_order": lambda venue: venue.find_order("BTCUSDT", OURS),
    "quotes": lambda venue: venue.quotes([]),
    "instruments": lambda venue: venue.instruments([]),
    "commissions": lambda venue: venue.commissions([]),
    "set_up": lambda venue: venue.set_up("BTCUSDT", SymbolSetup()),
    "server_clock": lambda venue: venue.server_clock(),
}


class Unreadable(ScriptedVenue):
    """An adapter that lets out what is of its own tree of errors."""

    async def _read(self, what: str) -> None:
        raise MisshapenError(what)

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        raise MisshapenError(f"{symbol} {client_order_id}")


class Surprising(ScriptedVenue):
    """An adapter that stumbles over each answer."""

    async def _read(self, what: str) -> None:
        raise KeyError(what)

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        raise KeyError(f"{symbol} {client_order_id}")


@dataclass
class PausingHost(SystemHost):
    pauses: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def surprising() -> ContainedVenue:
    return ContainedVenue(Surprising(FakeClock(NOW), FakePrices(), {}, {"USDT": Decimal(1)}))


class Streaming(ScriptedVenue):
    """An adapter whose stream ends with an error so many times, then as it should."""

    failures: int = 3
    runs: int = 0

    async def run(self) -> None:
        self.runs += 1
        if self.runs <= self.failures:
            raise KeyError("e")


async def test_an_error_of_the_network_leaves_no_adapter_as_it_is() -> None:
    """2.3: callers know a venue's errors alone."""
    venue = ContainedVenue(Unreadable(FakeClock(NOW), FakePrices(), {}, {"USDT": Decimal(1)}))
    with pytest.raises(OutcomeUnknownError):
        await venue.cancel("BTCUSDT", OURS)
    with pytest.raises(VenueError):
        await venue.account()


async def test_an_adapter_that_fails_between_calls_is_run_again_after_growing_pauses() -> None:
    """M5.6: a message that nobody foresaw ends no stream for good, and no daemon."""
    venue = Streaming(FakeClock(NOW), FakePrices(), {}, {"USDT": Decimal(1)})
    host = PausingHost()
    await ContainedVenue(venue, host=host).run()
    assert (venue.runs, host.pauses) == (4, [1, 2, 4])


async def test_an_adapter_that_does_nothing_between_calls_is_not_run() -> None:
    """M2.6."""
    host = PausingHost()
    await ContainedVenue(
        ScriptedVenue(FakeClock(NOW), FakePrices(), {}, {"USDT": Decimal(1)}), host=host
    ).run()
    assert host.pauses == []


@pytest.mark.parametrize("call", READS)
async def test_a_read_that_nobody_foresaw_is_the_venues_error(call: str) -> None:
    """M2.6: whoever asks several venues goes on with the others."""
    with pytest.raises(VenueError, match=f"{SCRIPTED} {call}.* KeyError: '{call}'"):
        await READS[call](surprising())


async def test_a_cancel_that_nobody_foresaw_may_have_been_done() -> None:
    """2.3: only reconciliation settles it."""
    with pytest.raises(OutcomeUnknownError):
        await surprising().cancel("BTCUSDT", OURS)
