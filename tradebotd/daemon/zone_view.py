"""The database of time zones in force, as `status` and `check` tell it."""

from tradebotd.config.zone_database import available, in_force
from tradebotd.control import messages as m


def time_zones() -> m.TimeZones:
    """For `tradebotctl status --json`. Blocks only where no configuration was read before."""
    database = in_force()
    return m.TimeZones(
        version=database.version or "unknown", source=database.source, place=str(database.place)
    )


def time_zones_in_words() -> str:
    """For `tradebotd check`, and what is set aside because it is older."""
    used = in_force()
    others = [str(each) for each in available() if each.place != used.place]
    return f"time zones {used}" + (f", not {' or '.join(others)}" if others else "")
