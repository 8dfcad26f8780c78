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
    move,
    one,
    open_resting_desk,
    restart,
    resting,
    settle,
    stops,
    sweep,
)
from tests.fakes.trading import NOON, SYMBOL, spec
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import EntryKind, EntryRule
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import ClientOrderId, PositionId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderType
from tradebotd.domain.position import CloseReason
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
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    assert stops(desk) == []

    await desk.stream("100.5")
    await sweep(desk, 3)

    assert stops(desk) == [(Decimal("95.00"), Decimal(1))]
    (position_id,) = desk.protection.held
    assert desk.protection.protected_by(position_id) == "both"
    assert len(desk.venue.submitted) == 2


async def test_a_target_alone_guards_nothing(database: Database) -> None:
    """M5.7, Interface 3.4: whoever reads `protected_by` asks what ends a loss."""
    desk = await open_resting_desk(
        database, Replacement.REPLACE, spec(exits=ExitPlan(take_profit=Decimal("0.05")))
    )
    await desk.enter()
    await desk.stream("100.5")
    await sweep(desk, 3)

    (position_id,) = desk.protection.held
    assert desk.protection.protected_by(position_id) == "none"


@capabilities
async def test_a_dead_daemon_leaves_a_stop_that_ends_the_position(
    database: Database, replacement: Replacement
) -> None:
    """M5.7, R14: the venue fills it alone; whoever comes next reads what it did."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    await sweep(desk)

    desk.venue.listener = None
    desk.tick("94")
    await desk.venue.match(SYMBOL)
    after = await restart(desk)
    await after.reconciler.run()

    position = await after.position()
    assert (position["close_reason"], position["quantity"]) == ("stop_loss", 0)
    await assert_one_truth(after)


@capabilities
async def test_where_a_stop_rests_the_venue_goes_first_and_the_daemon_behind_it(
    database: Database, replacement: Replacement
) -> None:
    """2.3: one point of grace; the price met the stop and the venue filled it, so nothing is sent."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    await sweep(desk, 2)
    sent = len(desk.venue.submitted)

    await move(desk, "94")

    assert len(desk.venue.submitted) == sent
    assert (await desk.position())["close_reason"] == "stop_loss"
    await sweep(desk)
    await assert_one_truth(desk)


