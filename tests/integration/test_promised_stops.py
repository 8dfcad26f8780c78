"""A stop that the venue has promised to replace: kept, broken, overtaken by a fill, or silent."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import (
    assert_one_truth,
    at_venue,
    one,
    open_resting_harness,
    restart,
    settle,
    stops,
    sweep,
)
from tests.fakes.trading import SYMBOL, TradingHarness
from tests.fakes.venue import Behaviour
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderType
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

PROMISED = Replacement.PROMISED
NOTHING = Decimal(0)
TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
OLD, MOVED = [(Decimal("95.00"), Decimal(1))], [(Decimal("102.60"), Decimal(1))]


async def harness_of(database: Database, *, waits: bool) -> TradingHarness:
    """A position with its stop at the venue; the price has moved it to 102.60."""
    harness = await open_resting_harness(database, PROMISED, one(PROMISED, exits=TRAIL))
    await harness.enter()
    await sweep(harness, 2)
    harness.venue.promises_wait = waits
    await harness.stream("108")
    return harness


async def promised(database: Database) -> TradingHarness:
    """The venue has said yes, and no more: the old stop rests there."""
    harness = await harness_of(database, waits=True)
    await sweep(harness)
    assert stops(harness) == OLD
    assert len(harness.venue.promises) == 1
    return harness


async def live(harness: TradingHarness) -> list[Decimal]:
    """The levels of the stops that our books have as live."""
    rows = await harness.rows(
        "SELECT stop_price FROM orders WHERE status = 'new' AND role = 'exit' ORDER BY stop_price"
    )
    return [row["stop_price"] for row in rows]


async def test_the_old_stop_is_live_and_counted_until_the_venue_has_decided(
    database: Database,
) -> None:
    """M5.4, M5.5: the price moves on, and no third order is made."""
    harness = await promised(database)
    sent = len(harness.venue.submitted)

    await harness.stream("112")
    await sweep(harness, 4)

    assert await live(harness) == [Decimal("95.00"), Decimal("102.60")]
    assert (len(harness.venue.submitted), harness.venue.cancelled) == (sent, [])
    assert [harness.protection.protected_by(each) for each in harness.protection.held] == ["both"]

    await harness.venue.keep_promises()
    assert await live(harness) == [Decimal("102.60")]
    harness.venue.promises_wait = False
    await sweep(harness, 4)
    assert stops(harness) == [(Decimal("106.40"), Decimal(1))]
    await assert_one_truth(harness)


async def test_the_old_stop_fills_after_the_yes(database: Database) -> None:
    """M5.5: the position ends once, and the new stop is not left behind."""
    harness = await promised(database)

    await harness.venue.move(SYMBOL, "94")  # the venue is faster than the daemon
    await settle(harness)

    assert (await harness.position())["quantity"] == 0
    assert [order["status"] for order in await harness.orders()] == ["filled", "filled", "rejected"]
    assert at_venue(harness) == 0
    await assert_one_truth(harness)


async def test_a_part_of_the_old_stop_fills_after_the_yes(database: Database) -> None:
    """M5.5: the new one is for more than is left and is rejected; the next is for the rest."""
    harness = await promised(database)
    (old,) = harness.venue.resting
    await harness.venue.fill_and_tell(old, Decimal("0.4"))

    await harness.venue.keep_promises()
    assert stops(harness) == OLD
    harness.venue.promises_wait = False
    await sweep(harness, 4)

    assert stops(harness) == [(Decimal("102.60"), Decimal("0.6"))]
    await assert_one_truth(harness)


async def test_a_price_between_both_stops_withdraws_the_promise_and_sells(
    database: Database,
) -> None:
    """M5.4, M6.1: our own exit does not wait for the venue's word: both stops go, then it goes."""
    harness = await promised(database)
    (old,), (new,) = harness.venue.resting, harness.venue.promises
    sent = len(harness.venue.submitted)

    await harness.stream("102")

    assert harness.venue.cancelled == [new, old]
    assert (len(harness.venue.submitted), at_venue(harness)) == (sent + 1, NOTHING)
    assert (await harness.position())["close_reason"] == "trailing_stop"
    await settle(harness)
    await assert_one_truth(harness)


@pytest.mark.parametrize("reason", [CloseReason.MANUAL, CloseReason.FLATTEN, CloseReason.SIGNAL])
async def test_a_close_withdraws_the_promise_first(database: Database, reason: CloseReason) -> None:
    """M5.4, M9.2: the venue lets the old stop go only once the new one is taken back."""
    harness = await promised(database)
    (old,), (new,) = harness.venue.resting, harness.venue.promises
    position = next(iter(harness.protection.held.values()))

    await harness.protection.close_now(position, reason)

    assert harness.venue.cancelled == [new, old]
    assert at_venue(harness) == 0
    assert stops(harness) == []
    assert not harness.venue.promises
    await settle(harness)
    await assert_one_truth(harness)


async def test_a_close_behind_a_promise_of_which_the_answer_was_lost(database: Database) -> None:
    """M5.5, R3: the new one is in doubt in our books, and is taken back all the same."""
    harness = await harness_of(database, waits=True)
    harness.venue.script.append(Behaviour.DROP_AFTER)
    await sweep(harness, 2)
    position = next(iter(harness.protection.held.values()))

    await harness.protection.close_now(position, CloseReason.MANUAL)

    assert at_venue(harness) == 0
    assert stops(harness) == []
    assert not harness.venue.promises
    await settle(harness)
    await assert_one_truth(harness)


