"""The count of what may be asked: never over a window, the reserve kept, others told apart."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.net.rate_limit import BUCKETS, NEVER, Priority, RateLimit, Window

LIMITS = st.integers(1, 200)
COSTS = st.integers(0, 60)
PAUSES = st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 100))
CALLS = st.lists(st.tuples(PAUSES, COSTS, st.sampled_from(Priority)), max_size=80)


def most_in_any_window(spent: list[tuple[float, int]], seconds: float) -> int:
    """Of all windows of that length, wherever they begin."""
    return max(
        (sum(cost for at, cost in spent if begin <= at < begin + seconds) for begin, _ in spent),
        default=0,
    )


@given(LIMITS, st.floats(0.5, 60), CALLS)
def test_no_window_ever_holds_more_than_its_limit(
    limit: int, seconds: float, calls: list[tuple[float, int, Priority]]
) -> None:
    """M6.2: wherever the venue's own windows begin; and each call may use its own share only."""
    window, now, spent = Window(limit, seconds), 0.0, list[tuple[float, int]]()
    for pause, cost, priority in calls:
        now += pause
        if window.free_at(cost, priority, now) <= now:
            window.spend(cost, now)
            spent.append((now, cost))
            if cost:
                assert window.own(now) <= window.cap(priority)

    assert most_in_any_window(spent, seconds) <= limit


@given(LIMITS, st.floats(0.5, 60), CALLS)
def test_what_protects_always_finds_the_reserve(
    limit: int, seconds: float, calls: list[tuple[float, int, Priority]]
) -> None:
    """However much others ask for: a fifth of each window is left for what protects."""
    window, now = Window(limit, seconds), 0.0
    for pause, cost, priority in calls:
        now += pause
        if priority >= Priority.ENTRY and window.free_at(cost, priority, now) <= now:
            window.spend(cost, now)

    left = limit - window.own(now)
    assert left >= math.floor(limit * 0.2) or limit == 1
    if left:
        assert window.free_at(left, Priority.PROTECTIVE, now) == now


@given(LIMITS, st.floats(0.5, 60), CALLS, st.integers(1, 60))
def test_the_instant_that_is_told_is_the_first_one(
    limit: int, seconds: float, calls: list[tuple[float, int, Priority]], cost: int
) -> None:
    window, now = Window(limit, seconds), 0.0
    for pause, each, priority in calls:
        now += pause
        if window.free_at(each, priority, now) <= now:
            window.spend(each, now)

    at = window.free_at(cost, Priority.READ, now)
    if at == NEVER:
        assert cost > window.cap(Priority.READ)
    elif at > now:
        between = (now + at) / 2
        assert window.free_at(cost, Priority.READ, between) == at
        assert window.free_at(cost, Priority.READ, at) == at


@dataclass
class Venue:
    """A venue with windows of its own, which begin at the full minute, and another client there."""

    seconds: float
    used: dict[int, int] = field(default_factory=dict)

    def take(self, cost: int, now: float) -> int:
        """Count a request, and tell what is used of the present window."""
        number = math.floor(now / self.seconds)
        self.used[number] = self.used.get(number, 0) + cost
        return self.used[number]


@given(
    st.integers(20, 200),
    st.lists(st.tuples(st.floats(0, 8), st.integers(1, 5), st.integers(0, 6)), max_size=120),
)
def test_beside_another_client_the_limit_holds_once_an_answer_has_told_of_it(
    limit: int, steps: list[tuple[float, int, int]]
) -> None:
    """Several daemons at one address: what the other one spends counts, as soon as we are told."""
    venue, window, now = Venue(10.0), Window(limit, 10.0), 0.0
    for pause, ours, theirs in steps:
        now += pause
        others = venue.take(theirs, now)
        if window.free_at(ours, Priority.READ, now) <= now:
            window.spend(ours, now)
            used = venue.take(ours, now)
            window.observe(used, now)
            # Told a moment late: by what the other one has spent since the answer before.
            assert used <= max(limit, others + ours)
            assert window.free_at(limit, Priority.PROTECTIVE, now) > now
            assert max(used - window.own(now), 0) == window.others(now)


def test_a_number_that_exceeds_our_own_count_is_of_another_process() -> None:
    limits = RateLimit()
    limits.set_limit("weight", 100, 60.0)
    limits.spend({"weight": 10}, 1.0)
    limits.observe("weight", 10, 1.1)
    assert limits.others(1.2) == {}

    limits.observe("weight", 75, 1.3)

    assert limits.others(1.4) == {"weight": 65}
    assert limits.free_at({"weight": 5}, Priority.READ, 1.4) == 1.4
    assert limits.free_at({"weight": 6}, Priority.READ, 1.4) == pytest.approx(61.3)
    assert limits.free_at({"weight": 25}, Priority.PROTECTIVE, 1.4) == 1.4
    assert limits.others(61.4) == {}