@capabilities
async def test_a_stop_that_the_venue_leaves_lying_is_taken_over_by_the_daemon(
    database: Database, replacement: Replacement
) -> None:
    """2.3: the grace is over, the stop was not filled: it goes, and the position ends."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    await sweep(desk, 2)

    await desk.stream("94")
    await desk.stream("93.5")

    assert (await desk.position())["close_reason"] == "stop_loss"
    assert resting(desk) == {}
    await settle(desk)
    await assert_one_truth(desk)


async def test_the_grace_is_two_seconds_of_market_time(database: Database) -> None:
    """2.3: of a clock that runs."""
    desk = await open_resting_desk(database, Replacement.OVERLAP, speed=1.0)
    await desk.enter()
    await sweep(desk, 2)
    for price in ("94", "93", "92"):
        await desk.stream(price)
    assert (await desk.position())["closed_at"] is None

    await sweep(desk)
    assert (await desk.position())["close_reason"] == "stop_loss"


@capabilities
async def test_a_stop_that_trails_is_replaced_at_most_once_a_sweep(
    database: Database, replacement: Replacement
) -> None:
    """M4.7, M5.7: ticks move it in memory, the sweep at the venue."""
    desk = await open_resting_desk(database, replacement, one(replacement, exits=TRAIL))
    await desk.enter()
    await sweep(desk, 2)
    sent = len(desk.venue.submitted)
    for price in ("102", "104", "106", "108"):
        await desk.stream(price)
    assert len(desk.venue.submitted) == sent

    await sweep(desk, 3)

    assert stops(desk) == [(Decimal("102.60"), Decimal(1))]
    assert len(desk.venue.submitted) == sent + 1
    await assert_one_truth(desk)


@capabilities
async def test_more_fills_make_a_larger_stop(database: Database, replacement: Replacement) -> None:
    """M5.7: the quantity is that of the position."""
    rests = EntryRule(kind=EntryKind.LIMIT, offset=Decimal("0.01"), lifetime=timedelta(minutes=5))
    desk = await open_resting_desk(database, replacement, one(replacement, entry=rests))
    await desk.enter()
    (entry,) = resting(desk)
    await desk.recorder.record(desk.venue.fill(entry, Decimal("0.4")))
    await sweep(desk, 2)
    assert stops(desk) == [(Decimal("94.05"), Decimal("0.4"))]

    await desk.recorder.record(desk.venue.fill(entry, Decimal("0.6")))
    await sweep(desk, 3)

    assert stops(desk) == [(Decimal("94.05"), Decimal(1))]
    await assert_one_truth(desk)


@capabilities
async def test_a_stop_cancelled_by_somebody_else_is_placed_again_and_said(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: reconciled like every order."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    await sweep(desk, 2)
    (order,) = resting(desk)
    await desk.venue.cancel(SYMBOL, order)

    await desk.reconciler.run()
    await sweep(desk)
    rows = await desk.rows("SELECT code FROM alerts")
    assert {"code": "resting_stop_lost"} in rows
    await sweep(desk, 2)

    assert stops(desk) == [(Decimal("95.00"), Decimal(1))]
    assert "resting_stop_lost" not in await desk.open_alerts()


@capabilities
async def test_a_stop_that_would_trigger_at_once_ends_the_position(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: the venue refuses it, because the price is there already. That is no failure to tell."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    desk.tick("94")
    desk.venue.script.append(Behaviour.REJECT)

    await desk.protection.attend_once()
    result = await desk.protection.sweep(desk.clock.now())

    assert (await desk.position())["close_reason"] == "stop_loss"
    assert result.failed == {}
    assert await desk.rows("SELECT code FROM alerts") == []
    await assert_one_truth(desk)


async def test_a_stop_that_is_refused_at_a_lone_print_ends_nothing(database: Database) -> None:
    """M3.10, M5.7: whatever the venue refuses it for, the print far below it proves no price."""
    desk = await open_resting_desk(database, Replacement.OVERLAP, bad_tick=Decimal("0.1"))
    await desk.enter()
    desk.tick("50")
    desk.venue.script.append(Behaviour.REJECT)

    await desk.protection.attend_once()

    assert (await desk.position())["closed_at"] is None
    assert [order["type"] for order in await desk.orders()] == ["market", "stop_market"]


async def test_a_stop_that_is_refused_is_tried_again_with_growing_pauses(
    database: Database,
) -> None:
    """M5.7: bounded, said, and the daemon's own check stands meanwhile."""
    desk = await open_resting_desk(database, Replacement.CANCEL_FIRST)
    await desk.enter()
    desk.venue.script.extend([Behaviour.REJECT] * 3)
    for _ in range(60):
        await desk.stream("100.1")
    assert len(desk.venue.submitted) == 2
    (position_id,) = desk.protection.held
    assert desk.protection.protected_by(position_id) == "daemon"
    assert "resting_stop_lost" in await desk.open_alerts()

    await sweep(desk, 5)

    assert stops(desk) == [(Decimal("95.00"), Decimal(1))]
    assert "resting_stop_lost" not in await desk.open_alerts()


