"""Time-zone database in use, as shown by `status`."""

from tradebotd.config.zone_database import in_force
from tradebotd.control.messages.status import TimeZones


def time_zones() -> TimeZones:
    """Return the database in use, for `status --json`. Blocks only if no configuration was read."""
    database = in_force()
    return TimeZones(
        version=database.version or "unknown", source=database.source, place=str(database.place)
    )
