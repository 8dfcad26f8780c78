"""Pauses after a stop that could not be placed: what ends them."""

from datetime import timedelta

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.trading import NOON
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import PositionId
from tradebotd.storage.exit_groups import Groups
from tradebotd.trading.exits.backoff import LONGEST
from tradebotd.trading.exits.missing_stops import FIRST, RESTED, MissingStops

ONE = PositionId(1)
DENIED = OrderDeniedError(DenialRule.EXIT_GROUP_CHANGED, "an order of it is ending")


class NoDatabase:
    """Nothing is stored here."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON, 1.0)


@pytest.fixture
def missing(clock: FakeClock) -> MissingStops:
    return MissingStops(NoDatabase(), clock)  # type: ignore[arg-type]


def waits(missing: MissingStops, clock: FakeClock) -> bool:
    return missing.timers.held_until(ONE, clock.now()) is not None


def test_what_is_denied_is_tried_again_as_soon_as_an_order_is_settled(
    missing: MissingStops, clock: FakeClock
) -> None:
    """M5.7: the order that stood in its way may be the one."""
    missing.denied(ONE, Groups(), DENIED)
    assert waits(missing, clock)

    missing.order_settled(ONE)

    assert not waits(missing, clock)


def test_what_is_denied_beside_an_order_that_was_settled_meanwhile_does_not_wait(
    missing: MissingStops, clock: FakeClock
) -> None:
    """M5.7: what the check has read is older than that."""
    missing.begin(ONE)
    missing.order_settled(ONE)
    missing.denied(ONE, Groups(), DENIED)
    assert not waits(missing, clock)

    missing.begin(ONE)
    missing.denied(ONE, Groups(), DENIED)
    assert waits(missing, clock)


def test_a_refusal_waits_though_the_refused_order_is_settled(
    missing: MissingStops, clock: FakeClock
) -> None:
    """M5.7: or it would be sent again without end."""
    missing.refused(ONE, "the venue does not want it")
    missing.order_settled(ONE)
    assert waits(missing, clock)


def test_whoever_waits_says_for_how_long_and_is_taken_over_once(
    missing: MissingStops, clock: FakeClock
) -> None:
    """M5.7: at its time, and not with the next sweep."""
    assert missing.seconds_to_retry() is None
    missing.refused(ONE, "the venue does not want it")
    assert missing.seconds_to_retry() == FIRST.total_seconds()
    assert missing.pauses_over() == []

    clock.advance(FIRST + timedelta(milliseconds=1))

    assert missing.pauses_over() == [ONE]
    assert (missing.pauses_over(), missing.seconds_to_retry()) == ([], None)


def pause(missing: MissingStops, clock: FakeClock) -> timedelta:
    end = missing.timers.held_until(ONE, clock.now())
    return timedelta() if end is None else end - clock.now()


def test_a_stop_that_is_gone_at_once_waits_as_one_that_was_refused(
    missing: MissingStops, clock: FakeClock
) -> None:
    """M5.7: a venue that takes each one and ends it is asked ever less often."""
    pauses = []
    for _ in range(12):
        missing.accepted(ONE)
        clock.advance(RESTED - timedelta(milliseconds=1))
        assert missing.gone_at_once(ONE)
        pauses.append(pause(missing, clock))
        clock.advance(pauses[-1])
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[1], pauses[-1]) == (FIRST, 2 * FIRST, LONGEST)


def test_only_a_stop_that_has_rested_ends_what_was_counted(
    missing: MissingStops, clock: FakeClock
) -> None:
    """M5.7: not the answer that it was taken; nor one that is gone, beside which none was refused."""
    missing.refused(ONE, "no")
    missing.refused(ONE, "no")
    missing.accepted(ONE)
    assert ONE not in missing.backoff.reasons
    assert missing.gone_at_once(ONE)
    assert pause(missing, clock) == 4 * FIRST

    missing.accepted(ONE)
    clock.advance(RESTED)
    assert not missing.gone_at_once(ONE)
    missing.refused(ONE, "no")
    assert pause(missing, clock) == FIRST


def test_refused_moves_of_a_stop_that_rests_wait_ever_longer(
    missing: MissingStops, clock: FakeClock
) -> None:
    """M5.7: it has rested for an hour, which is no reason to ask for each move as for the first."""
    missing.accepted(ONE)
    clock.advance(timedelta(hours=1))
    for times in range(3):
        missing.refused(ONE, "no")
        assert pause(missing, clock) == FIRST * 2**times
        clock.advance(timedelta(seconds=10))
