"""The venue's clock: asked for, and counted on by the machine's own seconds."""

from datetime import datetime, timedelta
from typing import Final

from tradebotd.ports.clock import HostClock

ASKED_AGAIN: Final = 600.0  # seconds


class VenueTime:
    """Keeper of the venue's time; the host's until it was told."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._time: datetime | None = None
        self._at = 0.0  # monotonic seconds of that time

    @property
    def is_due(self) -> bool:
        return self._time is None or self._host.monotonic() - self._at > ASKED_AGAIN

    def learn(self, time: datetime, sent: float, answered: float) -> None:
        """Take *time* for that of the middle between two readings of the monotonic clock."""
        self._time, self._at = time, (sent + answered) / 2

    def now(self) -> datetime:
        if self._time is None:
            return self._host.now()
        return self._time + timedelta(seconds=self._host.monotonic() - self._at)
