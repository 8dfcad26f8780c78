"""Silence of a stream, by its own usual rate; and the pauses between attempts to connect."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.host import ShiftedHost
from tradebotd.net.backoff import HEALTHY, Backoff
from tradebotd.net.silence import ALARM_SECONDS, LEAST_SECONDS, SilenceDetector, watch


def silent_after(detector: SilenceDetector, since: float) -> float:
    """The seconds after which it says that something is silent, in steps of a tenth."""
    for tenth in range(1, 20_000):
        if detector.silent(since + tenth / 10):
            return tenth / 10
    return float("inf")


def heard_every(gap: float, count: int = 200) -> tuple[SilenceDetector, float]:
    detector = SilenceDetector()
    detector.expect("btc", 0.0)
    for number in range(count):
        detector.heard("btc", number * gap)
    return detector, (count - 1) * gap


@pytest.mark.parametrize("gap", [0.01, 0.1, 1.0, 3.0, 5.0])
def test_a_stream_that_is_usually_lively_is_missed_within_thirty_seconds(gap: float) -> None:
    """M3.10: its socket may answer pings all the while."""
    detector, last = heard_every(gap)

    assert LEAST_SECONDS <= silent_after(detector, last) <= ALARM_SECONDS


@pytest.mark.parametrize("gap", [10.0, 60.0, 300.0])
def test_a_slow_stream_is_missed_within_thirty_seconds_of_when_it_was_due(gap: float) -> None:
    detector, last = heard_every(gap)

    assert gap < silent_after(detector, last) <= gap + ALARM_SECONDS


def test_a_stream_that_never_began_is_missed_within_thirty_seconds() -> None:
    """F11: an unrouted path connects, and stays silent without an error."""
    detector = SilenceDetector()
    detector.expect("btc@kline", 100.0)

    assert silent_after(detector, 100.0) <= ALARM_SECONDS + 0.1


@given(st.lists(st.floats(0.05, 2.0), min_size=40, max_size=200))
def test_gaps_as_usual_are_no_silence(gaps: list[float]) -> None:
    detector, now = SilenceDetector(), 0.0
    detector.expect("btc", now)
    for gap in gaps:
        assert not detector.silent(now + gap * 0.999)
        now += gap
        detector.heard("btc", now)


def test_each_stream_is_judged_by_itself() -> None:
    detector = SilenceDetector()
    for name in ("lively", "slow"):
        detector.expect(name, 0.0)
    for second in range(600):
        detector.heard("lively", float(second))
        if second % 60 == 0:
            detector.heard("slow", float(second))
    for second in range(600, 640):
        if second % 60 == 0:
            detector.heard("slow", float(second))

    assert detector.silent(640.0) == ["lively"]


def test_a_silence_is_told_once_and_its_end_too() -> None:
    detector, last = heard_every(1.0)
    assert detector.silent(last + 30.0) == ["btc"]
    assert detector.silent(last + 31.0) == []
    assert detector.silent_for("btc", last + 31.0) == 31.0

    assert detector.heard("btc", last + 40.0)
    assert not detector.heard("btc", last + 41.0)
    assert detector.silent(last + 41.0 + 30.0) == ["btc"]


def test_an_outage_is_no_usual_gap() -> None:
    detector, last = heard_every(1.0)
    detector.silent(last + 3600.0)
    detector.heard("btc", last + 3600.0)

    assert silent_after(detector, last + 3600.0) <= ALARM_SECONDS


def test_a_stream_that_is_not_expected_is_not_missed() -> None:
    detector, last = heard_every(1.0)
    detector.forget("btc")

    assert not detector.silent(last + 3600.0)
    assert not detector.heard("btc", last)
    assert detector.silent_for("btc", last) == 0.0


def test_after_a_reconnect_its_rate_is_known_and_its_clock_begins_anew() -> None:
    detector, last = heard_every(1.0)
    detector.expect("btc", last + 100.0)

    assert silent_after(detector, last + 100.0) == pytest.approx(LEAST_SECONDS, abs=0.2)


async def test_a_watch_tells_of_a_silent_stream_once() -> None:
    host, detector, told = ShiftedHost(), SilenceDetector(), list[str]()
    detector.expect("btc", host.monotonic())
    detector.expect("eth", host.monotonic(), first_within=300.0)

    async def tell(stream: str) -> None:
        told.append(stream)
        if stream == "eth":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await watch(detector, host, tell)

    assert told == ["btc", "eth"]


@given(st.integers(0, 2**32), st.integers(1, 80))
def test_pauses_grow_within_bounds(seed: int, attempts: int) -> None:
    backoff = Backoff(Random(seed), first=0.5, longest=30.0)
    pauses = [backoff.pause() for _ in range(attempts)]

    assert all(0.25 <= each <= 30.0 for each in pauses)
    assert all(each <= 0.5 * 2.0**number for number, each in enumerate(pauses))
    assert all(each >= 15.0 for each in pauses[7:])


def test_a_connection_that_lasted_ends_the_growth() -> None:
    backoff = Backoff(Random(1))
    for _ in range(10):
        backoff.pause()
    backoff.lasted(HEALTHY - 1)
    assert backoff.pause() > 1

    backoff.lasted(HEALTHY)

    assert backoff.pause() <= 0.5


def test_many_clients_do_not_come_back_at_once() -> None:
    assert len({Backoff(Random(seed)).pause() for seed in range(50)}) == 50
