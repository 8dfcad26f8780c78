"""Days as a bot counts them: local dates of its own time zone."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

DAY: Final = timedelta(days=1)


def local_day(instant: datetime, zone: tzinfo | None) -> date:
    """Return the date of *instant* in the bot's time zone; UTC for a bot that is gone."""
    return instant.astimezone(zone or UTC).date()


def day_began(instant: datetime, zone: tzinfo) -> datetime:
    """Return the first instant of the local day that contains *instant*, in UTC."""
    return _midnight(local_day(instant, zone), zone)


def day_ends(instant: datetime, zone: tzinfo) -> datetime:
    """Return the first instant of the next local day, in UTC."""
    return _midnight(local_day(instant, zone) + DAY, zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)
