"""Exchange sessions; the library's tables are read into plain lists."""

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from importlib.util import find_spec
from typing import Any, Final, NamedTuple

from tradebotd.clocks.host import host_now
from tradebotd.config.zone_database import must_be_current
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.instrument import ALWAYS_OPEN
from tradebotd.market.assumed_sessions import RegularHours, regular_hours
from tradebotd.market.calendar_names import CODES, nearest
from tradebotd.market.declared_breaks import DeclaredBreak, with_breaks
from tradebotd.market.sessions import (
    DAY,
    AlwaysOpen,
    Break,
    Calendar,
    Hours,
    Session,
)

__all__ = [
    "AlwaysOpen",
    "Calendar",
    "ExchangeCalendar",
    "Hours",
    "KnownSessions",
    "Session",
    "load_calendar",
    "read_known",
]

FIRST_DAY: Final = date(1997, 12, 1)  # or the first day of older data, or of the calendar
HORIZON: Final = timedelta(days=730)  # how far ahead a table is read
LIBRARY: Final = "exchange_calendars"
PINNED: Final = "requirements-calendars.txt"

_OFFSETS: Final = timedelta(days=2)  # a session may open the day before its date, by any clock
_STEP: Final = timedelta(days=14)
_STEPS: Final = 27  # a year without a session: there is no next one


class KnownSessions(NamedTuple):
    """Sessions that the library knows in [known_from, known_until], ascending and disjoint.

    `ends`: the last day that it knows at all; None if it computes sessions by rule.
    """

    sessions: tuple[Session, ...]
    known_from: date
    known_until: date
    ends: date | None
    zone: tzinfo


class ExchangeCalendar:
    """Calendar with a list of sessions, ascending and disjoint.

    After `known_until` sessions are assumed from the regular ones, so that positions stay guarded;
    without a table (`from_table`) there are none, and asking for the next one raises ConfigError.
    """

    def __init__(
        self, code: str, sessions: Sequence[Session], breaks: Sequence[DeclaredBreak] = ()
    ) -> None:
        self.code = code
        self.declared_breaks = tuple(breaks)  # beside those of a table
        self.known_from = sessions[0].date if sessions else date.min
        self.known_until = sessions[-1].date if sessions else date.min
        self.ends: date | None = None
        self._regular: RegularHours | None = None
        self._lay(sessions)
        self._listed_until = self.known_until
        self._listed_before = datetime.max.replace(tzinfo=UTC)

    @classmethod
    def from_table(
        cls, code: str, known: KnownSessions, breaks: Sequence[DeclaredBreak] = ()
    ) -> "ExchangeCalendar":
        calendar = cls(code, (), breaks)
        calendar.extend(known)
        return calendar

    def extend(self, known: KnownSessions) -> None:
        """Replace the known and assumed sessions by *known*."""
        self.known_from, self.known_until = known.known_from, known.known_until
        self.ends = known.ends
        sessions = with_breaks(known.sessions, self.declared_breaks, known.zone)
        self._regular = regular_hours(sessions, known.zone)
        self._lay(sessions)
        self._listed_until = known.known_until
        self._listed_before = _start_of(self._listed_until - _OFFSETS)

    def is_open(self, instant: datetime) -> bool:
        return self.hours_at(instant) is not None

    def hours_at(self, instant: datetime) -> Hours | None:
        if instant >= self._listed_before:
            self._assume_until(instant)
        place = bisect_right(self._starts, instant) - 1
        if place < 0 or instant >= self._hours[place].close:
            return None
        return self._hours[place]

    def session_at(self, instant: datetime) -> Session | None:
        if instant >= self._listed_before:
            self._assume_until(instant)
        place = bisect_right(self._opens, instant) - 1
        if place < 0 or instant >= self._closes[place]:
            return None
        return self._sessions[place]

    def last_completed(self, now: datetime) -> Session | None:
        if now >= self._listed_before:
            self._assume_until(now)
        place = bisect_right(self._closes, now) - 1
        return self._sessions[place] if place >= 0 else None

    def next_session_after(self, day: date) -> Session:
        return self._at(self._dates, day, bisect_right)

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        if end >= self._listed_before:
            self._assume_until(end)
        return self._sessions[bisect_right(self._closes, start) : bisect_left(self._opens, end)]

    def hours(self, start: datetime, end: datetime) -> Sequence[Hours]:
        if end >= self._listed_before:
            self._assume_until(end)
        return self._hours[bisect_right(self._ends, start) : bisect_left(self._starts, end)]

    def next_open(self, instant: datetime) -> datetime:
        if self.hours_at(instant) is not None:
            return instant
        self._at(self._opens, instant, bisect_left)
        return self._starts[bisect_left(self._starts, instant)]

    def next_close(self, instant: datetime) -> datetime:
        return self._at(self._closes, instant, bisect_right).close

    def _lay(self, sessions: Sequence[Session]) -> None:
        self._sessions = list(sessions)
        self._opens = [session.open for session in sessions]
        self._closes = [session.close for session in sessions]
        self._dates = [session.date for session in sessions]
        self._hours = [hours for session in sessions for hours in session.hours]
        self._starts = [hours.open for hours in self._hours]
        self._ends = [hours.close for hours in self._hours]

    def _at(
        self, keys: Sequence[Any], key: date, bisect: Callable[[Sequence[Any], date], int]
    ) -> Session:
        """Return the first session beyond *key*. Raises ConfigError if there is none."""
        day = key.astimezone(UTC).date() if isinstance(key, datetime) else key
        if self._regular is not None and day + _OFFSETS >= self._listed_until:
            self._assume_until_day(day + _OFFSETS + _STEP)
        for _ in range(_STEPS):
            place = bisect(keys, key)
            if place < len(keys):
                return self._sessions[place]
            if self._regular is None:
                break
            self._assume_until_day(self._listed_until + _STEP)
        raise ConfigError([f"calendar {self.code} has no session after {key}"])

    def _assume_until(self, instant: datetime) -> None:
        self._assume_until_day(instant.astimezone(UTC).date() + _OFFSETS + _STEP)

    def _assume_until_day(self, until: date) -> None:
        """Extend the lists with assumed sessions up to *until*; market time bounds the loop."""
        if self._regular is None:
            return
        if self._listed_until == self.known_until:
            import structlog  # noqa: PLC0415 - `check` pays for no logging

            log = structlog.get_logger(__name__)
            log.warning("sessions assumed", calendar=self.code, after=str(self.known_until))
        day = self._listed_until
        while day < until:
            day += DAY
            session = self._regular.session(day)
            if session is not None:
                self._append(session)
        self._listed_until = day
        self._listed_before = _start_of(day - _OFFSETS)

    def _append(self, session: Session) -> None:
        if self._closes and session.open < self._closes[-1]:
            return  # the last known session ended later than usual
        self._sessions.append(session)
        self._opens.append(session.open)
        self._closes.append(session.close)
        self._dates.append(session.date)
        for hours in session.hours:
            self._hours.append(hours)
            self._starts.append(hours.open)
            self._ends.append(hours.close)


