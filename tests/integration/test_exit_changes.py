"""Exits set by an operator: checked, stored with the position, and in force at once."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.resting import open_resting_harness, restart, stops, sweep
from tests.fakes.trading import NOON, TradingHarness, open_harness, spec
from tradebotd.domain.errors import RefusedError
from tradebotd.domain.exit_plan import BreakEven, ExitPlan
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_changes import Level, parse_holding, parse_level

FAR = Decimal("0.5")


def only(harness: TradingHarness) -> PositionId:
    (position_id,) = harness.protection.held
    return position_id


async def test_a_stop_set_by_hand_is_in_force_at_once_and_after_a_restart(
    database: Database,
) -> None:
    """M4.7: stored with the position."""
    harness = await open_harness(database)
    await harness.enter()
    await harness.exit_changes.set(only(harness), stop_loss=Level(price=Decimal(98)))
    after = await restart(harness)
    await after.protection.load(NOON)

    await after.stream("98.5")
    assert (await after.position())["closed_at"] is None
    await after.stream("98")
    assert (await after.position())["close_reason"] == "stop_loss"


async def test_percentages_are_of_the_entry_and_of_the_best_price(database: Database) -> None:
    """M4.7: on the tick, mirrored for shorts."""
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, allow_short=True)
    )
    await harness.enter(side=PositionSide.SHORT)
    position = await harness.exit_changes.set(
        only(harness),
        stop_loss=parse_level("3%"),
        take_profit=parse_level("7%"),
        trailing_stop=parse_level("2%"),
    )

    assert position.stop_loss == 103
    assert position.take_profit == 93
    assert position.trailing_stop == 102
    row = await harness.position()
    assert (row["stop_loss"], row["take_profit"], row["trailing_stop"]) == (103, 93, 102)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"stop_loss": Level(price=Decimal("100.5"))}, "already_met"),
        ({"take_profit": Level(price=Decimal(99))}, "already_met"),
        ({"stop_loss": Level(price=Decimal("98.001"))}, "not_on_tick"),
        ({"trailing_stop": Level(price=Decimal(101))}, "wrong_side"),
        ({"trailing_stop": parse_level("0.001%")}, "closer_than_a_tick"),
        ({"stop_loss": parse_level("none")}, "no_stop"),
        ({"max_holding": parse_holding("1s")}, "already_over"),
        ({}, "nothing_to_set"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    database: Database, given: dict[str, Any], code: str
) -> None:
    """M4.7: the wrong side, off the tick, or met already."""
    harness = await open_harness(database)
    await harness.enter()
    harness.clock.advance(timedelta(seconds=2))
    harness.tick("100")
    before = await harness.position()

    with pytest.raises(RefusedError) as refused:
        await harness.exit_changes.set(only(harness), **given)

    assert refused.value.code == code
    assert await harness.position() == before


async def test_a_stop_beyond_the_liquidation_is_refused(database: Database) -> None:
    """M4.7: it would never be reached."""
    harness = await open_harness(
        database, spec(position_type=PositionType.FUTURES, leverage=10, allow_short=True)
    )
    await harness.enter()
    row = await harness.position()
    assert row["liquidation_price"] == Decimal("90.46")

    with pytest.raises(RefusedError) as refused:
        await harness.exit_changes.set(only(harness), stop_loss=Level(price=Decimal(90)))
    assert refused.value.code == "stop_beyond_liquidation"


async def test_a_trailing_stop_that_is_left_alone_must_lie_before_the_liquidation(
    database: Database,
) -> None:
    """M4.7: the tightest of those in force counts; one beyond it protects nothing."""
    both = ExitPlan(stop_loss=Decimal("0.05"), trailing_stop=Decimal("0.15"))
    harness = await open_harness(
        database, spec(exits=both, position_type=PositionType.FUTURES, leverage=10)
    )
    await harness.enter()

    for given in (Level(), Level(price=Decimal("90.46"))):
        with pytest.raises(RefusedError) as refused:
            await harness.exit_changes.set(only(harness), stop_loss=given)
        assert refused.value.code == "stop_beyond_liquidation"
    await harness.exit_changes.set(only(harness), stop_loss=Level(price=Decimal("90.47")))


async def test_a_stop_set_by_hand_is_not_moved_back_to_break_even(database: Database) -> None:
    """M4.7: the operator's word is the last one."""
    plan = ExitPlan(stop_loss=Decimal("0.05"), break_even=BreakEven(at=Decimal("0.02")))
    harness = await open_harness(database, spec(exits=plan))
    await harness.enter()
    await harness.stream("103")
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["stop_loss"] == 100

    await harness.exit_changes.set(only(harness), stop_loss=Level(price=Decimal(97)))
    await harness.stream("98")
    await harness.protection.sweep(harness.clock.now())

    row = await harness.position()
    assert (row["stop_loss"], row["closed_at"]) == (97, None)


