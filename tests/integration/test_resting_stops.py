"""Stops that rest at the venue: placed, sized, moved, met, lost, and taken out of the way."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import (
    CAPABILITIES,
    assert_one_truth,
    at_venue,
    guard,
    move,
    one,
    open_resting_harness,
    restart,
    resting,
    settle,
    stops,
    sweep,
)
from tests.fakes.trading import NOON, SYMBOL, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.candle import Tick
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.exit_plan import ExitPlan
from tradebotd.domain.ids import ClientOrderId, PositionId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderType
from tradebotd.domain.position import CloseReason
from tradebotd.domain.quote import Quote
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.venue import Replacement
from tradebotd.storage import open_positions
from tradebotd.storage.postgres.database import Database

TRAIL = ExitPlan(trailing_stop=Decimal("0.05"))
capabilities = pytest.mark.parametrize("replacement", CAPABILITIES)


@capabilities
async def test_a_stop_rests_at_the_venue_from_the_next_price_on(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: placed as soon as the first fill is known, of all that is held, once."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    assert stops(harness) == []

    await harness.stream("100.5")
    await sweep(harness, 3)

    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]
    assert guard(harness) == "both"
    assert len(harness.venue.submitted) == 2


async def test_a_target_alone_guards_nothing(database: Database) -> None:
    """M5.7, Interface 3.4: whoever reads `protected_by` asks what ends a loss."""
    harness = await open_resting_harness(
        database, Replacement.REPLACE, spec(exits=ExitPlan(take_profit=Decimal("0.05")))
    )
    await harness.enter()
    await harness.stream("100.5")
    await sweep(harness, 3)

    assert guard(harness) == "none"


@capabilities
async def test_a_dead_daemon_leaves_a_stop_that_ends_the_position(
    database: Database, replacement: Replacement
) -> None:
    """M5.7, R14: the venue fills it alone; whoever comes next reads what it did."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness)

    harness.venue.listener = None
    harness.tick("94")
    await harness.venue.match(SYMBOL)
    after = await restart(harness)
    await after.reconciler.run()

    position = await after.position()
    assert (position["close_reason"], position["quantity"]) == ("stop_loss", 0)
    await assert_one_truth(after)


@capabilities
async def test_where_a_stop_rests_the_venue_goes_first_and_the_daemon_behind_it(
    database: Database, replacement: Replacement
) -> None:
    """2.3: one point of grace; the price met the stop and the venue filled it, so nothing is sent."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness, 2)
    sent = len(harness.venue.submitted)

    await move(harness, "94")

    assert len(harness.venue.submitted) == sent
    assert (await harness.position())["close_reason"] == "stop_loss"
    await sweep(harness)
    await assert_one_truth(harness)


@capabilities
async def test_a_stop_that_the_venue_leaves_lying_is_taken_over_by_the_daemon(
    database: Database, replacement: Replacement
) -> None:
    """2.3: the grace is over, the stop was not filled: it goes, and the position ends."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness, 2)

    await harness.stream("94")
    await harness.stream("93.5")

    assert (await harness.position())["close_reason"] == "stop_loss"
    assert resting(harness) == {}
    await settle(harness)
    await assert_one_truth(harness)


async def test_the_grace_is_two_seconds_of_market_time(database: Database) -> None:
    """2.3: of a clock that runs."""
    harness = await open_resting_harness(database, Replacement.OVERLAP, speed=1.0)
    await harness.enter()
    await sweep(harness, 2)
    for price in ("94", "93", "92"):
        await harness.stream(price)
    assert (await harness.position())["closed_at"] is None

    await sweep(harness)
    assert (await harness.position())["close_reason"] == "stop_loss"


@capabilities
async def test_a_stop_that_trails_is_replaced_at_most_once_a_sweep(
    database: Database, replacement: Replacement
) -> None:
    """M4.7, M5.7: ticks move it in memory, the sweep at the venue."""
    harness = await open_resting_harness(database, replacement, one(replacement, exits=TRAIL))
    await harness.enter()
    await sweep(harness, 2)
    sent = len(harness.venue.submitted)
    for price in ("102", "104", "106", "108"):
        await harness.stream(price)
    assert len(harness.venue.submitted) == sent

    await sweep(harness, 3)

    assert stops(harness) == [(Decimal("102.60"), Decimal(1))]
    assert len(harness.venue.submitted) == sent + 1
    await assert_one_truth(harness)


