"""Assumed sessions of dates that no table covers, by an exchange's regular weekdays. Pure.

Holidays and half days are unknown, so that the market counts as open too often rather than too
seldom: guarding a position on a day without trading costs nothing, and none stays unguarded.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

from tradebotd.market.sessions import DAY, Break, Session

JUDGED: Final = timedelta(days=91)  # long enough for holidays, short enough for new hours
_Place = tuple[int, time]  # days after the session's date, and the exchange's own time
_Shape = tuple[_Place, ...]  # open, then start and end of each break, then close


class RegularHours(NamedTuple):
    """Regular trading hours of each weekday, in the exchange's own time."""

    zone: tzinfo
    days: Mapping[int, _Shape]  # 0: Monday

    def session(self, day: date) -> Session | None:
        shape = self.days.get(day.weekday())
        if shape is None:
            return None
        at = [
            datetime.combine(day + offset * DAY, local, self.zone).astimezone(UTC)
            for offset, local in shape
        ]
        breaks = tuple(Break(at[n], at[n + 1]) for n in range(1, len(at) - 1, 2))
        return Session(day, at[0], at[-1], breaks, assumed=True)


def regular_hours(sessions: Sequence[Session], zone: tzinfo) -> RegularHours | None:
    """Derive the regular hours from the last quarter of *sessions* (ascending).

    A weekday counts when at least half of its dates had a session; its hours are the most frequent.
    Returns None if no weekday is regular.
    """
    if not sessions:
        return None
    last = sessions[-1].date
    first = max(sessions[0].date, last - JUDGED + DAY)
    recent = [session for session in reversed(sessions) if session.date >= first]
    dates = Counter((first + n * DAY).weekday() for n in range((last - first).days + 1))
    shapes: dict[int, Counter[_Shape]] = {}
    for session in recent:  # newest first: it wins among equally frequent ones
        shapes.setdefault(session.date.weekday(), Counter())[_shape(session, zone)] += 1
    days = {
        weekday: found.most_common(1)[0][0]
        for weekday, found in shapes.items()
        if 2 * found.total() >= dates[weekday]
    }
    return RegularHours(zone, days) if days else None


def _shape(session: Session, zone: tzinfo) -> _Shape:
    breaks = [at for break_ in session.breaks for at in (break_.start, break_.end)]
    return tuple(_place(session.date, at, zone) for at in (session.open, *breaks, session.close))


def _place(day: date, instant: datetime, zone: tzinfo) -> _Place:
    local = instant.astimezone(zone)
    return (local.date() - day).days, local.time()
