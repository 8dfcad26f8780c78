"""Selection of the gaps in stored candles that are worth asking the feed for. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime

from tradebotd.market.calendars import Calendar

Gap = tuple[datetime, datetime]


def plan_gaps(
    holes: Iterable[Gap], calendar: Calendar, unfetchable: Collection[Gap] = ()
) -> list[Gap]:
    """Return the parts [start, end) of *holes* in trading hours, except unfetchable ones."""
    planned: list[Gap] = []
    for start, end in holes:
        for hours in calendar.hours(start, end):
            gap = (max(start, hours.open), min(end, hours.close))
            if gap[0] < gap[1]:
                planned.append(gap)
    return [gap for gap in _joined(planned) if gap not in unfetchable]


def _joined(gaps: list[Gap]) -> list[Gap]:
    """Join adjacent gaps: UTC days of a symbol that never closes form one gap."""
    joined: list[Gap] = []
    for start, end in gaps:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
