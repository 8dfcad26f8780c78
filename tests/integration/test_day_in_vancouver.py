"""A bot whose day begins in Vancouver, on the days on which the clock there stayed as it was."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest

from tests.fakes.trading import BOT, open_harness, spec
from tradebotd.config.zone_database import zone
from tradebotd.domain.bot import DailyLimits
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import At, Slot
from tradebotd.jobs.daily_reset import DailyReset
from tradebotd.jobs.default_schedule import default_specs
from tradebotd.scheduling.slots import next_fire
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.trading_day import day_began, day_ends, local_day

VANCOUVER = "America/Vancouver"
ZONE = zone(VANCOUVER)  # read before the loop runs, as the configuration is
# Until 2025b clocks went back at 2026-11-01T09:00Z; they no longer do.
MIDNIGHTS = [datetime(2026, 10, 31, 7, tzinfo=UTC) + timedelta(days=n) for n in range(5)]


def fires(slot: Slot, start: datetime, end: datetime) -> Iterator[datetime]:
    at = next_fire(slot, start, lambda _code, _instant: None)
    while at is not None and at < end:
        yield at
        at = next_fire(slot, at, lambda _code, _instant: None)


def test_every_day_has_24_hours() -> None:
    """M4.8, M2.10: the database of time zones in force is the newer one."""
    there = zone(VANCOUVER)
    for number, midnight in enumerate(MIDNIGHTS):
        last = midnight + timedelta(hours=24, microseconds=-1)
        day = date(2026, 10, 31) + timedelta(days=number)
        assert (local_day(midnight, there), local_day(last, there)) == (day, day)
        assert day_began(last, there) == midnight
        assert day_ends(midnight, there) == midnight + timedelta(days=1)


def test_the_slots_of_jobs_follow() -> None:
    """M2.10: the reset at midnight there, and a job of the operator's own at 20:59."""
    start, end = MIDNIGHTS[0] - timedelta(hours=1), MIDNIGHTS[-1] + timedelta(hours=1)
    specs = {each.name: each for each in default_specs(calendars={"24/7"}, zones={VANCOUVER})}
    resets = [at for slot in specs[JobName("daily_reset")].slots for at in fires(slot, start, end)]
    evenings = list(fires(At(at=time(20, 59), timezone=VANCOUVER), start, end))

    assert resets == MIDNIGHTS
    assert evenings == [each - timedelta(hours=3, minutes=1) for each in MIDNIGHTS[1:]]


@pytest.mark.parametrize("minutes", [0, 30])
async def test_a_limit_reached_in_the_evening_ends_with_the_day(
    database: Database, minutes: int
) -> None:
    """M4.9: on 1 November, a quarter of an hour before midnight, and from midnight on."""
    limits = DailyLimits(max_daily_trades=1)
    harness = await open_harness(database, spec(limits=limits, day_zone=ZONE))
    midnight = MIDNIGHTS[2]
    harness.clock.set(midnight - timedelta(minutes=15))
    await harness.enter()
    counted = await harness.state()
    assert (counted["day"], counted["daily_trades_count"]) == (date(2026, 11, 1), 1)
    await harness.execute("UPDATE bot_states SET paused_by = 'limit', status = 'paused (…)'")
    job = DailyReset(database=database, specs=harness.specs, clock=harness.clock)
    assert (await job.run(harness.context())).updated == 0
    assert (await harness.state())["paused_by"] == "limit"

    harness.clock.set(midnight + timedelta(minutes=minutes))
    summary = await job.run(harness.context())

    state = await harness.state(BOT)
    assert summary.updated == 1
    assert (state["paused_by"], state["daily_trades_count"]) == (None, 0)
    assert state["day"] == date(2026, 11, 2)
