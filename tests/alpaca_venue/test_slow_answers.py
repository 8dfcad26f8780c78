"""The order stream beside answers that are slow or refused: neither deafens it, nor keeps it down."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from tests.alpaca_venue.scene import PENNY, named, order, staged
from tests.alpaca_venue.test_facts import forget, pair
from tests.alpaca_venue.test_stream import BUY, FILLED, told
from tests.simulators.shared.faults import ALWAYS, Fault, Kind, answered
from tests.unit.alpaca.samples import EVENT, value
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.net.answers import Value
from tradebotd.ports.venue import not_blocked
from tradebotd.venues.alpaca import event_lines
from tradebotd.venues.alpaca.event_lines import PAUSES, EventLines

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


async def test_a_stream_comes_up_though_every_question_is_refused() -> None:
    """A11, A13: what pairs there are is asked again later."""
    async with staged(streams=True) as stage:
        stage.server.faults.set(answered(503, "", method="GET", path="/v2/orders", times=ALWAYS))
        stage.server.faults.set(Fault(kind=Kind.DISCONNECT, code=0))
        await stage.server.met()
        await stage.until(lambda: len(stage.states) >= 3)
        assert stage.states[-1].connected

        before = stage.requests("/v2/orders", "GET")
        stage.server.faults.clear()
        await stage.server.met()
        await stage.until(lambda: stage.requests("/v2/orders", "GET") > before)


async def test_an_answer_that_does_not_come_keeps_no_other_order_untold() -> None:
    """A11: the pair of a leg is asked for; meanwhile another order fills."""
    async with staged(streams=True) as stage:
        await pair(stage)
        await stage.until(lambda: told(stage, "tb3"))
        forget(stage)
        stage.server.faults.set(
            Fault(kind=Kind.NO_ANSWER, method="GET", path="/v2/orders", times=ALWAYS)
        )
        stage.price("189")  # the leg is met, and nobody says whose it is
        stage.price("5", "PENY")
        asked = order(BUY, "3", symbol=PENNY.symbol)
        await stage.venue.submit(named("tb9"), asked, send_blocked_by=not_blocked)
        await stage.until(lambda: FILLED in told(stage, "tb9"))
        assert FILLED not in told(stage, "tb2")
        assert len(stage.states) == 1


class Venue:
    """Fails as often as it is told to; `heard`: what was told."""

    def __init__(self, fails: int) -> None:
        self.fails, self.heard = fails, list[str]()
        self.slept = list[float]()
        self.failure: Exception | None = None

    async def hear(self, event: Value) -> None:
        await anyio.lowlevel.checkpoint()
        if self.fails:
            self.fails -= 1
            raise VenueUnavailableError("it lags")
        self.heard.append(event["event"].text())

    def fail(self, error: Exception) -> None:
        self.failure = error

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def event(word: str) -> Value:
    return value({**EVENT, "event": word})


async def test_what_lags_is_asked_again_and_the_orders_events_keep_their_order() -> None:
    """A9: fills lag behind their order; that is no end of a stream."""
    venue = Venue(fails=2)
    async with anyio.create_task_group() as tasks:
        lines = EventLines(venue.hear, tasks, venue, venue.fail)
        for word in ("new", "fill"):
            lines.add("one", NOON, event(word))
        assert lines.oldest == NOON
    assert (venue.heard, venue.slept) == (["new", "fill"], list(PAUSES[:2]))
    assert (lines.oldest, venue.failure) == (None, None)


async def test_an_event_that_is_never_told_ends_the_stream_and_begins_its_gap() -> None:
    """M5.6"""
    venue = Venue(fails=100)
    async with anyio.create_task_group() as tasks:
        lines = EventLines(venue.hear, tasks, venue, venue.fail)
        lines.add("one", NOON + timedelta(seconds=1), event("new"))
        lines.add("two", NOON, event("new"))
    assert isinstance(venue.failure, VenueUnavailableError)
    assert lines.oldest == NOON


async def test_no_more_events_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """M5.6: bounded; the stream is opened again, and says since when."""
    monkeypatch.setattr(event_lines, "MOST_WAITING", 2)
    venue = Venue(fails=0)
    async with anyio.create_task_group() as tasks:
        lines = EventLines(venue.hear, tasks, venue, venue.fail)
        for word in ("new", "fill"):
            lines.add("one", NOON, event(word))
        with pytest.raises(VenueUnavailableError):
            lines.add("one", NOON, event("canceled"))