@capabilities
async def test_more_fills_make_a_larger_stop(database: Database, replacement: Replacement) -> None:
    """M5.7: the quantity is that of the position."""
    rests = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))
    harness = await open_resting_harness(database, replacement, one(replacement, entry=rests))
    await harness.enter()
    (entry,) = resting(harness)
    await harness.recorder.record(harness.venue.fill(entry, Decimal("0.4")))
    await sweep(harness, 2)
    assert stops(harness) == [(Decimal("94.05"), Decimal("0.4"))]

    await harness.recorder.record(harness.venue.fill(entry, Decimal("0.6")))
    await sweep(harness, 3)

    assert stops(harness) == [(Decimal("94.05"), Decimal(1))]
    await assert_one_truth(harness)


@capabilities
async def test_a_stop_cancelled_by_somebody_else_is_placed_again_and_said(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: reconciled like every order."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness, 2)
    (order,) = resting(harness)
    await harness.venue.cancel(SYMBOL, order)

    await harness.reconciler.run()
    await sweep(harness)
    rows = await harness.rows("SELECT code FROM alerts")
    assert {"code": "resting_stop_lost"} in rows
    await sweep(harness, 2)

    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]
    assert "resting_stop_lost" not in await harness.open_alerts()


@capabilities
async def test_a_stop_that_would_trigger_at_once_ends_the_position(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: the venue refuses it, because the price is there already. That is no failure to tell."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    harness.tick("94")
    harness.venue.script.append(Behaviour.REJECT)

    await harness.protection.run_once()
    result = await harness.protection.sweep(harness.clock.now())

    assert (await harness.position())["close_reason"] == "stop_loss"
    assert result.failed == {}
    assert await harness.rows("SELECT code FROM alerts") == []
    await assert_one_truth(harness)


async def test_a_stop_that_is_refused_at_a_lone_print_ends_nothing(database: Database) -> None:
    """M3.10, M5.7: whatever the venue refuses it for, the print far below it proves no price."""
    harness = await open_resting_harness(database, Replacement.OVERLAP, bad_tick=Decimal("0.1"))
    await harness.enter()
    harness.tick("50")
    harness.venue.script.append(Behaviour.REJECT)

    await harness.protection.run_once()

    assert (await harness.position())["closed_at"] is None
    assert [order["type"] for order in await harness.orders()] == ["market", "stop_market"]


async def test_a_stop_that_is_refused_is_tried_again_with_growing_pauses(
    database: Database,
) -> None:
    """M5.7: bounded, said, and the daemon's own check stands meanwhile."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    harness.venue.script.extend([Behaviour.REJECT] * 3)
    for _ in range(60):
        await harness.stream("100.1")
    assert len(harness.venue.submitted) == 2
    assert guard(harness) == "daemon"
    assert "resting_stop_lost" in await harness.open_alerts()

    await sweep(harness, 5)

    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]
    assert "resting_stop_lost" not in await harness.open_alerts()


async def test_a_target_rests_beside_its_stop_where_one_cancels_the_other(
    database: Database,
) -> None:
    """M5.7: OCO on spot."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, linked=True)
    await harness.enter()
    await sweep(harness, 2)
    kinds = sorted((each.type, each.stop_price) for each in resting(harness).values())
    assert kinds == [
        (OrderType.STOP_MARKET, Decimal("95.00")),
        (OrderType.TAKE_PROFIT_MARKET, Decimal("110.00")),
    ]

    await move(harness, "111")
    await settle(harness)

    assert (await harness.position())["close_reason"] == "take_profit"
    assert resting(harness) == {}
    assert await harness.rows("SELECT 1 FROM exit_groups WHERE role <> 'closed'") == []
    await assert_one_truth(harness)


@capabilities
async def test_a_close_by_hand_takes_the_resting_stop_out_of_the_way(
    database: Database, replacement: Replacement
) -> None:
    """2.3: an exit at the market is a replacement like any other."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness, 2)
    async with database.connection() as connection:
        (position,) = await open_positions.select_open_page(connection, PositionId(0))

    await harness.protection.close_now(position, CloseReason.MANUAL)
    await settle(harness)

    assert (await harness.position())["close_reason"] == "manual"
    assert resting(harness) == {}
    assert at_venue(harness) == 0
    await assert_one_truth(harness)


async def test_a_restart_finds_the_stop_that_rests_and_leaves_it(database: Database) -> None:
    """M4.7, M5.7: a restart changes nothing."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    await harness.enter()
    await sweep(harness, 2)
    sent = len(harness.venue.submitted)

    after = await restart(harness)
    await after.protection.load(NOON)
    await sweep(after, 2)

    assert guard(after) == "both"
    assert len(after.venue.submitted) == sent


async def test_a_restart_does_not_clear_what_nobody_knows_of_a_stop(database: Database) -> None:
    """M5.7, M5.2: its answer was lost and the venue has never seen it; the next daemon says so."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    harness.venue.traits = replace(harness.venue.traits, receive_window=timedelta(minutes=10))
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await sweep(harness, 3)
    assert "resting_stop_lost" in await harness.open_alerts()

    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await sweep(after, 3)

    assert "resting_stop_lost" in await after.open_alerts()
    assert {after.protection.protected_by(each) for each in after.protection.held} == {"daemon"}


@capabilities
async def test_a_stop_that_makes_way_for_our_own_exit_is_not_called_lost(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: somebody tends while the exit is on its way; a false alarm is soon not read."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness, 2)

    async def tend_meanwhile(_: ClientOrderId) -> None:
        await harness.protection.sweep(harness.clock.now())

    harness.venue.before_submit = tend_meanwhile
    position = next(iter(harness.protection.held.values()))
    await harness.protection.close_now(position, CloseReason.SIGNAL)
    harness.venue.before_submit = None
    await sweep(harness, 3)

    assert (await harness.position())["close_reason"] == "signal"
    assert await harness.rows("SELECT subject FROM alerts WHERE code = 'resting_stop_lost'") == []


async def test_what_rests_is_the_exit_again_once_its_replacement_was_refused(
    database: Database,
) -> None:
    """2.3: where exits may overlap, the next replacement finds the old stop at the venue, too."""
    harness = await open_resting_harness(
        database, Replacement.OVERLAP, one(Replacement.OVERLAP, exits=TRAIL)
    )
    await harness.enter()
    await sweep(harness, 2)
    await harness.stream("108")
    harness.venue.script.append(Behaviour.REJECT)
    await sweep(harness)
    beside: list[int] = []

    async def look(_: ClientOrderId) -> None:
        beside.append(len(stops(harness)))

    harness.venue.before_submit = look
    await sweep(harness, 6)

    assert beside == [1]
    assert stops(harness) == [(Decimal("102.60"), Decimal(1))]
    await assert_one_truth(harness)


async def test_an_empty_group_that_retires_does_not_keep_the_next_stop_away(
    database: Database,
) -> None:
    """2.3: only one may retire at a time, so one that nothing is left of has to end."""
    harness = await open_resting_harness(
        database, Replacement.OVERLAP, one(Replacement.OVERLAP, exits=TRAIL)
    )
    await harness.enter()
    await sweep(harness, 2)
    await harness.execute(
        "INSERT INTO exit_groups (position_id, role, kind, made_at, retired_at)"
        " SELECT position_id, 'retiring', kind, made_at, made_at FROM exit_groups WHERE role = 'active'"
    )

    await harness.stream("108")
    await sweep(harness, 4)

    assert stops(harness) == [(Decimal("102.60"), Decimal(1))]
    assert await harness.rows("SELECT 1 FROM exit_groups WHERE role = 'retiring'") == []
    await assert_one_truth(harness)


async def test_the_alert_of_a_refused_stop_ends_with_its_position(database: Database) -> None:
    """M5.7: an alert that nothing clears is soon one that nobody reads."""
    harness = await open_resting_harness(database, Replacement.OVERLAP)
    await harness.enter()
    harness.venue.script.append(Behaviour.REJECT)
    await sweep(harness)
    assert "resting_stop_lost" in await harness.open_alerts()

    await harness.stream("111")
    assert harness.protection.held == {}
    await sweep(harness)

    assert "resting_stop_lost" not in await harness.open_alerts()


@pytest.mark.parametrize(
    ("at_venue_now", "reason", "level"),
    [
        ("94", CloseReason.STOP_LOSS, 95),
        ("95.1", CloseReason.STOP_LOSS, None),  # nearer to the stop than to the target
        ("109.9", CloseReason.TAKE_PROFIT, None),
        ("111", CloseReason.TAKE_PROFIT, 110),
        (None, CloseReason.STOP_LOSS, None),
    ],
)
async def test_a_pair_that_would_trigger_at_once_ends_for_the_leg_that_the_price_is_at(
    database: Database, at_venue_now: str | None, reason: CloseReason, level: int | None
) -> None:
    """M5.7: the venue names no leg; a target that was met is no loss, and has no level of a stop."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST, linked=True)
    await harness.enter()

    async def refused(*_: object, **__: object) -> list[OrderReport]:
        raise OrderRejectedError("order would immediately trigger")

    async def quotes(symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        if at_venue_now is None:
            raise VenueUnavailableError("503")
        return {each.symbol: Quote(last=Decimal(at_venue_now)) for each in symbols}

    harness.venue.submit_linked, harness.venue.quotes = refused, quotes  # type: ignore[method-assign]
    await harness.protection.run_once()

    order = (await harness.orders())[-1]
    assert (await harness.position())["close_reason"] == reason
    assert (order["type"], order["trigger_price"]) == ("market", level)
    assert await harness.rows("SELECT code FROM alerts") == []


async def test_a_single_stop_that_would_trigger_at_once_ends_for_its_own_reason(
    database: Database,
) -> None:
    """M5.7: no price says otherwise, and none that is in memory has met it."""
    harness = await open_resting_harness(
        database, Replacement.CANCEL_FIRST, one(Replacement.CANCEL_FIRST, exits=TRAIL)
    )
    await harness.enter()

    async def refuse(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        raise OrderRejectedError("order would immediately trigger")

    harness.venue.before_submit = refuse
    await harness.protection.run_once()

    assert (await harness.position())["close_reason"] == "trailing_stop"


async def test_the_alert_of_a_lost_stop_ends_when_one_rests_again(database: Database) -> None:
    """M5.7: not an hour later, when the one whose answer was lost is given up."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    harness.venue.traits = replace(harness.venue.traits, resting_margin=timedelta(hours=1))
    await harness.reconciler.run()
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_BEFORE)
    await sweep(harness)
    assert "resting_stop_lost" in await harness.open_alerts()

    await harness.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await sweep(harness, 4)

    assert stops(harness) == [(Decimal("95.00"), Decimal(1))]
    assert await harness.rows("SELECT 1 FROM exit_groups WHERE role = 'retiring'") != []
    assert "resting_stop_lost" not in await harness.open_alerts()


async def test_a_price_of_before_the_fill_ends_nothing_where_a_stop_is_refused(
    database: Database,
) -> None:
    """M4.7, M5.7: 94 was before the entry filled at 100; the venue has no reason to be refusing."""
    harness = await open_resting_harness(database, Replacement.CANCEL_FIRST)
    harness.tick("94")
    harness.venue.prices = PriceCache(Decimal(100))
    harness.venue.prices.record(Tick(harness.clock.now(), SYMBOL, Decimal(100)))
    harness.clock.advance(timedelta(seconds=1))
    await harness.enter()
    refusals = []

    async def refuse(_: ClientOrderId) -> None:
        harness.venue.before_submit = None
        refusals.append("once")
        raise OrderRejectedError("in no mood")

    harness.venue.before_submit = refuse
    await harness.protection.run_once()
    assert refusals
    assert (await harness.position())["closed_at"] is None
