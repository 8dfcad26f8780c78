"""Session hours computed by hand for the recorded weeks, independent of any calendar library."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.acceptance.oracle import Session

# Read when the module is: reading a zone's file blocks.
NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")


def weekdays(
    local: ZoneInfo, opens: time, closes: time, first: datetime, last: datetime
) -> list[Session]:
    """Monday to Friday between two local times; the recorded weeks hold no holiday."""
    day = first.astimezone(local).date()
    sessions = []
    while day <= last.astimezone(local).date() + timedelta(days=4):
        if day.weekday() < 5:
            sessions.append(
                Session(
                    day,
                    datetime.combine(day, opens, local).astimezone(first.tzinfo),
                    datetime.combine(day, closes, local).astimezone(first.tzinfo),
                )
            )
        day += timedelta(days=1)
    return sessions


def xnys(first: datetime, last: datetime) -> list[Session]:
    return weekdays(NEW_YORK, time(9, 30), time(16, 0), first, last)


def xfra(first: datetime, last: datetime) -> list[Session]:
    return weekdays(BERLIN, time(9, 0), time(17, 30), first, last)
