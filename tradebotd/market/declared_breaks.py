"""Breaks that a configuration declares, where a table of sessions leaves them out. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, tzinfo
from itertools import chain
from typing import NamedTuple

from tradebotd.market.sessions import DAY, Break, Session


class DeclaredBreak(NamedTuple):
    """A break by the exchange's own clock, on `weekdays` (0: Monday; empty: all).

    An end that is not behind the start is on the next day: `00:00` ends a day.
    """

    start: time
    end: time
    weekdays: frozenset[int] = frozenset()

    def on(self, day: date, zone: tzinfo) -> Break | None:
        if self.weekdays and day.weekday() not in self.weekdays:
            return None
        until = day if self.end > self.start else day + DAY
        return Break(
            datetime.combine(day, self.start, zone).astimezone(UTC),
            datetime.combine(until, self.end, zone).astimezone(UTC),
        )


def with_breaks(
    sessions: Sequence[Session], declared: Sequence[DeclaredBreak], zone: tzinfo
) -> tuple[Session, ...]:
    """*sessions* with the breaks of both. One at an end shortens a session, a whole one ends it."""
    if not declared:
        return tuple(sessions)
    cut = (_cut(each, declared, zone) for each in sessions)
    return tuple(each for each in cut if each is not None)


def _cut(session: Session, declared: Sequence[DeclaredBreak], zone: tzinfo) -> Session | None:
    days = (session.date - DAY, session.date)  # a session may open on the evening before
    found = (each.on(day, zone) for each in declared for day in days)
    within = [
        each
        for each in chain(session.breaks, found)
        if each is not None and each.start < session.close and each.end > session.open
    ]
    open_, close = session.open, session.close
    kept = list(_joined(sorted(within, key=lambda each: each.start)))
    if kept and kept[0].start <= open_:
        open_ = kept.pop(0).end
    if kept and kept[-1].end >= close:
        close = kept.pop().start
    if open_ >= close:
        return None
    return replace(session, open=open_, close=close, breaks=tuple(kept))


def _joined(ascending: Sequence[Break]) -> Iterator[Break]:
    """Return the spans with those that touch joined."""
    last: Break | None = None
    for each in ascending:
        if last is not None and each.start <= last.end:
            last = Break(last.start, max(last.end, each.end))
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last
