"""What moving a resting stop asks of its venue, and what is left behind it."""

from decimal import Decimal

import pytest

from tests.fakes.resting import assert_one_truth, one, open_resting_harness, stops, sweep
from tests.fakes.trading import TradingHarness
from tests.fakes.traffic import CountedDatabase, Traffic
from tests.fakes.venue import Behaviour
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
MOVED = [(Decimal("102.60"), Decimal(1))]


async def trailing(database: Database, replacement: Replacement) -> TradingHarness:
    """A position whose stop rests at the venue and is to be moved; what is asked counts from here."""
    harness = await open_resting_harness(database, replacement, one(replacement, exits=TRAIL))
    await harness.enter()
    await sweep(harness, 2)
    await harness.stream("108")
    harness.venue.asked_for.clear()
    return harness


@pytest.mark.parametrize(
    ("replacement", "behaviours", "asked"),
    [
        (Replacement.REPLACE, [], []),
        (Replacement.REPLACE, [Behaviour.TELL_NEW_ALONE], ["find_order"]),
        (Replacement.PROMISED, [], ["find_order", "find_order"]),
        (Replacement.CANCEL_FIRST, [], ["cancel"]),
        (Replacement.OVERLAP, [], ["cancel"]),
    ],
)
async def test_a_stop_is_moved_in_as_few_calls_as_the_venue_allows(
    database: Database, replacement: Replacement, behaviours: list[Behaviour], asked: list[str]
) -> None:
    """B14: what one call has replaced is not cancelled, and looked up only if it was not told."""
    harness = await trailing(database, replacement)
    harness.venue.script.extend(behaviours)

    await sweep(harness, 3)

    assert stops(harness) == MOVED
    assert harness.venue.asked_for == asked
    await assert_one_truth(harness)


@pytest.mark.parametrize(
    ("replacement", "statements", "transactions"),
    [
        (Replacement.REPLACE, 15, 2),
        (Replacement.CANCEL_FIRST, 21, 4),
        (Replacement.OVERLAP, 17, 3),
    ],
)
async def test_a_move_costs_no_more_than_that(
    database: Database, replacement: Replacement, statements: int, transactions: int
) -> None:
    """B14, a ratchet: both reports of a replacement are one transaction; four of the statements
    are the sweep's own and asyncpg's.
    """
    traffic = Traffic()
    harness = await trailing(CountedDatabase(database, traffic), replacement)
    traffic.forget()

    await sweep(harness)

    assert stops(harness) == MOVED
    assert len(traffic.statements) <= statements, traffic.listing()
    assert traffic.transactions <= transactions, traffic.listing()
