"""Default schedule of the jobs, and the overrides that a configuration may make."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, time, timedelta
from typing import Any, Final

from tradebotd.config.zone_database import ZoneError, zone
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import JobName
from tradebotd.domain.instrument import ALWAYS_OPEN, PositionType
from tradebotd.domain.job import AfterClose, At, Every, JobOverride, JobSpec, Slot
from tradebotd.scheduling.slots import DAY_NAMES

BERLIN: Final = "Europe/Berlin"
NEW_YORK: Final = "America/New_York"
MONDAY_TO_FRIDAY: Final = DAY_NAMES[:5]
TUESDAY_TO_SATURDAY: Final = DAY_NAMES[1:6]
AFTER_CLOSE: Final = timedelta(minutes=15)
SEED_HARD_LIMIT: Final = timedelta(minutes=10)
SEED_SOFT_LIMIT: Final = timedelta(minutes=9)
RUN_BOTS_EXPIRY: Final = timedelta(seconds=55)
DAILY_GRACE: Final = timedelta(hours=1)  # a daily job had better run late than not at all
WARMUPS: Final = {
    PositionType.SPOT: JobName("warmup_spot_symbols"),
    PositionType.FUTURES: JobName("warmup_futures_symbols"),
}
WARMUP_EVERY: Final = timedelta(minutes=5)
RECORDS_EVERY: Final = timedelta(seconds=10)
HOURLY_GRACE: Final = timedelta(minutes=5)


def default_specs(
    *,
    calendars: Collection[str],
    zones: Collection[str],
    public: Collection[PositionType] = (),
) -> tuple[JobSpec, ...]:
    """Every job of the daemon. *calendars*: codes in use; *zones*: where the bots' days begin.

    *public*: kinds of market whose symbols are kept; the warm-up of another one is run by hand.

    What runs every minute or oftener has `retries = 0`, not the 3 of M2.5: its next slot is the
    retry, and an item that fails each time must not slow the others down. `[jobs.NAME] retries`
    sets any number for any job.

    Each that has a schedule works off what is due since it last ran well, or what is so now, and
    makes up for runs that failed.
    """
    always_open = ALWAYS_OPEN in calendars
    exchanges = sorted(set(calendars) - {ALWAYS_OPEN})
    closes: tuple[Slot, ...] = (
        At(at=time(20, 59), timezone=BERLIN, days=MONDAY_TO_FRIDAY),
        *(AfterClose(calendar=code, delay=AFTER_CLOSE) for code in exchanges),
    )
    pivots: tuple[Slot, ...] = (At(at=time(7, 55), timezone=BERLIN, days=TUESDAY_TO_SATURDAY),)
    if always_open:
        closes += (At(at=time(0, 1), timezone="UTC"),)
        pivots += (At(at=time(0, 5), timezone="UTC"),)
    ahead = (_daily("extend_calendars", At(at=time(2, 40), timezone="UTC")),) if exchanges else ()
    resets = tuple(At(at=time(0), timezone=name) for name in sorted(set(zones) or {"UTC"}))
    return (
        _often("run_bots", timedelta(seconds=60), grace=RUN_BOTS_EXPIRY),
        _often("stop_loss_check", timedelta(seconds=5)),
        _often("realtime_pull", timedelta(seconds=60)),
        _often("reconcile", timedelta(seconds=60)),
        _daily("daily_close", *closes),
        _daily("calculate_pivots", *pivots),
        _daily("daily_reset", *resets),
        *ahead,
        _daily("retention", At(at=time(3, 30), timezone="UTC")),
        _hourly("fill_gaps", timedelta(hours=1)),
        _hourly("equity_snapshot", timedelta(minutes=5)),
        _hourly("refresh_instruments", timedelta(hours=1)),
        *(_warmup(kind, is_followed=kind in public) for kind in PositionType),
        _often("ingest_trades", RECORDS_EVERY, enabled=False),
        _often("ingest_orderbook", RECORDS_EVERY, enabled=False),
        replace(_daily("universe_screen", _before_open(exchanges)), enabled=False),
        JobSpec(
            name=JobName("seed_history"), soft_limit=SEED_SOFT_LIMIT, hard_limit=SEED_HARD_LIMIT
        ),
        JobSpec(name=JobName("ping")),
    )


def with_overrides(
    specs: Sequence[JobSpec], overrides: Mapping[str, JobOverride], *, timezone: str
) -> tuple[JobSpec, ...]:
    """Apply the configuration's overrides; *timezone* is that of slots which state none.

    Raises ConfigError with every problem.
    """
    known = {spec.name for spec in specs}
    problems = [
        f"jobs.{name}: there is no such job; known are {', '.join(sorted(known))}"
        for name in overrides
        if name not in known
    ]
    changed = []
    for spec in specs:
        override = overrides.get(spec.name)
        if override is not None:
            problems += _without_effect(spec, override)
        changed.append(spec if override is None else _overridden(spec, override, timezone))
    problems += [problem for spec in changed for problem in _problems(spec)]
    if problems:
        raise ConfigError(problems)
    return tuple(changed)


def _often(name: str, interval: timedelta, **changes: Any) -> JobSpec:
    slots = (Every(interval=interval),)
    return JobSpec(name=JobName(name), slots=slots, retries=0, makes_up=True, **changes)


def _hourly(name: str, interval: timedelta) -> JobSpec:
    slots = (Every(interval=interval),)
    return JobSpec(name=JobName(name), slots=slots, grace=HOURLY_GRACE, makes_up=True)


def _warmup(kind: PositionType, *, is_followed: bool) -> JobSpec:
    spec = _hourly(WARMUPS[kind], WARMUP_EVERY)
    return spec if is_followed else replace(spec, slots=(), makes_up=False)


def _before_open(exchanges: Sequence[str]) -> Slot:
    """Before New York opens where an exchange is followed, else early in the UTC day."""
    if exchanges:
        return At(at=time(8, 30), timezone=NEW_YORK, days=MONDAY_TO_FRIDAY)
    return At(at=time(0, 10), timezone="UTC")


def _daily(name: str, *slots: Slot) -> JobSpec:
    return JobSpec(name=JobName(name), slots=slots, grace=DAILY_GRACE, catch_up=True, makes_up=True)


def _overridden(spec: JobSpec, override: JobOverride, timezone: str) -> JobSpec:
    slots: tuple[Slot, ...] = spec.slots
    if override.every is not None:
        slots = (Every(interval=override.every),)
    elif override.at is not None:
        slots = (
            At(at=override.at, timezone=override.timezone or timezone, days=tuple(override.days)),
        )
    elif override.days or override.timezone:
        slots = tuple(_moved(slot, override) for slot in spec.slots)
    fields = ("enabled", "soft_limit", "hard_limit", "grace", "retries", "only_when_open")
    given = {field: getattr(override, field) for field in fields}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if override.hard_limit is not None and override.soft_limit is None:
        changes["soft_limit"] = min(spec.soft_limit, override.hard_limit)
    return replace(spec, slots=slots, **changes)


def _without_effect(spec: JobSpec, override: JobOverride) -> list[str]:
    """Refuse `days` or `timezone` alone for a job that has no time of day."""
    if override.every is not None or override.at is not None:
        return []
    if any(isinstance(slot, At) for slot in spec.slots):
        return []
    given = {"days": override.days, "timezone": override.timezone}
    return [
        f"jobs.{spec.name}.{key}: belongs to a time of day, and this job has none; say `at`, too"
        for key, value in given.items()
        if value
    ]


def _moved(slot: Slot, override: JobOverride) -> Slot:
    """Apply `days` or `timezone` alone to a slot that has them."""
    if not isinstance(slot, At):
        return slot
    return replace(
        slot,
        days=tuple(override.days) or slot.days,
        timezone=override.timezone or slot.timezone,
    )


def _problems(spec: JobSpec) -> list[str]:
    path = f"jobs.{spec.name}"
    problems = []
    if spec.soft_limit > spec.hard_limit:
        problems.append(f"{path}.soft_limit: must not be above hard_limit")
    if spec.hard_limit <= timedelta():
        problems.append(f"{path}.hard_limit: must be positive")
    if spec.retries < 0:
        problems.append(f"{path}.retries: must be 0 or more")
    for slot in spec.slots:
        if isinstance(slot, Every) and slot.interval < timedelta(seconds=1):
            problems.append(f"{path}.every: must be at least 1s")
        if isinstance(slot, At):
            problems += _at_problems(path, slot)
    return problems


def _at_problems(path: str, slot: At) -> list[str]:
    problems = [
        f"{path}.days: {day!r} is no day; allowed are {', '.join(DAY_NAMES)}"
        for day in slot.days
        if day not in DAY_NAMES
    ]
    try:
        zone(slot.timezone)
    except ZoneError as error:
        problems.append(f"{path}.timezone: {error}")
    if slot.at.tzinfo not in {None, UTC}:
        problems.append(f"{path}.at: a time of day without an offset")
    return problems
