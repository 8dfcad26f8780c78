"""Trading days and sessions of the US markets, BOATS' overnight session included.

The table of holidays is the exchange's published one; nothing of the project's calendars is used.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
ONE_DAY: Final = timedelta(days=1)
FARTHEST: Final = 800  # days that one jump of the clock may pass

HOLIDAYS: Final = frozenset(
    date.fromisoformat(day)
    for day in (
        "2025-01-01", "2025-01-09", "2025-01-20", "2025-02-17", "2025-04-18", "2025-05-26",
        "2025-06-19", "2025-07-04", "2025-09-01", "2025-11-27", "2025-12-25",
        "2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19",
        "2026-07-03", "2026-09-07", "2026-11-26", "2026-12-25",
        "2027-01-01", "2027-01-18", "2027-02-15", "2027-03-26", "2027-05-31", "2027-06-18",
        "2027-07-05", "2027-09-06", "2027-11-25", "2027-12-24",
    )
)  # fmt: skip
EARLY_CLOSES: Final = frozenset(
    date.fromisoformat(day)
    for day in ("2025-07-03", "2025-11-28", "2025-12-24", "2026-11-27", "2026-12-24", "2027-11-26")
)


class Phase(StrEnum):
    CLOSED = "closed"
    OVERNIGHT = "overnight"
    PRE = "pre"
    CORE = "core"
    POST = "post"


@dataclass(frozen=True)
class TradingDay:
    """One trading day: it begins on the evening before, with the overnight session."""

    day: date

    @property
    def overnight_start(self) -> datetime:
        return _at(self.day - ONE_DAY, time(20))

    @property
    def pre_start(self) -> datetime:
        return _at(self.day, time(4))

    @property
    def core_start(self) -> datetime:
        return _at(self.day, time(9, 30))

    @property
    def core_end(self) -> datetime:
        return _at(self.day, time(13) if self.day in EARLY_CLOSES else time(16))

    @property
    def post_end(self) -> datetime:
        return _at(self.day, time(17) if self.day in EARLY_CLOSES else time(20))

    @property
    def settlement(self) -> date:
        return next_day(self.day).day

    def phase_at(self, moment: datetime) -> Phase | None:
        """The phase of this day at *moment*; None if that is not within the day."""
        starts = (
            (self.post_end, None),
            (self.core_end, Phase.POST),
            (self.core_start, Phase.CORE),
            (self.pre_start, Phase.PRE),
            (self.overnight_start, Phase.OVERNIGHT),
        )
        return next((phase for start, phase in starts if moment >= start), None)


def is_trading_day(day: date) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS


def next_day(day: date) -> TradingDay:
    """The first trading day after *day*."""
    return next(days(day + ONE_DAY, day + 15 * ONE_DAY))


def days(first: date, last: date) -> Iterator[TradingDay]:
    """The trading days from *first* to *last*, both included."""
    day = first
    while day <= last:
        if is_trading_day(day):
            yield TradingDay(day)
        day += ONE_DAY


def phase_at(moment: datetime) -> Phase:
    """A2: the overnight session belongs to the trading day that follows it.

    So there is none on the evening before a full holiday, and none from Friday to Sunday 20:00.
    """
    today = moment.astimezone(NEW_YORK).date()
    for day in days(today, today + ONE_DAY):
        phase = day.phase_at(moment)
        if phase is not None:
            return phase
    return Phase.CLOSED


def current_day(moment: datetime) -> TradingDay:
    """The trading day whose sessions are not over at *moment*: the running one, or the next."""
    today = moment.astimezone(NEW_YORK).date()
    return next(day for day in days(today, today + 15 * ONE_DAY) if moment < day.post_end)


def core_day(moment: datetime) -> TradingDay:
    """The trading day whose regular session is not over at *moment*."""
    today = moment.astimezone(NEW_YORK).date()
    return next(day for day in days(today, today + 15 * ONE_DAY) if moment < day.core_end)


def next_open(moment: datetime) -> datetime:
    today = moment.astimezone(NEW_YORK).date()
    opens = (day.core_start for day in days(today, today + 15 * ONE_DAY))
    return next(start for start in opens if start > moment)


def next_close(moment: datetime) -> datetime:
    return core_day(moment).core_end


@dataclass(frozen=True)
class Boundary:
    """A moment at which *begins* begins on *day*; CLOSED is the end of its last session."""

    moment: datetime
    begins: Phase
    day: TradingDay


def boundaries(after: datetime, until: datetime) -> Iterator[Boundary]:
    """The boundaries in (*after*, *until*], in order. Raises ValueError for a jump of years."""
    first = after.astimezone(NEW_YORK).date()
    last = until.astimezone(NEW_YORK).date() + ONE_DAY
    if (last - first).days > FARTHEST:
        raise ValueError(f"the clock jumped from {after} to {until}")
    for day in days(first, last):
        for begins, moment in (
            (Phase.OVERNIGHT, day.overnight_start),
            (Phase.PRE, day.pre_start),
            (Phase.CORE, day.core_start),
            (Phase.POST, day.core_end),
            (Phase.CLOSED, day.post_end),
        ):
            if after < moment <= until:
                yield Boundary(moment, begins, day)


def _at(day: date, clock_time: time) -> datetime:
    return datetime.combine(day, clock_time, NEW_YORK).astimezone(UTC)