@pytest.mark.parametrize("replacement", tuple(Replacement))
async def test_the_stop_at_the_venue_follows(database: Database, replacement: Replacement) -> None:
    """M5.7: replaced by the next sweep."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness, 2)
    await harness.exit_changes.set(only(harness), stop_loss=Level(price=Decimal(97)))
    await sweep(harness, 2)

    assert stops(harness) == [(Decimal(97), Decimal(1))]


@pytest.mark.parametrize("text", ["", "-1", "nan", "100%", "0%", "five"])
def test_what_is_no_level_is_refused(text: str) -> None:
    """Interface: `positions set`."""
    with pytest.raises(RefusedError):
        parse_level(text)


async def test_none_takes_an_exit_away_where_a_stop_is_left(database: Database) -> None:
    """M4.7: target and holding time may go, and the stop-loss once another stop trails."""
    plan = ExitPlan(
        stop_loss=Decimal("0.05"), take_profit=Decimal("0.1"), max_holding=timedelta(hours=1)
    )
    harness = await open_harness(database, spec(exits=plan))
    await harness.enter()
    position_id = only(harness)
    none = parse_level("none")
    await harness.exit_changes.set(position_id, take_profit=none, max_holding=parse_holding("none"))
    await harness.stream("120")
    harness.clock.advance(timedelta(hours=2))
    harness.tick("120")
    await harness.protection.sweep(harness.clock.now())
    assert (await harness.position())["closed_at"] is None

    await harness.exit_changes.set(position_id, stop_loss=none, trailing_stop=parse_level("10%"))
    row = await harness.position()
    assert (row["stop_loss"], row["take_profit"], row["trailing_stop"]) == (None, None, 108)
    await harness.stream("108")
    assert (await harness.position())["close_reason"] == "trailing_stop"


async def test_a_holding_time_set_by_hand_ends_the_position(database: Database) -> None:
    """M4.7: counted from the entry, also by the next daemon."""
    harness = await open_harness(database)
    await harness.enter()
    await harness.exit_changes.set(only(harness), max_holding=parse_holding("30m"))
    after = await restart(harness)
    await after.protection.load(NOON)
    after.clock.set(NOON + timedelta(minutes=29))
    after.tick("100")
    await after.protection.sweep(after.clock.now())
    assert (await after.position())["closed_at"] is None

    after.clock.set(NOON + timedelta(minutes=31))
    after.tick("100")
    await after.protection.sweep(after.clock.now())
    assert (await after.position())["close_reason"] == "max_holding"


@pytest.mark.parametrize("text", ["", "soon", "0m", "-5m", "5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="duration"):
        parse_holding(text)


@pytest.mark.parametrize(
    ("side", "earned", "wanted"), [("long", "102.5", "98"), ("short", "97.5", "102")]
)
async def test_a_stop_set_by_hand_stays_below_a_break_even_that_was_earned_just_now(
    database: Database, side: str, earned: str, wanted: str
) -> None:
    """M4.7: a tick has earned it, no sweep has stored it yet, and the operator wants more room."""
    plan = ExitPlan(
        stop_loss=Decimal("0.05"), break_even=BreakEven(at=Decimal("0.02"), lock=Decimal(0))
    )
    futures = spec(exits=plan, position_type=PositionType.FUTURES, allow_short=True)
    harness = await open_harness(database, futures)
    await harness.enter(side=PositionSide(side))
    await harness.stream(earned)

    await harness.exit_changes.set(only(harness), stop_loss=parse_level(wanted))
    stored = (await harness.position())["stop_loss"]
    in_memory = harness.protection.held[only(harness)].stop_loss
    await harness.protection.sweep(harness.clock.now())

    swept = (await harness.position())["stop_loss"]
    assert (stored, in_memory, swept) == (Decimal(wanted),) * 3


@pytest.mark.parametrize(("side", "bad", "stop"), [("long", "1000", "95"), ("short", "10", "105")])
async def test_a_trailing_stop_set_at_a_lone_print_trails_behind_what_is_believed(
    database: Database, side: str, bad: str, stop: str
) -> None:
    """M3.10, M4.7: the next true price would end what was to be protected."""
    one = spec(position_type=PositionType.FUTURES, allow_short=True, exits=ExitPlan(stop_loss=FAR))
    harness = await open_harness(database, one, bad_tick=Decimal("0.1"))
    await harness.enter(side=PositionSide(side))
    harness.tick(bad)

    position = await harness.exit_changes.set(only(harness), trailing_stop=parse_level("5%"))

    assert (position.best_price, position.trailing_stop) == (Decimal(100), Decimal(stop))
    await harness.stream("100")
    assert (await harness.position())["closed_at"] is None


async def test_a_stop_that_only_a_lone_print_has_met_may_be_set(database: Database) -> None:
    """M3.10, M4.7: 98 is below the price that is believed."""
    harness = await open_harness(database, bad_tick=Decimal("0.1"))
    await harness.enter()
    harness.tick("50")

    position = await harness.exit_changes.set(only(harness), stop_loss=Level(price=Decimal(98)))

    assert position.stop_loss == 98
