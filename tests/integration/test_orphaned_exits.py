"""M5.7: a stop that rests behind a closed position would fire at somebody else's."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import (
    CAPABILITIES,
    assert_one_truth,
    behind_closed,
    one,
    open_resting_harness,
    restart,
    resting,
    settle,
    sweep,
)
from tests.fakes.trading import TradingHarness
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

MANY = 100


async def closed_with_stops_left(
    database: Database, count: int, *others: BotSpec
) -> TradingHarness:
    """Reduce-only stops rest, exits at the market overlap them, and no cancel is taken."""
    specs = [
        one(Replacement.OVERLAP, name=f"bot{number:03}", symbol=f"C{number:03}USDT")
        for number in range(count)
    ]
    harness = await open_resting_harness(database, Replacement.OVERLAP, *specs, *others)
    for each in specs:
        harness.tick("100", each.symbol)
        await harness.enter(each.name)
    await sweep(harness, 2)
    assert len(resting(harness)) == count
    harness.venue.cancel_script.extend([Behaviour.UNREACHABLE] * count)
    for each in specs:
        await harness.stream("111", each.symbol)
    assert await harness.rows("SELECT 1 FROM positions WHERE closed_at IS NULL") == []
    assert len(await behind_closed(harness)) == count
    return harness


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_hundred_are_cleared_in_bounded_steps(
    database: Database,
    restarted: bool,  # noqa: FBT001
) -> None:
    """M5.7: by the daemon that left them, or by the next one; a sweep asks for so many at once."""
    harness = await closed_with_stops_left(database, MANY)
    if restarted:
        harness = await restart(harness)
        await harness.protection.load(harness.clock.now())
    cancelled = len(harness.venue.cancelled)
    left = MANY
    for _ in range(20):
        await sweep(harness)
        assert left - len(await behind_closed(harness)) <= 12
        left = len(await behind_closed(harness))
        if not left:
            break

    assert left == 0
    assert await harness.rows("SELECT 1 FROM exit_groups WHERE role <> 'closed'") == []
    assert len(harness.venue.cancelled) - cancelled == MANY, "each was cancelled once"

    asked = len(harness.venue.asked_for)
    await sweep(harness, 2)
    assert harness.venue.asked_for[asked:] == [], "a quiet sweep asks nobody"


async def test_one_that_cannot_be_cancelled_is_said_and_tried_at_growing_intervals(
    database: Database,
) -> None:
    """M5.7: neither forgotten nor hammered."""
    harness = await closed_with_stops_left(database, 1)
    harness.venue.cancel_script.extend([Behaviour.UNREACHABLE] * 1000)
    for _ in range(60):
        harness.clock.advance(timedelta(seconds=1))
        result = await harness.protection.sweep(harness.clock.now())
        assert list(result.failed.values()), "it is said at each sweep"
        assert "outlives its position" in str(result.failed)
    tries = 1000 - len(harness.venue.cancel_script)

    assert 5 <= tries <= 8
    harness.venue.cancel_script.clear()
    await settle(harness)
    await sweep(harness, 8)
    assert await behind_closed(harness) == []


@pytest.mark.parametrize("replacement", CAPABILITIES)
async def test_the_answer_to_the_exit_is_lost_and_the_process_dies(
    database: Database, replacement: Replacement
) -> None:
    """M5.2, M5.7: the exit has filled; the stop that made way for it is let go of by the next."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    await sweep(harness, 2)
    harness.venue.script.append(Behaviour.DROP_AFTER)
    harness.venue.cancel_script.append(Behaviour.UNREACHABLE)
    await harness.stream("111")
    after = await restart(harness)
    await after.protection.load(after.clock.now())
    await settle(after)
    await sweep(after, 8)

    assert resting(after) == {}
    await assert_one_truth(after)


async def test_a_leftover_that_fills_before_it_is_cancelled_is_an_alert(database: Database) -> None:
    """M5.6: what it sold was not ours to sell any more; the venue and the books differ, aloud."""
    harness = await closed_with_stops_left(database, 1)
    (left,) = resting(harness)
    await harness.recorder.record(harness.venue.fill(left, Decimal(1)))

    alerts = await harness.rows("SELECT code, subject FROM alerts WHERE cleared_at IS NULL")
    assert "fill_exceeds_position" in {each["code"] for each in alerts}


async def test_nobody_enters_where_an_exit_has_outlived_its_position(database: Database) -> None:
    """M5.7: it would end the new position; other symbols go on, and so does this one afterwards."""
    other = one(Replacement.OVERLAP, name="other", symbol="C000USDT")
    elsewhere = one(Replacement.OVERLAP, name="elsewhere", symbol="C999USDT")
    harness = await closed_with_stops_left(database, 1, other, elsewhere)
    for name in ("bot000", "other"):
        with pytest.raises(OrderDeniedError, match="exit_left_over"):
            await harness.enter(name, minute=1)
    harness.tick("100", "C999USDT")
    await harness.enter("elsewhere")

    await sweep(harness)

    await harness.enter("bot000", minute=2)
    await harness.enter("other", minute=2)


async def test_one_that_ends_without_a_call_of_ours_is_said_no_more(database: Database) -> None:
    """M5.7: reconciliation has seen its end: no later sweep fails for it."""
    harness = await closed_with_stops_left(database, 1)
    harness.venue.cancel_script.append(Behaviour.UNREACHABLE)
    harness.clock.advance(timedelta(seconds=1))
    result = await harness.protection.sweep(harness.clock.now())
    assert "outlives its position" in str(result.failed)

    (left,) = resting(harness)
    await harness.recorder.record(await harness.venue.cancel("C000USDT", left))
    for _ in range(3):
        harness.clock.advance(timedelta(seconds=1))
        assert (await harness.protection.sweep(harness.clock.now())).failed == {}