def load_calendar(
    code: str,
    first: date | None = None,
    now: date | None = None,
    breaks: Sequence[DeclaredBreak] = (),
) -> Calendar:
    """Load a calendar from *first* (at least FIRST_DAY) to HORIZON after *now*, if known so far.

    Raises ConfigError for an unknown code, one that cannot be built, and where the `calendars`
    extra is missing. Takes a second or more for an exchange (pandas): it blocks.
    """
    if code == ALWAYS_OPEN:
        return AlwaysOpen()
    begin = FIRST_DAY if first is None else min(first, FIRST_DAY)
    known = read_known(code, begin, now or host_now().date())
    return ExchangeCalendar.from_table(code, known, breaks)


def read_known(code: str, first: date, now: date) -> KnownSessions:
    """Read the library's sessions within its bounds; errors as for `load_calendar`."""
    if find_spec(LIBRARY) is None:
        raise ConfigError([_not_installed(code)])
    must_be_current(f"calendar {code}")  # the library reads its zones while it is imported
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about its own use of pandas
            known = _built(code, first, now + HORIZON)
    except ConfigError:
        raise
    except Exception as error:  # the library, pandas and what they read may raise anything
        raise ConfigError([_cannot_be_built(code, error)]) from error
    if not known.sessions:
        raise ConfigError([f"calendar {code!r} has no session between {first} and {now + HORIZON}"])
    return known


def _built(code: str, first: date, last: date) -> KnownSessions:
    import exchange_calendars  # noqa: PLC0415 - an optional extra, 75 MB with pandas

    names = exchange_calendars.get_calendar_names()
    if code not in names:
        raise ConfigError([_unknown(code, names)])
    try:
        built = exchange_calendars.get_calendar(code, start=str(first), end=str(last))
    except ValueError:
        # A bound of the calendar's own may lie within. Only a calendar tells its bounds, and the
        # span that the library itself chooses is within them.
        within = exchange_calendars.get_calendar(code)
        begin, end = _day(within.bound_min()) or first, _day(within.bound_max()) or last
        if begin <= first and last <= end:
            raise
        first, last = max(first, begin), min(last, end)
        if first > last:
            words = f"calendar {code!r} is known from {begin} to {end}, not when it is asked for"
            raise ConfigError([words]) from None
        built = exchange_calendars.get_calendar(code, start=str(first), end=str(last))
    return KnownSessions(
        sessions=tuple(_read(built.schedule)),
        known_from=first,
        known_until=last,
        ends=_day(built.bound_max()),
        zone=built.tz,
    )


def _read(table: Any) -> list[Session]:
    columns = (table[name] for name in ("open", "close", "break_start", "break_end"))
    return [
        Session(day.date(), _utc(open_), _utc(close), _breaks(start, end))
        for day, open_, close, start, end in zip(table.index, *columns, strict=True)
    ]


def _breaks(start: Any, end: Any) -> tuple[Break, ...]:
    if start != start or end != end:  # noqa: PLR0124 - NaT, which is a datetime to isinstance
        return ()
    return (Break(_utc(start), _utc(end)),)


def _utc(stamp: Any) -> datetime:
    plain: datetime = stamp.to_pydatetime()
    return plain.astimezone(UTC)


def _day(stamp: Any) -> date | None:
    if stamp is None:
        return None
    day: date = stamp.date()
    return day


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _not_installed(code: str) -> str:
    if code not in CODES:
        return _unknown(code, CODES)
    return (
        f"calendar {code!r} needs {LIBRARY}, which is not installed:"
        f" pip install --require-hashes -r {PINNED}"
    )


def _unknown(code: str, known: Collection[str]) -> str:
    near = nearest(code, known)
    hint = (
        f"did you mean {' or '.join(repr(name) for name in near)}?"
        if near
        else f"it is '24/7', or a code that {LIBRARY} knows, such as 'XNYS'"
    )
    return f"there is no calendar {code!r}; {hint}"


def _cannot_be_built(code: str, error: Exception) -> str:
    words = " ".join(str(error).split()) or "no reason given"
    cause = f"{type(error).__name__}: {words[:160]}{'…' if len(words) > 160 else ''}"
    return (
        f"calendar {code!r} cannot be built by {_release(LIBRARY)} with {_release('pandas')}"
        f" ({cause}); the versions of {PINNED} build every calendar:"
        f" pip install --require-hashes -r {PINNED}"
    )


def _release(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - brings email

    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package