async def test_a_target_rests_beside_its_stop_where_one_cancels_the_other(
    database: Database,
) -> None:
    """M5.7: OCO on spot."""
    desk = await open_resting_desk(database, Replacement.CANCEL_FIRST, linked=True)
    await desk.enter()
    await sweep(desk, 2)
    kinds = sorted((each.type, each.stop_price) for each in resting(desk).values())
    assert kinds == [
        (OrderType.STOP_MARKET, Decimal("95.00")),
        (OrderType.TAKE_PROFIT_MARKET, Decimal("110.00")),
    ]

    await move(desk, "111")
    await settle(desk)

    assert (await desk.position())["close_reason"] == "take_profit"
    assert resting(desk) == {}
    assert await desk.rows("SELECT 1 FROM exit_groups WHERE role <> 'closed'") == []
    await assert_one_truth(desk)


@capabilities
async def test_a_close_by_hand_takes_the_resting_stop_out_of_the_way(
    database: Database, replacement: Replacement
) -> None:
    """2.3: an exit at the market is a replacement like any other."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    await sweep(desk, 2)
    async with database.connection() as connection:
        (position,) = await open_positions.select_open_page(connection, PositionId(0))

    await desk.protection.close_by_hand(position, CloseReason.MANUAL)
    await settle(desk)

    assert (await desk.position())["close_reason"] == "manual"
    assert resting(desk) == {}
    assert at_venue(desk) == 0
    await assert_one_truth(desk)


async def test_a_restart_finds_the_stop_that_rests_and_leaves_it(database: Database) -> None:
    """M4.7, M5.7: a restart changes nothing."""
    desk = await open_resting_desk(database, Replacement.CANCEL_FIRST)
    await desk.enter()
    await sweep(desk, 2)
    sent = len(desk.venue.submitted)

    after = await restart(desk)
    await after.protection.load(NOON)
    await sweep(after, 2)

    (position_id,) = after.protection.held
    assert after.protection.protected_by(position_id) == "both"
    assert len(after.venue.submitted) == sent


async def test_a_restart_does_not_clear_what_nobody_knows_of_a_stop(database: Database) -> None:
    """M5.7, M5.2: its answer was lost and the venue has never seen it; the next daemon says so."""
    desk = await open_resting_desk(database, Replacement.CANCEL_FIRST)
    desk.venue.traits = replace(desk.venue.traits, receive_window=timedelta(minutes=10))
    await desk.enter()
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    await sweep(desk, 3)
    assert "resting_stop_lost" in await desk.open_alerts()

    after = await restart(desk)
    await after.protection.load(after.clock.now())
    await sweep(after, 3)

    assert "resting_stop_lost" in await after.open_alerts()
    assert {after.protection.protected_by(each) for each in after.protection.held} == {"daemon"}


@capabilities
async def test_a_stop_that_makes_way_for_our_own_exit_is_not_called_lost(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: somebody tends while the exit is on its way; a false alarm is soon not read."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    await sweep(desk, 2)

    async def tend_meanwhile(_: ClientOrderId) -> None:
        await desk.protection.sweep(desk.clock.now())

    desk.venue.before_submit = tend_meanwhile
    position = next(iter(desk.protection.held.values()))
    await desk.protection.close_by_hand(position, CloseReason.SIGNAL)
    desk.venue.before_submit = None
    await sweep(desk, 3)

    assert (await desk.position())["close_reason"] == "signal"
    assert await desk.rows("SELECT subject FROM alerts WHERE code = 'resting_stop_lost'") == []


async def test_what_rests_is_the_exit_again_once_its_replacement_was_refused(
    database: Database,
) -> None:
    """2.3: where exits may overlap, the next replacement finds the old stop at the venue, too."""
    desk = await open_resting_desk(
        database, Replacement.OVERLAP, one(Replacement.OVERLAP, exits=TRAIL)
    )
    await desk.enter()
    await sweep(desk, 2)
    await desk.stream("108")
    desk.venue.script.append(Behaviour.REJECT)
    await sweep(desk)
    beside: list[int] = []

    async def look(_: ClientOrderId) -> None:
        beside.append(len(stops(desk)))

    desk.venue.before_submit = look
    await sweep(desk, 6)

    assert beside == [1]
    assert stops(desk) == [(Decimal("102.60"), Decimal(1))]
    await assert_one_truth(desk)


async def test_an_empty_group_that_retires_does_not_keep_the_next_stop_away(
    database: Database,
) -> None:
    """2.3: only one may retire at a time, so one that nothing is left of has to end."""
    desk = await open_resting_desk(
        database, Replacement.OVERLAP, one(Replacement.OVERLAP, exits=TRAIL)
    )
    await desk.enter()
    await sweep(desk, 2)
    await desk.execute(
        "INSERT INTO exit_groups (position_id, role, kind, made_at, retired_at)"
        " SELECT position_id, 'retiring', kind, made_at, made_at FROM exit_groups WHERE role = 'active'"
    )

    await desk.stream("108")
    await sweep(desk, 4)

    assert stops(desk) == [(Decimal("102.60"), Decimal(1))]
    assert await desk.rows("SELECT 1 FROM exit_groups WHERE role = 'retiring'") == []
    await assert_one_truth(desk)


async def test_the_alert_of_a_refused_stop_ends_with_its_position(database: Database) -> None:
    """M5.7: an alert that nothing clears is soon one that nobody reads."""
    desk = await open_resting_desk(database, Replacement.OVERLAP)
    await desk.enter()
    desk.venue.script.append(Behaviour.REJECT)
    await sweep(desk)
    assert "resting_stop_lost" in await desk.open_alerts()

    await desk.stream("111")
    assert desk.protection.held == {}
    await sweep(desk)

    assert "resting_stop_lost" not in await desk.open_alerts()


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
    desk = await open_resting_desk(database, Replacement.CANCEL_FIRST, linked=True)
    await desk.enter()

    async def refused(*_: object, **__: object) -> list[OrderReport]:
        raise OrderRejectedError("order would immediately trigger")

    async def quotes(symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        if at_venue_now is None:
            raise VenueUnavailableError("503")
        return {each.symbol: Decimal(at_venue_now) for each in symbols}

    desk.venue.submit_linked, desk.venue.quotes = refused, quotes  # type: ignore[method-assign]
    await desk.protection.attend_once()

    order = (await desk.orders())[-1]
    assert (await desk.position())["close_reason"] == reason
    assert (order["type"], order["trigger_price"]) == ("market", level)
    assert await desk.rows("SELECT code FROM alerts") == []


async def test_a_single_stop_that_would_trigger_at_once_ends_for_its_own_reason(
    database: Database,
) -> None:
    """M5.7: no price says otherwise, and none that is in memory has met it."""
    desk = await open_resting_desk(
        database, Replacement.CANCEL_FIRST, one(Replacement.CANCEL_FIRST, exits=TRAIL)
    )
    await desk.enter()

    async def refuse(_: ClientOrderId) -> None:
        desk.venue.before_submit = None
        raise OrderRejectedError("order would immediately trigger")

    desk.venue.before_submit = refuse
    await desk.protection.attend_once()

    assert (await desk.position())["close_reason"] == "trailing_stop"


async def test_the_alert_of_a_lost_stop_ends_when_one_rests_again(database: Database) -> None:
    """M5.7: not an hour later, when the one whose answer was lost is given up."""
    desk = await open_resting_desk(database, Replacement.CANCEL_FIRST)
    desk.venue.traits = replace(desk.venue.traits, resting_margin=timedelta(hours=1))
    await desk.reconciler.run()
    await desk.enter()
    desk.venue.script.append(Behaviour.DROP_BEFORE)
    await sweep(desk)
    assert "resting_stop_lost" in await desk.open_alerts()

    await desk.execute("UPDATE orders SET send_by = send_by - interval '1 minute'")
    await sweep(desk, 4)

    assert stops(desk) == [(Decimal("95.00"), Decimal(1))]
    assert await desk.rows("SELECT 1 FROM exit_groups WHERE role = 'retiring'") != []
    assert "resting_stop_lost" not in await desk.open_alerts()
