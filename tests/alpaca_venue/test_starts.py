"""What is said at the start, and what accounts at one address share."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.alpaca_venue.scene import APPLE, BTC, VENUE, SimulatedHost, staged
from tests.simulators.shared.clock import SimulatorClock
from tests.unit.alpaca.samples import EVENT, value
from tests.unit.simulators.alpaca.scenes import OPEN, moment
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.order import OrderReport
from tradebotd.net.gate import Gates
from tradebotd.venues.alpaca.building import build_alpaca
from tradebotd.venues.alpaca.keys import FEES_LATER, STOPS_SLEEP
from tradebotd.venues.alpaca.order_stream import SLACK
from tradebotd.venues.alpaca.paths import Host
from tradebotd.venues.alpaca.venue import AlpacaVenue


class Reached:
    base_url = data_url = "http://127.0.0.1:1"
    ws_url = "ws://127.0.0.1:1/stream"


class Secrets:
    def __init__(self, key: str) -> None:
        self.api_key, self.api_secret = SecretStr(key), SecretStr("secret")


def built(gates: Gates, host: SimulatedHost, key: str) -> AlpacaVenue:
    return build_alpaca(
        VENUE,
        Reached(),
        Secrets(key),
        [APPLE],
        host=host,
        gates=gates,
        live=False,
        feed="iex",
        max_clock_offset=timedelta(seconds=1),
    )


async def test_a_ban_is_of_a_key_and_of_nobody_beside_it() -> None:
    """A13: requests are counted by key; two adapters of one key share their bans."""
    host = SimulatedHost(SimulatorClock(moment(OPEN), running=False))
    gates = Gates(host)
    first, again, other = (built(gates, host, each) for each in ("PKONE", "PKONE", "PKTWO"))
    gate = first._parts.limits[Host.TRADING].gate
    assert gate is again._parts.limits[Host.TRADING].gate
    assert gate is not other._parts.limits[Host.TRADING].gate
    assert "PKONE" not in str(gates._gates)


async def test_what_stops_and_sales_of_shares_are_not_is_said_at_the_start() -> None:
    """A2: stops sleep between sessions; and sales cost what no fill tells."""
    for symbols, said in (((APPLE,), True), ((BTC,), False)):
        async with staged(symbols=symbols) as stage:
            warnings = (await stage.venue.vet_key()).warnings
            assert (STOPS_SLEEP in warnings, FEES_LATER in warnings) == (said, said)


async def test_an_event_that_could_not_be_taken_is_taken_when_it_comes_again() -> None:
    """A5: it is known as told only once it was."""
    async with staged() as stage:
        heard: list[OrderReport] = []

        async def fails_first(report: OrderReport) -> None:
            heard.append(report)
            if len(heard) == 1:
                raise VenueUnavailableError("not now")

        stage.venue.listen(fails_first)
        event = value({**EVENT, "order": {**EVENT["order"], "filled_qty": "4"}})
        with pytest.raises(VenueUnavailableError):
            await stage.parts.stream.hear(event)
        stage.parts.stream._totals.clear()  # as on a new connection
        await stage.parts.stream.hear(event)
        await stage.parts.stream.hear(event)
        assert len(heard) == 2


async def test_a_time_to_come_hides_no_gap() -> None:
    """A5: what was heard last was heard by now, whatever an event says."""
    async with staged() as stage:
        late = "2099-01-01T00:00:00Z"
        await stage.parts.stream.hear(value({**EVENT, "timestamp": late, "at": late}))
        assert stage.parts.stream._heard_at == stage.host.now() + SLACK