def test_what_we_spend_after_an_answer_is_added_to_its_number() -> None:
    window = Window(100, 60.0)
    window.observe(75, 1.0)
    window.spend(3, 2.0)

    assert window.free_at(2, Priority.READ, 3.0) == 3.0
    assert window.free_at(3, Priority.READ, 3.0) == 61.0
    window.give_back(3, 3.0)
    assert window.free_at(5, Priority.READ, 3.0) == 3.0


def test_what_was_told_stays_used_while_our_own_grows_old() -> None:
    """Our own requests of the window before are no part of what the venue counts in this one."""
    window = Window(100, 60.0)
    window.spend(70, 0.0)
    window.observe(75, 59.0)  # all of it another's: ours were counted in the venue's window before

    assert window.free_at(10, Priority.READ, 61.0) == pytest.approx(119.0)


def test_an_answer_may_say_when_its_window_ends() -> None:
    window = Window(200, 60.0)
    window.observe(200, 0.0, resets_in=7.0)

    assert window.free_at(1, Priority.PROTECTIVE, 1.0) == 7.0


@pytest.mark.parametrize("resets_in", [-5.0, 1e9])
def test_an_end_that_cannot_be_is_held_to_the_windows_length(resets_in: float) -> None:
    window = Window(10, 60.0)
    window.observe(10, 100.0, resets_in=resets_in)

    assert 100.0 <= window.free_at(1, Priority.PROTECTIVE, 100.0) <= 160.0


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 20)), max_size=40))
def test_what_is_given_back_was_never_spent(steps: list[tuple[float, int]]) -> None:
    window, now = Window(10_000, 10.0), 0.0
    for pause, cost in steps:
        now += pause
        before = window.own(now)
        window.spend(cost, now)
        window.give_back(cost, now)
        assert window.own(now) == before
        window.spend(cost, now)

    window.give_back(1_000_000, now)
    assert window.own(now) == 0


def test_a_day_of_orders_is_remembered_in_bounds() -> None:
    window = Window(200_000, 86_400.0)
    for number in range(150_000):
        window.spend(1, number / 2)

    assert len(window._spent) <= BUCKETS + 1
    assert window.own(75_000.0) == 150_000
    assert window.own(75_000.0 + 86_400.0) == 0


def test_a_request_needs_room_in_all_its_windows() -> None:
    limits = RateLimit()
    limits.set_limit("weight", 100, 60.0)
    limits.set_limit("orders:main", 2, 10.0)
    limits.spend({"weight": 1, "orders:main": 2}, 0.0)

    assert limits.free_at({"weight": 1, "orders:main": 1}, Priority.PROTECTIVE, 1.0) == 10.0
    assert limits.free_at({"weight": 1, "orders:other": 1}, Priority.READ, 1.0) == 1.0
    assert limits.full({"weight": 1, "orders:main": 1}, Priority.PROTECTIVE, 1.0) == {"orders:main"}


def test_a_limit_may_change_and_what_was_spent_stays() -> None:
    limits = RateLimit()
    limits.set_limit("weight", 10, 60.0)
    limits.spend({"weight": 8}, 0.0)
    assert limits.free_at({"weight": 1}, Priority.READ, 1.0) == 60.0

    limits.set_limit("weight", 20, 60.0)

    assert limits.free_at({"weight": 8}, Priority.READ, 1.0) == 1.0


@pytest.mark.parametrize(("limit", "seconds"), [(0, 60.0), (-1, 60.0), (5, 0.0), (5, math.inf)])
def test_what_is_no_limit_is_refused(limit: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="is no limit"):
        RateLimit().set_limit("weight", limit, seconds)


def test_the_smallest_limit_lets_something_pass() -> None:
    assert Window(1, 60.0).free_at(1, Priority.READ, 0.0) == 0.0


def test_what_costs_more_than_a_window_never_passes() -> None:
    assert Window(10, 60.0).free_at(9, Priority.READ, 0.0) == NEVER
    assert Window(10, 60.0).free_at(9, Priority.EXIT, 0.0) == 0.0
    assert Window(10, 60.0).free_at(10, Priority.PROTECTIVE, 0.0) == 0.0
