"""Weights, order counts, 429 and 418, and the receive window."""

from dataclasses import dataclass

import pytest

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.limits import ORDERS, RAW, WEIGHT, Limits, Rule
from tests.simulators.binance.receive_window import Look, read_timing

START = 1_700_000_040_000  # the begin of a minute and of ten seconds


@dataclass
class Now:
    ms: int = START

    def __call__(self) -> int:
        return self.ms


def limits(now: Now) -> Limits:
    return Limits(
        [
            Rule(WEIGHT, "MINUTE", 1, 100),
            Rule(ORDERS, "SECOND", 10, 2),
            Rule(ORDERS, "DAY", 1, 1000),
            Rule(RAW, "MINUTE", 5, 1000),
        ],
        now,
    )


def test_weight_is_counted_by_address_and_minute() -> None:
    now = Now()
    counted = limits(now)
    counted.arrive("a", 40)
    counted.arrive("b", 1)

    assert counted.weight_headers("a")["X-MBX-USED-WEIGHT-1M"] == "40"
    now.ms += 60_000
    assert counted.weight_headers("a")["X-MBX-USED-WEIGHT-1M"] == "0"


def test_a_success_gives_its_weight_back() -> None:
    """S1: an order that was placed costs no request weight; a failed one keeps its own."""
    counted = limits(Now())
    counted.arrive("a", 1)
    counted.give_back("a", 1)

    assert counted.weight_headers("a")["X-MBX-USED-WEIGHT"] == "0"


def test_beyond_the_limit_is_429_and_who_goes_on_is_banned() -> None:
    now = Now(START + 15_000)
    counted = limits(now)
    counted.arrive("a", 100)
    statuses, last = [], None
    for _ in range(4):
        with pytest.raises(VenueError) as refused:
            counted.arrive("a", 1)
        statuses.append(refused.value.status)
        last = refused.value

    assert statuses == [429, 429, 429, 418]
    assert last is not None
    assert last.code == -1003
    assert f"IP banned until {now.ms + 120_000}." in last.msg
    assert last.headers["Retry-After"] == "120"


def test_the_first_429_tells_when_the_minute_ends() -> None:
    counted = limits(Now(START + 15_000))
    with pytest.raises(VenueError) as refused:
        counted.arrive("a", 101)

    assert refused.value.headers["Retry-After"] == "45"


def test_a_ban_ends_and_the_next_is_longer() -> None:
    now = Now()
    counted = limits(now)

    def banned_for() -> int:
        for _ in range(5):
            try:
                counted.arrive("a", 101)
            except VenueError as refused:
                if refused.status == 418:
                    return int(refused.headers["Retry-After"])
        raise AssertionError("no ban")

    assert banned_for() == 120
    now.ms += 119_999
    with pytest.raises(VenueError):
        counted.arrive("a", 1)
    now.ms += 1
    counted.arrive("a", 1)
    now.ms += 60_000
    assert banned_for() == 240


def test_orders_beyond_the_count_are_429_with_their_own_code() -> None:
    counted = limits(Now())
    counted.place("a", 2)
    with pytest.raises(VenueError) as refused:
        counted.place("a")

    assert (refused.value.status, refused.value.code) == (429, -1015)
    assert refused.value.headers["Retry-After"] == "10"
    assert counted.order_headers("a") == {"X-MBX-ORDER-COUNT-10S": "2", "X-MBX-ORDER-COUNT-1D": "2"}


def test_a_first_fill_gives_orders_back_and_never_more_than_there_are() -> None:
    """S20: taker 1, maker about 5: what the document shows, here what a test says."""
    counted = limits(Now())
    counted.place("a", 2)
    counted.first_fill("a", 5)

    assert counted.order_headers("a")["X-MBX-ORDER-COUNT-10S"] == "0"


@pytest.mark.parametrize(
    ("look", "age_ms", "refused", "counts"),
    [
        (Look.ARRIVAL, -1000, True, False),
        (Look.ARRIVAL, -999, False, False),
        (Look.ARRIVAL, 5000, False, False),
        (Look.ARRIVAL, 5001, True, False),
        (Look.BEFORE_ENGINE, -1000, False, True),
        (Look.BEFORE_ENGINE, 5001, True, True),
        (Look.AT_ENGINE, 5001, True, True),
    ],
)
def test_the_receive_window_is_looked_at_three_times(
    look: Look, age_ms: int, *, refused: bool, counts: bool
) -> None:
    """S18: at arrival, before the engine and at it; the later refusals raise the order count."""
    timing = read_timing({"timestamp": str(START)})
    codes = []
    try:
        timing.refuse((START + age_ms) * 1000, look)
    except VenueError as refusal:
        codes.append(refusal.code)

    assert codes == ([-1021] if refused else [])
    assert look.counts is counts


@pytest.mark.parametrize(
    ("params", "timestamp_us", "window_us"),
    [
        ({"timestamp": "1700000000000"}, 1_700_000_000_000_000, 5_000_000),
        ({"timestamp": "1700000000000001"}, 1_700_000_000_000_001, 5_000_000),
        (
            {"timestamp": "1700000000000", "recvWindow": "6000.346"},
            1_700_000_000_000_000,
            6_000_346,
        ),
    ],
)
def test_timestamps_come_in_milliseconds_or_microseconds(
    params: dict[str, str], timestamp_us: int, window_us: int
) -> None:
    timing = read_timing(params)

    assert (timing.timestamp_us, timing.window_us) == (timestamp_us, window_us)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -1102),
        ({"timestamp": "now"}, -1102),
        ({"timestamp": "1", "recvWindow": "60001"}, -1131),
        ({"timestamp": "1", "recvWindow": "1.2345"}, -1130),
        ({"timestamp": "1", "recvWindow": "NaN"}, -1130),
    ],
)
def test_a_timestamp_that_is_none_is_refused(params: dict[str, str], code: int) -> None:
    with pytest.raises(VenueError) as refused:
        read_timing(params)

    assert refused.value.code == code
