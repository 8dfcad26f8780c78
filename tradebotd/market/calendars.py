"""Sessions of exchanges. The library's tables are read once into plain lists."""

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.util import find_spec
from typing import Any, Final, Protocol

from tradebotd.domain.errors import ConfigError
from tradebotd.domain.instrument import ALWAYS_OPEN

_FIRST_DAY: Final = "1997-12-01"  # the oldest recorded data we were asked to replay is of 1998
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Session:
    """`open` <= instant < `close` is in the session; `date` is the exchange's own."""

    date: date
    open: datetime
    close: datetime


class Calendar(Protocol):
    @property
    def code(self) -> str: ...

    def is_open(self, instant: datetime) -> bool: ...

    def session_at(self, instant: datetime) -> Session | None: ...

    def last_completed(self, now: datetime) -> Session | None:
        """The latest session that has closed; None before the first one known."""
        ...

    def next_session_after(self, day: date) -> Session:
        """Raises ConfigError where the calendar's table ends."""
        ...

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        """Those that share an instant with [start, end), oldest first."""
        ...

    def next_open(self, instant: datetime) -> datetime:
        """*instant* itself while open, else the next session's open."""
        ...

    def next_close(self, instant: datetime) -> datetime:
        """The first close later than *instant*."""
        ...


class AlwaysOpen:
    """Every UTC day is a session."""

    code = ALWAYS_OPEN

    def is_open(self, instant: datetime) -> bool:  # noqa: ARG002
        return True

    def session_at(self, instant: datetime) -> Session:
        return _utc_day(instant.astimezone(UTC).date())

    def last_completed(self, now: datetime) -> Session:
        return _utc_day(now.astimezone(UTC).date() - _DAY)

    def next_session_after(self, day: date) -> Session:
        return _utc_day(day + _DAY)

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        day = start.astimezone(UTC).date()
        found = []
        while start < end and (session := _utc_day(day)).open < end:
            found.append(session)
            day += _DAY
        return found

    def next_open(self, instant: datetime) -> datetime:
        return instant

    def next_close(self, instant: datetime) -> datetime:
        return self.session_at(instant).close


class ExchangeCalendar:
    """Sessions given as a list, ascending and apart from each other."""

    def __init__(self, code: str, sessions: Sequence[Session]) -> None:
        self.code = code
        self._sessions = tuple(sessions)
        self._opens = [session.open for session in self._sessions]
        self._closes = [session.close for session in self._sessions]
        self._dates = [session.date for session in self._sessions]

    def is_open(self, instant: datetime) -> bool:
        return self.session_at(instant) is not None

    def session_at(self, instant: datetime) -> Session | None:
        place = bisect_right(self._opens, instant) - 1
        if place < 0 or instant >= self._closes[place]:
            return None
        return self._sessions[place]

    def last_completed(self, now: datetime) -> Session | None:
        place = bisect_right(self._closes, now) - 1
        return self._sessions[place] if place >= 0 else None

    def next_session_after(self, day: date) -> Session:
        return self._at(bisect_right(self._dates, day))

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        return self._sessions[bisect_right(self._closes, start) : bisect_left(self._opens, end)]

    def next_open(self, instant: datetime) -> datetime:
        if self.session_at(instant) is not None:
            return instant
        return self._at(bisect_left(self._opens, instant)).open

    def next_close(self, instant: datetime) -> datetime:
        return self._at(bisect_right(self._closes, instant)).close

    def _at(self, place: int) -> Session:
        if place >= len(self._sessions):
            last = self._dates[-1] if self._dates else "the start"
            raise ConfigError([f"calendar {self.code} knows no session after {last}"])
        return self._sessions[place]


def load_calendar(code: str) -> Calendar:
    """Raises ConfigError for an unknown code, and where the `calendars` extra is missing.

    Takes about a second for an exchange (pandas): called before anything is traded.
    """
    if code == ALWAYS_OPEN:
        return AlwaysOpen()
    if find_spec("exchange_calendars") is None:
        raise ConfigError(
            [f"calendar {code} needs exchange_calendars: pip install 'tradebotd[calendars]'"]
        )
    import exchange_calendars  # noqa: PLC0415 - an optional extra, 75 MB with pandas
    from exchange_calendars.errors import CalendarError  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # The library's own use of pandas is not ours to mend.
            warnings.simplefilter("ignore", DeprecationWarning)
            table = exchange_calendars.get_calendar(code, start=_FIRST_DAY).schedule
    except CalendarError as error:
        raise ConfigError([f"calendar {code} is unknown to exchange_calendars"]) from error
    return ExchangeCalendar(code, _read(table))


def load_calendars(codes: Iterable[str]) -> dict[str, Calendar]:
    """Each code once. Raises ConfigError with every problem."""
    calendars: dict[str, Calendar] = {}
    problems: list[str] = []
    for code in sorted(set(codes)):
        try:
            calendars[code] = load_calendar(code)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return calendars


def _read(table: Any) -> list[Session]:
    return [
        Session(day.date(), _utc(open_), _utc(close))
        for day, open_, close in zip(table.index, table["open"], table["close"], strict=True)
    ]


def _utc(stamp: Any) -> datetime:
    plain: datetime = stamp.to_pydatetime()
    return plain.astimezone(UTC)


def _utc_day(day: date) -> Session:
    start = datetime.combine(day, time(), UTC)
    return Session(day, start, start + _DAY)
