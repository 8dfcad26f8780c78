"""The database of time zones in force, as `status` tells it."""

from tradebotd.config.zone_database import in_force
from tradebotd.control.messages.status import TimeZones


def time_zones() -> TimeZones:
    """For `tradebotctl status --json`. Blocks only where no configuration was read before."""
    database = in_force()
    return TimeZones(
        version=database.version or "unknown", source=database.source, place=str(database.place)
    )
