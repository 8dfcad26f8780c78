"""Durations formatted for people."""

from datetime import timedelta
from typing import Final

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def spoken(duration: timedelta) -> str:
    """Format as `0.4 s`, `45 s`, `2 min 18 s`, `2 d 3 h`: the two largest units, rounded down."""
    seconds = duration.total_seconds()
    if abs(seconds) < 1:
        return f"{seconds:.1g} s"
    left, parts = int(abs(seconds)), list[str]()
    for size, unit in _UNITS:
        count, rest = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
            left = rest
        elif parts:
            break  # `2 d 4 min` would be more detail than needed
        if len(parts) == 2:
            break
    return ("-" if seconds < 0 else "") + " ".join(parts)
