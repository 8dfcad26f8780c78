"""The database of time zones in force, as `status` tells it."""

from tradebotd.config.zone_database import in_force
from tradebotd.control.messages import status as m


def time_zones() -> m.TimeZones:
    """For `tradebotctl status --json`. Blocks only where no configuration was read before."""
    database = in_force()
    return m.TimeZones(
        version=database.version or "unknown", source=database.source, place=str(database.place)
    )
