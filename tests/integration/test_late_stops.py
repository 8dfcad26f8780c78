"""Stops whose acknowledgement was lost, and that rest all the same: kept where they are good."""

from datetime import timedelta
from decimal import Decimal

from tests.fakes.host import ShiftedHost
from tests.fakes.resting import open_resting_harness, resting, stops, sweep, unpromised
from tests.fakes.trading import TradingHarness
from tests.fakes.venue import SCRIPTED, Behaviour
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.ports.venue import Replacement
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.exits.exit_changes import Level

D = Decimal


async def with_a_late_stop(harness: TradingHarness) -> ClientOrderId:
    """Enter, and lose the acknowledgement of the stop, which rests; return its name."""
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_AFTER)
    await sweep(harness)
    (late,) = resting(harness)
    return late


@unpromised
async def test_a_late_stop_that_is_good_is_kept(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: no other one is placed, and nothing is cancelled: it rests all the time."""
    harness = await open_resting_harness(database, replacement)
    late = await with_a_late_stop(harness)
    await sweep(harness, 3)
    assert list(resting(harness)) == [late]
    assert harness.venue.cancelled == []
    assert stops(harness) == [(D(95), D(1))]
    assert "resting_stop_lost" not in await harness.open_alerts()


@unpromised
async def test_a_late_stop_at_another_level_makes_way(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: one stop rests in the end, where it should."""
    harness = await open_resting_harness(database, replacement)
    late = await with_a_late_stop(harness)
    (position,) = harness.protection.held.values()
    await harness.exit_changes.set(position.id, stop_loss=Level(price=D(96)))
    await sweep(harness, 4)
    assert late not in resting(harness)
    assert stops(harness) == [(D(96), D(1))]


@unpromised
async def test_a_stop_that_shows_up_after_it_was_denied_once_is_kept(
    database: Database, replacement: Replacement
) -> None:
    """M5.7: before another one rests."""
    harness = await open_resting_harness(database, replacement)
    await harness.enter()
    harness.venue.script.append(Behaviour.DROP_AFTER)

    async def hide(name: ClientOrderId) -> None:
        harness.venue.hidden.add(name)
        harness.venue.before_submit = None

    harness.venue.before_submit = hide
    await sweep(harness)
    (late,) = resting(harness)
    harness.venue.hidden.clear()
    await sweep(harness, 3)
    assert list(resting(harness)) == [late]
    assert harness.venue.cancelled == []


async def test_a_late_stop_is_not_looked_up_at_a_venue_that_must_not_be_asked(
    database: Database,
) -> None:
    """M5.7: a ban is no refusal of the stop; it is looked up once that is over."""
    host = ShiftedHost()
    harness = await open_resting_harness(database, Replacement.OVERLAP, host=host)
    late = await with_a_late_stop(harness)
    harness.bans.refused(SCRIPTED, VenueUnavailableError("418", banned=True), host.now())

    harness.clock.advance(timedelta(seconds=5))
    result = await harness.protection.sweep(harness.clock.now())

    assert result.failed == {}
    harness.bans.answered(SCRIPTED)
    harness.clock.advance(timedelta(minutes=5))
    harness.tick("100")
    await sweep(harness, 2)
    assert list(resting(harness)) == [late]
    assert "resting_stop_lost" not in await harness.open_alerts()
