"""Which holes in what is stored are worth asking the feed about. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime

from tradebotd.market.calendars import Calendar

Gap = tuple[datetime, datetime]


def plan_gaps(
    holes: Iterable[Gap], calendar: Calendar, unfetchable: Collection[Gap] = ()
) -> list[Gap]:
    """Ranges [start, end) of *holes* in hours of trading, without those known as unfetchable."""
    planned: list[Gap] = []
    for start, end in holes:
        for hours in calendar.hours(start, end):
            gap = (max(start, hours.open), min(end, hours.close))
            if gap[0] < gap[1]:
                planned.append(gap)
    return [gap for gap in _joined(planned) if gap not in unfetchable]


def _joined(gaps: list[Gap]) -> list[Gap]:
    """Neighbours become one: UTC days of a symbol that never closes are one hole."""
    joined: list[Gap] = []
    for start, end in gaps:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
