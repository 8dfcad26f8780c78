from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import JobName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.job import AfterClose, At, Every, JobOverride
from tradebotd.domain.timeframe import EPOCH
from tradebotd.jobs.default_schedule import default_specs, with_overrides
from tradebotd.scheduling.slots import (
    DueRun,
    at_instant,
    due_between,
    first_fire,
    last_fire,
    next_fire,
    order_key,
)

INSTANTS = st.datetimes(datetime(2001, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def no_close(calendar: str, instant: datetime) -> datetime | None:
    return None


def fires(slot: At, start: datetime, end: datetime) -> list[datetime]:
    found = []
    instant = next_fire(slot, start, no_close)
    while instant is not None and instant < end:
        found.append(instant)
        instant = next_fire(slot, instant, no_close)
    return found


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    "at", [time(0), time(1, 30), time(2), time(2, 30), time(3), time(20, 59)], ids=str
)
def test_each_local_date_runs_exactly_once_through_two_years(zone: str, at: time) -> None:
    """M2.10: both DST changes of 2026 and 2027, every local date once, none twice."""
    local = ZoneInfo(zone)
    start = datetime(2025, 12, 31, 12, tzinfo=local)
    end = datetime(2028, 1, 1, 12, tzinfo=local)

    found = fires(At(at=at, timezone=zone), start.astimezone(UTC), end.astimezone(UTC))

    dates = [instant.astimezone(local).date() for instant in found]
    first = date(2025, 12, 31) if at > time(12) else date(2026, 1, 1)
    expected = {first + timedelta(days=n) for n in range((date(2028, 1, 1) - first).days + 1)}
    expected = {day for day in expected if datetime.combine(day, at, local) < end}
    assert len(dates) == len(set(dates))
    assert set(dates) == expected


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30:00+00:00"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T07:00:00+00:00"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30:00+00:00"),
        ("Europe/Berlin", date(2026, 7, 1), time(20, 59), "2026-07-01T18:59:00+00:00"),
    ],
)
def test_a_skipped_time_runs_after_the_gap_and_a_doubled_one_first(
    zone: str, day: date, at: time, instant: str
) -> None:
    """M2.10: the library's cron trigger fires twice, or an hour late, on these days."""
    assert at_instant(At(at=at, timezone=zone), day) == datetime.fromisoformat(instant)


def test_day_names_choose_local_dates() -> None:
    """M2.10: 20:59 mon-fri in Berlin, by name."""
    slot = At(at=time(20, 59), timezone="Europe/Berlin", days=("mon", "tue", "wed", "thu", "fri"))

    found = fires(slot, datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC))

    assert [instant.weekday() for instant in found] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    assert {instant.hour for instant in found} == {19}


@given(
    after=INSTANTS,
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    at=st.times(),
)
def test_a_fire_is_later_than_asked_and_nothing_lies_between(
    after: datetime, zone: str, at: time
) -> None:
    slot = At(at=at.replace(microsecond=0, second=0), timezone=zone)

    following = next_fire(slot, after, no_close)

    assert following is not None
    assert after < following <= after + timedelta(hours=25)
    assert last_fire(slot, following, no_close) == following
    assert first_fire(slot, following, no_close) == following


@given(after=INSTANTS, seconds=st.integers(1, 100_000))
def test_intervals_sit_on_the_grid_of_the_epoch(after: datetime, seconds: int) -> None:
    interval = timedelta(seconds=seconds)

    following = next_fire(Every(interval=interval), after, no_close)

    assert following is not None
    assert not (following - EPOCH) % interval
    assert timedelta() < following - after <= interval


@given(first=INSTANTS, seconds=st.integers(1, 600), late=st.integers(0, 10**8))
def test_a_long_sleep_is_counted_without_walking_through_it(
    first: datetime, seconds: int, late: int
) -> None:
    """M2.4: no backlog; the count of what was passed over is exact."""
    slot = Every(interval=timedelta(seconds=seconds))
    start = next_fire(slot, first, no_close)
    assert start is not None
    now = start + timedelta(seconds=late)

    due = due_between(JobName("x"), slot, start, now, no_close)

    assert due.earlier == late // seconds
    assert due.at <= now < due.at + slot.interval


def test_the_close_of_a_calendar_sets_the_slot() -> None:
    """Early closes included: the calendar says when."""
    closes = [datetime(2026, 11, 26, 21, tzinfo=UTC), datetime(2026, 11, 27, 18, tzinfo=UTC)]
    slot = AfterClose(calendar="XNYS", delay=timedelta(minutes=15))

    def after(code: str, instant: datetime) -> datetime | None:
        return next((close for close in closes if close > instant), None)

    first = next_fire(slot, datetime(2026, 11, 26, 21, 10, tzinfo=UTC), after)
    assert first == datetime(2026, 11, 26, 21, 15, tzinfo=UTC)
    assert next_fire(slot, first, after) == datetime(2026, 11, 27, 18, 15, tzinfo=UTC)
    assert next_fire(slot, datetime(2026, 11, 28, tzinfo=UTC), after) is None


def test_two_slots_at_one_instant_are_one_occurrence() -> None:
    instant = datetime(2026, 1, 5, tzinfo=UTC)
    due = DueRun(JobName("x"), instant, instant)

    assert due.joined(due) == due
    later = DueRun(JobName("x"), instant + timedelta(minutes=1), instant + timedelta(minutes=1))
    assert due.joined(later) == DueRun(JobName("x"), later.at, instant, 1)
    assert later.joined(due) == due.joined(later)