async def test_a_close_that_fails_behind_a_withdrawn_promise_leaves_a_stop(
    database: Database,
) -> None:
    """M5.5: both stops made way for a sale that the venue refuses; the next sweep places one."""
    harness = await promised(database)
    position = next(iter(harness.protection.held.values()))
    harness.venue.script.append(Behaviour.REJECT)

    with pytest.raises(OrderRejectedError):
        await harness.protection.close_now(position, CloseReason.MANUAL)
    harness.venue.promises_wait = False
    await sweep(harness, 3)

    assert stops(harness) == MOVED
    await assert_one_truth(harness)


async def test_the_venue_keeps_the_promise_while_it_is_withdrawn(database: Database) -> None:
    """M5.5: what is taken back rests by now, and the old one is gone: one sale, nothing rests."""
    harness = await promised(database)
    position = next(iter(harness.protection.held.values()))

    async def keep(_: ClientOrderId) -> None:
        harness.venue.before_cancel = None
        await harness.venue.keep_promises()

    harness.venue.before_cancel = keep
    await harness.protection.close_now(position, CloseReason.MANUAL)

    assert at_venue(harness) == 0
    assert stops(harness) == []
    await settle(harness)
    await assert_one_truth(harness)


async def test_a_promise_behind_a_closed_position_is_cleared_at_once(database: Database) -> None:
    """M5.7: the promised order first, else the venue keeps the old one until the next round."""
    before = await promised(database)
    (old,), (new,) = before.venue.resting, before.venue.promises
    await before.execute(
        "UPDATE positions SET closed_at = opened_at, close_reason = 'external', quantity = 0,"
        " exit_quantity = entry_quantity, exit_price = entry_price"
    )

    after = await restart(before)
    await after.protection.clear_orphaned_exits()

    assert after.venue.cancelled == [new, old]
    assert (stops(after), after.venue.promises) == ([], {})


async def test_the_new_stop_is_rejected_afterwards(database: Database) -> None:
    """M5.5: what rests goes on resting and is no lost stop; the next try waits ever longer."""
    harness = await harness_of(database, waits=False)
    harness.venue.script.extend([Behaviour.BREAK_PROMISE] * 3)
    sent = len(harness.venue.submitted)
    failed: list[str] = []
    for _ in range(40):
        failed += (await harness.protection.sweep(harness.clock.now())).failed.values()
    assert len(harness.venue.submitted) == sent + 1
    assert stops(harness) == OLD
    assert ["promised" in reason for reason in failed] == [True]
    assert "resting_stop_lost" not in await harness.open_alerts()

    await sweep(harness, 12)

    assert len(harness.venue.submitted) == sent + 4
    assert stops(harness) == MOVED
    assert (await harness.protection.sweep(harness.clock.now())).failed == {}
    await assert_one_truth(harness)


async def test_a_venue_that_says_no_more_is_not_waited_for_without_an_end(
    database: Database,
) -> None:
    """M5.5: after a minute it is alerted, the promise is taken back, and the old stop rests."""
    harness = await promised(database)
    await sweep(harness, 11)
    assert "resting_stop_lost" not in await harness.open_alerts()
    assert harness.venue.cancelled == []

    await sweep(harness, 2)

    assert "resting_stop_lost" in await harness.open_alerts()
    assert (harness.venue.promises, stops(harness)) == ({}, OLD)
    position = next(iter(harness.protection.held.values()))
    await harness.protection.close_now(position, CloseReason.MANUAL)
    assert at_venue(harness) == 0
    await settle(harness)
    await assert_one_truth(harness)


async def test_a_daemon_that_starts_behind_a_promise_waits_for_it(database: Database) -> None:
    """M5.5, M5.2: what is promised is read from the books."""
    before = await promised(database)

    after = await restart(before)
    await after.protection.load(after.clock.now())
    await sweep(after, 3)
    assert await live(after) == [Decimal("95.00"), Decimal("102.60")]

    await after.venue.keep_promises()
    sent = len(after.venue.submitted)
    await sweep(after, 2)
    assert stops(after) == MOVED
    assert len(after.venue.submitted) == sent
    await assert_one_truth(after)


async def test_the_answer_of_a_promise_is_lost(database: Database) -> None:
    """M5.5, R3: the new one is in doubt, and the old one rests until that is known."""
    harness = await harness_of(database, waits=True)
    harness.venue.script.append(Behaviour.DROP_AFTER)
    await sweep(harness, 2)
    assert stops(harness) == OLD

    await harness.venue.keep_promises()
    harness.clock.advance(timedelta(seconds=30))
    await settle(harness)

    assert stops(harness) == MOVED
    await assert_one_truth(harness)


async def test_a_stop_of_another_type_is_not_asked_for_in_the_place_of_the_old_one(
    database: Database,
) -> None:
    """M5.5: the venue keeps an order's type: the old one is cancelled, then the new one placed."""
    harness = await harness_of(database, waits=False)
    taken = harness.venue.traits.order_types - {OrderType.STOP_MARKET} | {OrderType.STOP_LIMIT}
    harness.venue.traits = replace(harness.venue.traits, order_types=taken)

    await sweep(harness, 3)

    (rests,) = harness.venue.resting.values()
    assert (rests.type, rests.stop_price) == (OrderType.STOP_LIMIT, Decimal("102.60"))
    assert "resting_stop_lost" not in await harness.open_alerts()
    await assert_one_truth(harness)
