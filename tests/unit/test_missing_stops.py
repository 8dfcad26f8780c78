"""Pauses after a stop that could not be placed: what ends them."""

from datetime import timedelta

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.trading import NOON
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.ids import PositionId
from tradebotd.storage.exit_groups import Groups
from tradebotd.trading.exits.missing_stops import FIRST, MissingStops

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
