"""Stops for whole shares of a position that has a fraction more; the daemon guards the fraction."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.fakes.resting import (
    assert_one_truth,
    at_venue,
    guard,
    listen,
    one,
    restart,
    resting,
    settle,
    sweep,
    traits,
    unpromised,
)
from tests.fakes.trading import BOT, SYMBOL, TradingHarness, open_harness
from tradebotd.daemon.disk_watch import guards_of
from tradebotd.domain.bot import SizingKind, SizingRule
from tradebotd.domain.filters import LotSize
from tradebotd.domain.order import OrderType
from tradebotd.domain.position import CloseReason
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

WHOLE = LotSize(step=Decimal(1))


def of(quantity: str) -> dict[str, SizingRule]:
    return {"sizing": SizingRule(kind=SizingKind.FIXED_QUANTITY, value=Decimal(quantity))}


async def fractional(
    database: Database,
    replacement: Replacement,
    quantity: str = "10.4",
    *,
    linked: bool = False,
    types: frozenset[OrderType] = frozenset(OrderType),
) -> TradingHarness:
    harness = await open_harness(
        database,
        one(replacement, initial_capital=Decimal(10_000), **of(quantity)),
        traits=replace(traits(replacement, linked=linked), order_types=types),
    )
    harness.set_filters(stop_lot=WHOLE)
    listen(harness)
    await harness.enter()
    await sweep(harness, 2)
    return harness


def sold(harness: TradingHarness) -> list[Decimal]:
    return [fill.quantity for fill in harness.venue.fills[1:]]


@unpromised
async def test_the_stop_rests_for_whole_lots_and_is_not_moved_for_less(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: judged by the stop's own lot, before and after a restart; it is said for how much."""
    harness = await fractional(database, replacement)
    (position_id,) = harness.protection.held
    assert [each.quantity for each in resting(harness).values()] == [Decimal(10)]
    assert harness.protection.resting_quantity(position_id) == 10
    assert guard(harness) == "both"
    words = f"{BOT} {SYMBOL} (position {position_id})"
    assert guards_of(harness.protection).resting == [words]
    assert guards_of(harness.protection).unguarded == [f"0.4 of {words}"]

    sent = len(harness.venue.submitted)
    after = await restart(harness)
    after.set_filters(stop_lot=WHOLE)
    await after.protection.load(after.clock.now())
    await sweep(after, 3)
    assert len(after.venue.submitted) == sent
    assert after.protection.resting_quantity(position_id) == 10


@unpromised
@pytest.mark.parametrize("types", [frozenset(OrderType), frozenset({OrderType.STOP_LIMIT})])
async def test_the_venue_sells_the_lots_and_the_daemon_the_rest(
    database: Database, replacement: Replacement, types: frozenset[OrderType]
) -> None:
    """M5.7: together all that is held, and no more."""
    harness = await fractional(database, replacement, types=types | {OrderType.MARKET})
    for _ in range(4):
        await harness.stream("94.9")
        await harness.venue.match(SYMBOL)
        await sweep(harness)

    assert (await harness.position())["close_reason"] == "stop_loss"
    assert sold(harness) == [Decimal(10), Decimal("0.4")]
    assert resting(harness) == {}
    await settle(harness)
    await assert_one_truth(harness)


@unpromised
@pytest.mark.parametrize("told", [False, True])
async def test_a_stop_that_the_venue_leaves_lying_is_sold_with_the_rest_once(
    database: Database, replacement: Replacement, *, told: bool
) -> None:
    """M5.7: the daemon takes the stop away before it sells, by a price or by an operator's word."""
    harness = await fractional(database, replacement)
    if told:
        (position,) = harness.protection.held.values()
        await harness.protection.close_now(position, CloseReason.MANUAL)
    else:
        for _ in range(3):
            await harness.stream("94")
            await sweep(harness)
    assert sum(sold(harness)) == Decimal("10.4")
    await settle(harness)
    assert at_venue(harness) == 0
    await assert_one_truth(harness)


@unpromised
async def test_less_than_a_lot_is_the_daemons_alone(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: no order is tried that the venue would refuse."""
    harness = await fractional(database, replacement, "0.9")
    (position_id,) = harness.protection.held
    assert guard(harness) == "daemon"
    assert harness.protection.resting_quantity(position_id) is None
    assert len(harness.venue.submitted) == 1
    assert await harness.open_alerts() == []


@unpromised
async def test_a_target_beside_it_leaves_the_rest_to_the_daemon(
    database: Database, replacement: Replacement
) -> None:
    """M5.7."""
    harness = await fractional(database, replacement, linked=True)
    assert [each.quantity for each in resting(harness).values()] == [Decimal(10), Decimal(10)]
    for _ in range(4):
        await harness.stream("110.5")
        await harness.venue.match(SYMBOL)
        await sweep(harness)
    assert (await harness.position())["close_reason"] == "take_profit"
    assert sold(harness) == [Decimal(10), Decimal("0.4")]
    await settle(harness)
    await assert_one_truth(harness)
