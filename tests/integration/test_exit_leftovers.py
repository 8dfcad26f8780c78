"""M5.7: a stop that rests behind a closed position would fire at somebody else's."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.fakes.resting import (
    CAPABILITIES,
    assert_one_truth,
    behind_closed,
    one,
    open_resting_desk,
    restart,
    resting,
    settle,
    sweep,
)
from tests.fakes.trading import Desk
from tests.fakes.venue import Behaviour
from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database

MANY = 100


async def closed_with_stops_left(database: Database, count: int, *others: BotSpec) -> Desk:
    """Reduce-only stops rest, exits at the market overlap them, and no cancel is taken."""
    specs = [
        one(Replacement.OVERLAP, name=f"bot{number:03}", symbol=f"C{number:03}USDT")
        for number in range(count)
    ]
    desk = await open_resting_desk(database, Replacement.OVERLAP, *specs, *others)
    for each in specs:
        desk.tick("100", each.symbol)
        await desk.enter(each.name)
    await sweep(desk, 2)
    assert len(resting(desk)) == count
    desk.venue.cancel_script.extend([Behaviour.UNREACHABLE] * count)
    for each in specs:
        await desk.stream("111", each.symbol)
    assert await desk.rows("SELECT 1 FROM positions WHERE closed_at IS NULL") == []
    assert len(await behind_closed(desk)) == count
    return desk


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_hundred_are_cleared_in_bounded_steps(
    database: Database,
    restarted: bool,  # noqa: FBT001
) -> None:
    """M5.7: by the daemon that left them, or by the next one; a sweep asks for so many at once."""
    desk = await closed_with_stops_left(database, MANY)
    if restarted:
        desk = await restart(desk)
        await desk.protection.load(desk.clock.now())
    cancelled = len(desk.venue.cancelled)
    left = MANY
    for _ in range(20):
        await sweep(desk)
        assert left - len(await behind_closed(desk)) <= 12
        left = len(await behind_closed(desk))
        if not left:
            break

    assert left == 0
    assert await desk.rows("SELECT 1 FROM exit_groups WHERE role <> 'closed'") == []
    assert len(desk.venue.cancelled) - cancelled == MANY, "each was cancelled once"

    asked = len(desk.venue.asked_for)
    await sweep(desk, 2)
    assert desk.venue.asked_for[asked:] == [], "a quiet sweep asks nobody"


async def test_one_that_cannot_be_cancelled_is_said_and_tried_at_growing_intervals(
    database: Database,
) -> None:
    """M5.7: neither forgotten nor hammered."""
    desk = await closed_with_stops_left(database, 1)
    desk.venue.cancel_script.extend([Behaviour.UNREACHABLE] * 1000)
    for _ in range(60):
        desk.clock.advance(timedelta(seconds=1))
        result = await desk.protection.sweep(desk.clock.now())
        assert list(result.failed.values()), "it is said at each sweep"
        assert "outlives its position" in str(result.failed)
    tries = 1000 - len(desk.venue.cancel_script)

    assert 5 <= tries <= 8
    desk.venue.cancel_script.clear()
    await settle(desk)
    await sweep(desk, 8)
    assert await behind_closed(desk) == []


@pytest.mark.parametrize("replacement", CAPABILITIES)
async def test_the_answer_to_the_exit_is_lost_and_the_process_dies(
    database: Database, replacement: Replacement
) -> None:
    """M5.2, M5.7: the exit has filled; the stop that made way for it is let go of by the next."""
    desk = await open_resting_desk(database, replacement)
    await desk.enter()
    await sweep(desk, 2)
    desk.venue.script.append(Behaviour.DROP_AFTER)
    desk.venue.cancel_script.append(Behaviour.UNREACHABLE)
    await desk.stream("111")
    after = await restart(desk)
    await after.protection.load(after.clock.now())
    await settle(after)
    await sweep(after, 8)

    assert resting(after) == {}
    await assert_one_truth(after)


async def test_a_leftover_that_fills_before_it_is_cancelled_is_an_alert(database: Database) -> None:
    """M5.6: what it sold was not ours to sell any more; the venue and the books differ, aloud."""
    desk = await closed_with_stops_left(database, 1)
    (left,) = resting(desk)
    await desk.recorder.record(desk.venue.fill(left, Decimal(1)))

    alerts = await desk.rows("SELECT code, subject FROM alerts WHERE cleared_at IS NULL")
    assert "fill_exceeds_position" in {each["code"] for each in alerts}


async def test_nobody_enters_where_an_exit_has_outlived_its_position(database: Database) -> None:
    """M5.7: it would end the new position; other symbols go on, and so does this one afterwards."""
    other = one(Replacement.OVERLAP, name="other", symbol="C000USDT")
    elsewhere = one(Replacement.OVERLAP, name="elsewhere", symbol="C999USDT")
    desk = await closed_with_stops_left(database, 1, other, elsewhere)
    for name in ("bot000", "other"):
        with pytest.raises(OrderDeniedError, match="exit_left_over"):
            await desk.enter(name, minute=1)
    desk.tick("100", "C999USDT")
    await desk.enter("elsewhere")

    await sweep(desk)

    await desk.enter("bot000", minute=2)
    await desk.enter("other", minute=2)
