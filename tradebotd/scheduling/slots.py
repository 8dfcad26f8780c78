"""Due times of slots: pure arithmetic, one for each occurrence, also when clocks change.

An instant is aware UTC. Local dates and times appear only inside `at_instant`.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple, assert_never
from zoneinfo import ZoneInfo

from tradebotd.config.zone_database import zone
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import AfterClose, At, Every, JobSpec, Slot
from tradebotd.domain.timeframe import EPOCH

# calendar code, instant -> the first close later than it; None: no more sessions are known
ClosesAfter = Callable[[str, datetime], datetime | None]

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1)
LOOK_BACK: Final = timedelta(days=14)  # the longest holidays of an exchange are shorter

# What is due at one instant runs in this order, then the others by name.
ORDER: Final = (
    "daily_reset",
    "realtime_pull",
    "daily_close",
    "calculate_pivots",
    "run_bots",
    "stop_loss_check",
    "reconcile",
)
_RANK: Final = {name: rank for rank, name in enumerate(ORDER)}


class DueRun(NamedTuple):
    """Due times of a job at one check: the latest, and the number of earlier ones it covers.

    `first` is the earliest of them; it equals `at` when `earlier` is 0.
    """

    name: JobName
    at: datetime
    first: datetime
    earlier: int = 0

    def joined(self, other: "DueRun") -> "DueRun":
        """Join two slots of one job; the same instant twice is one occurrence."""
        early, late = (self, other) if self.at <= other.at else (other, self)
        return DueRun(
            name=self.name,
            at=late.at,
            first=min(early.first, late.first),
            earlier=late.earlier + early.earlier + (0 if early.at == late.at else 1),
        )


def order_key(name: str) -> tuple[int, str]:
    return _RANK.get(name, len(ORDER)), name


def at_instant(slot: At, day: date) -> datetime:
    """Return the instant of *slot* on the local date *day*, whatever the clock does there.

    A time that occurs twice is the first of the two. A time that is skipped is the first instant
    after the gap.
    """
    local = zone(slot.timezone)
    naive = datetime.combine(day, slot.at)
    instant = naive.replace(tzinfo=local).astimezone(UTC)
    if instant.astimezone(local).replace(tzinfo=None) == naive:
        return instant
    return _end_of_gap(naive.replace(tzinfo=local, fold=1).astimezone(UTC), instant, local)


def next_fire(slot: Slot, after: datetime, closes_after: ClosesAfter) -> datetime | None:
    """Return the first due time after *after*; None if no session is known."""
    match slot:
        case Every(interval=interval):
            return EPOCH + ((after - EPOCH) // interval + 1) * interval
        case At():
            return _next_at(slot, after)
        case AfterClose(calendar=calendar, delay=delay):
            close = closes_after(calendar, after - delay)
            return None if close is None else close + delay
        case _:
            assert_never(slot)


def first_fire(slot: Slot, now: datetime, closes_after: ClosesAfter) -> datetime | None:
    """Return the first due time at or after *now*."""
    return next_fire(slot, now - MICROSECOND, closes_after)


def last_fire(slot: Slot, until: datetime, closes_after: ClosesAfter) -> datetime | None:
    """Return the latest due time up to *until*, within the last two weeks."""
    if isinstance(slot, Every):
        return EPOCH + ((until - EPOCH) // slot.interval) * slot.interval
    latest = None
    following = next_fire(slot, until - LOOK_BACK, closes_after)
    while following is not None and following <= until:
        latest = following
        following = next_fire(slot, following, closes_after)
    return latest


def due_between(
    name: JobName, slot: Slot, first: datetime, now: datetime, closes_after: ClosesAfter
) -> DueRun:
    """Return what is due from *first* (itself due) to *now*, without a loop over intervals."""
    if isinstance(slot, Every):
        earlier = (now - first) // slot.interval
        return DueRun(name, first + earlier * slot.interval, first, earlier)
    latest, earlier = first, 0
    for following in _fires_after(slot, first, closes_after):
        if following > now:
            break
        latest, earlier = following, earlier + 1
    return DueRun(name, latest, first, earlier)


def _fires_after(slot: Slot, after: datetime, closes_after: ClosesAfter) -> Iterator[datetime]:
    following = next_fire(slot, after, closes_after)
    while following is not None:
        yield following
        following = next_fire(slot, following, closes_after)


def _next_at(slot: At, after: datetime) -> datetime:
    day = after.astimezone(zone(slot.timezone)).date() - DAY
    while True:
        if not slot.days or DAY_NAMES[day.weekday()] in slot.days:
            instant = at_instant(slot, day)
            if instant > after:
                return instant
        day += DAY


def _end_of_gap(before: datetime, after: datetime, local: ZoneInfo) -> datetime:
    """Return the instant, to the second, at which the offset changes between the two."""
    offset = before.astimezone(local).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        moment = datetime.fromtimestamp(middle, UTC)
        if moment.astimezone(local).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def timezones(spec: JobSpec) -> str:
    """Return the zones of *spec*'s slots, as `tradebotctl jobs` shows them."""
    names = [slot.timezone if isinstance(slot, At) else "UTC" for slot in spec.slots]
    return ", ".join(dict.fromkeys(names)) or "UTC"
