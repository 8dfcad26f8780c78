"""Sessions of a market, the breaks in them, and what is asked of a calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol

from tradebotd.domain.instrument import ALWAYS_OPEN

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of trading without a break: `open` <= instant < `close`."""

    open: datetime
    close: datetime


@dataclass(frozen=True, slots=True)
class Break:
    """A lunch: `start` <= instant < `end`, and nothing trades."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """`open` <= instant < `close` is in the session, its breaks included.

    `date` is the exchange's own. `assumed`: of regular hours, where no table says better.
    """

    date: date
    open: datetime
    close: datetime
    breaks: tuple[Break, ...] = ()
    assumed: bool = False

    @property
    def hours(self) -> tuple[Hours, ...]:
        """When orders are taken: the session without its breaks, oldest first."""
        starts = (self.open, *(each.end for each in self.breaks))
        ends = (*(each.start for each in self.breaks), self.close)
        return tuple(Hours(start, end) for start, end in zip(starts, ends, strict=True))


class Calendar(Protocol):
    @property
    def code(self) -> str: ...

    def is_open(self, instant: datetime) -> bool:
        """Whether orders are taken: not in a break."""
        ...

    def hours_at(self, instant: datetime) -> Hours | None:
        """The unbroken time of trading around *instant*; None while it is closed."""
        ...

    def session_at(self, instant: datetime) -> Session | None:
        """Of a break too: it belongs to its session."""
        ...

    def last_completed(self, now: datetime) -> Session | None:
        """The latest session that has closed; None before the first one known."""
        ...

    def next_session_after(self, day: date) -> Session: ...

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Those that share an instant with [start, end), oldest first."""
        ...

    def hours(self, start: datetime, end: datetime) -> Sequence[Hours]:
        """As `sessions`, without their breaks."""
        ...

    def next_open(self, instant: datetime) -> datetime:
        """*instant* itself while open, else the next open: of a session, or after a break."""
        ...

    def next_close(self, instant: datetime) -> datetime:
        """The first close of a session later than *instant*; a break closes none."""
        ...


class AlwaysOpen:
    """Every UTC day is a session."""

    code = ALWAYS_OPEN

    def is_open(self, instant: datetime) -> bool:  # noqa: ARG002
        return True

    def hours_at(self, instant: datetime) -> Hours:
        return self.session_at(instant).hours[0]

    def session_at(self, instant: datetime) -> Session:
        return _utc_day(instant.astimezone(UTC).date())

    def last_completed(self, now: datetime) -> Session:
        return _utc_day(now.astimezone(UTC).date() - DAY)

    def next_session_after(self, day: date) -> Session:
        return _utc_day(day + DAY)

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        day = start.astimezone(UTC).date()
        found = []
        while start < end and (session := _utc_day(day)).open < end:
            found.append(session)
            day += DAY
        return found

    def hours(self, start: datetime, end: datetime) -> Sequence[Hours]:
        return [session.hours[0] for session in self.sessions(start, end)]

    def next_open(self, instant: datetime) -> datetime:
        return instant

    def next_close(self, instant: datetime) -> datetime:
        return self.session_at(instant).close


def _utc_day(day: date) -> Session:
    start = datetime.combine(day, time(), UTC)
    return Session(day, start, start + DAY)
