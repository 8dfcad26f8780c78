"""Sessions of a market with their breaks, and the interface of a calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple, Protocol

from tradebotd.domain.instrument import ALWAYS_OPEN

DAY: Final = timedelta(days=1)


class Hours(NamedTuple):
    """Trading hours without a break: `open` <= instant < `close`."""

    open: datetime
    close: datetime


class Break(NamedTuple):
    """Break such as a lunch, without trading: `start` <= instant < `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Session: `open` <= instant < `close`, its breaks included.

    `date` is the exchange's own. `assumed`: regular hours, where no table covers the date.
    """

    date: date
    open: datetime
    close: datetime
    breaks: tuple[Break, ...] = ()
    assumed: bool = False

    @property
    def hours(self) -> tuple[Hours, ...]:
        """Hours in which orders are taken: the session without its breaks, oldest first."""
        starts = (self.open, *(break_.end for break_ in self.breaks))
        ends = (*(break_.start for break_ in self.breaks), self.close)
        return tuple(Hours(start, end) for start, end in zip(starts, ends, strict=True))


class Calendar(Protocol):
    @property
    def code(self) -> str: ...

    def is_open(self, instant: datetime) -> bool:
        """Return whether orders are taken, which is not the case in a break."""
        ...

    def hours_at(self, instant: datetime) -> Hours | None:
        """Return the unbroken trading hours around *instant*; None while it is closed."""
        ...

    def session_at(self, instant: datetime) -> Session | None:
        """Return the session; a break belongs to its session."""
        ...

    def last_completed(self, now: datetime) -> Session | None:
        """Return the latest session that has closed; None before the first known one."""
        ...

    def next_session_after(self, day: date) -> Session: ...

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Return the sessions that overlap [start, end), oldest first."""
        ...

    def hours(self, start: datetime, end: datetime) -> Sequence[Hours]:
        """Return the trading hours of those sessions, without the breaks."""
        ...

    def next_open(self, instant: datetime) -> datetime:
        """Return *instant* while open, else the next open of a session or after a break."""
        ...

    def next_close(self, instant: datetime) -> datetime:
        """Return the first close of a session after *instant*; a break is no close."""
        ...


class AlwaysOpen:
    """Calendar of markets that never close; every UTC day is a session."""

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