def test_jobs_of_one_instant_run_in_the_fixed_order() -> None:
    """3.8: daily_reset, realtime_pull, daily_close, calculate_pivots, run_bots, ... then by name."""
    specs = default_specs(calendars={"24/7"}, zones={"UTC"})

    assert sorted((spec.name for spec in specs), key=order_key) == [
        "daily_reset",
        "realtime_pull",
        "daily_close",
        "calculate_pivots",
        "run_bots",
        "stop_loss_check",
        "reconcile",
        "equity_snapshot",
        "fill_gaps",
        "ingest_orderbook",
        "ingest_trades",
        "ping",
        "refresh_instruments",
        "retention",
        "seed_history",
        "universe_screen",
        "warmup_futures_symbols",
        "warmup_spot_symbols",
    ]


def test_the_default_table_is_that_of_the_mission() -> None:
    """M2: every job of the table with its schedule."""
    specs = {
        spec.name: spec
        for spec in default_specs(
            calendars={"24/7", "XNYS", "XFRA"}, zones={"Europe/Berlin", "UTC"}
        )
    }

    assert specs[JobName("run_bots")].describe() == "every 1m"
    assert specs[JobName("run_bots")].grace == timedelta(seconds=55)
    assert specs[JobName("stop_loss_check")].describe() == "every 5s"
    assert specs[JobName("daily_close")].describe() == (
        "20:59 mon-fri Europe/Berlin; 15m after the close of XFRA; "
        "15m after the close of XNYS; 00:01 daily UTC"
    )
    assert specs[JobName("calculate_pivots")].describe() == (
        "07:55 tue-sat Europe/Berlin; 00:05 daily UTC"
    )
    assert len(specs[JobName("daily_reset")].slots) == 2
    assert specs[JobName("seed_history")].hard_limit == timedelta(minutes=10)
    assert specs[JobName("seed_history")].describe() == "by hand"
    assert {name for name, spec in specs.items() if spec.catch_up} == {
        "daily_close",
        "calculate_pivots",
        "daily_reset",
        "extend_calendars",
        "retention",
        "universe_screen",
    }


def test_public_facts_are_asked_for_where_a_market_is_followed() -> None:
    """M2: the warm-ups every 300 s; records every 10 s and the screening, both off."""
    kept = default_specs(calendars={"24/7"}, zones={"UTC"}, public={PositionType.SPOT})
    specs = {spec.name: spec for spec in kept}
    assert specs[JobName("warmup_spot_symbols")].describe() == "every 5m"
    assert specs[JobName("warmup_futures_symbols")].describe() == "by hand"
    for name in ("ingest_trades", "ingest_orderbook"):
        assert specs[JobName(name)].describe() == "every 10s"
    assert specs[JobName("universe_screen")].describe() == "00:10 daily UTC"
    off = {"ingest_trades", "ingest_orderbook", "universe_screen"}
    assert {spec.name for spec in kept if not spec.enabled} == off

    shares = default_specs(calendars={"XNYS", "24/7"}, zones={"UTC"})
    screen = next(spec for spec in shares if spec.name == "universe_screen")
    assert screen.describe() == "08:30 mon-fri America/New_York"


def test_an_override_replaces_all_slots() -> None:
    """3.8: also those after each calendar's close."""
    specs = default_specs(calendars={"24/7", "XNYS"}, zones={"UTC"})
    override = JobOverride(at=time(21, 30), days=("mon",))

    changed = {
        spec.name: spec
        for spec in with_overrides(specs, {"daily_close": override}, timezone="Europe/Paris")
    }

    slots = changed[JobName("daily_close")].slots
    assert slots == (At(at=time(21, 30), timezone="Europe/Paris", days=("mon",)),)


def test_the_number_of_retries_is_the_configurations_to_choose() -> None:
    """M2.5: 3 unless said; none where the next slot comes within a minute anyway."""
    specs = default_specs(calendars={"24/7"}, zones={"UTC"})
    given = {"run_bots": JobOverride(retries=3), "daily_close": JobOverride(retries=1)}
    changed = {
        str(spec.name): spec.retries for spec in with_overrides(specs, given, timezone="UTC")
    }

    often = {"run_bots", "stop_loss_check", "realtime_pull", "reconcile"}
    often |= {"ingest_trades", "ingest_orderbook"}
    assert {spec.name for spec in specs if spec.retries == 0} == often
    assert {spec.retries for spec in specs if spec.name not in often} == {3}
    assert (changed["run_bots"], changed["daily_close"], changed["reconcile"]) == (3, 1, 0)


def test_every_impossible_override_is_named_at_once() -> None:
    specs = default_specs(calendars={"24/7"}, zones={"UTC"})
    overrides = {
        "no_such_job": JobOverride(enabled=False),
        "run_bots": JobOverride(every=timedelta(0), retries=-1),
        "daily_close": JobOverride(at=time(9), timezone="Mars/Olympus", days=("someday",)),
    }

    with pytest.raises(ConfigError) as caught:
        with_overrides(specs, overrides, timezone="UTC")

    text = str(caught.value)
    assert len(caught.value.problems) == 5
    for word in ("no_such_job", "run_bots.every", "run_bots.retries", "Mars/Olympus", "someday"):
        assert word in text
