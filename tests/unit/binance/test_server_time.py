"""Clock of the venue: what moves it, and what does not."""

from datetime import UTC, datetime, timedelta

from tests.binance_spot.scene import SimulatedHost
from tests.simulators.shared.clock import SimulatorClock
from tradebotd.venues.binance.server_time import AFTER_FAILURE, ASKED_AGAIN, ServerTime

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def known() -> tuple[SimulatorClock, SimulatedHost, ServerTime]:
    clock = SimulatorClock(NOW, running=False)
    host = SimulatedHost(clock)
    time = ServerTime(host)
    time.learn(NOW, host.monotonic() - 0.1, host.monotonic())
    return clock, host, time


def slow(clock: SimulatorClock, host: SimulatedHost, time: ServerTime) -> None:
    """The venue reads its clock at once, and the answer takes four seconds."""
    told, sent = clock.now(), host.monotonic()
    clock.advance(timedelta(seconds=4))
    time.learn(told, sent, host.monotonic())


def test_a_slow_answer_moves_no_clock_that_a_quick_one_has_set() -> None:
    """S18: half of its way is error, and a stop would be refused for it."""
    clock, host, time = known()
    clock.advance(timedelta(seconds=ASKED_AGAIN + 1))
    slow(clock, host, time)
    assert abs(time.now() - clock.now()) < timedelta(seconds=0.1)
    assert not time.is_due  # it is not asked again at once
    clock.advance(timedelta(seconds=AFTER_FAILURE + 1))
    assert time.is_due


def test_a_slow_answer_counts_where_nothing_better_is_known() -> None:
    """S18: a refused timestamp is worth less than a clock that is a little off."""
    clock, host, time = known()
    time.doubt()
    slow(clock, host, time)
    assert not time.is_unsure
    assert abs(time.now() - clock.now()) < timedelta(seconds=2.1)
    clock.advance(timedelta(seconds=ASKED_AGAIN + 1))
    time.learn(clock.now(), host.monotonic() - 0.1, host.monotonic())
    assert abs(time.now() - clock.now()) < timedelta(seconds=0.1)
