"""The venue's clock, as it is told by one answer and counted on by the machine's own seconds.

Requests carry a timestamp that the venue compares with its clock three times (S18): at arrival,
before it is passed on, and just before the engine. The host's wall clock may be set at any moment;
its monotonic seconds cannot, so a timestamp is the last time that was told and the seconds since.
"""

from datetime import datetime, timedelta
from typing import Final

from tradebotd.ports.clock import HostClock

ASKED_AGAIN: Final = 600.0  # seconds: crystals drift apart by some milliseconds in that time


class ServerTime:
    """Keeper of the venue's time. Not known until `learn` was called."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._time: datetime | None = None
        self._at = 0.0  # monotonic seconds of that time
        self._doubted = False

    @property
    def is_due(self) -> bool:
        """Whether the venue is to be asked for its time before the next signature."""
        old = self._host.monotonic() - self._at > ASKED_AGAIN
        return self._time is None or self._doubted or old

    def learn(self, time: datetime, sent: float, answered: float) -> None:
        """Take *time*, told between two readings of the monotonic clock, for that of their middle.

        The error is at most half of the way there and back.
        """
        self._time, self._at, self._doubted = time, (sent + answered) / 2, False

    def doubt(self) -> None:
        """The venue has refused a timestamp: ask before the next one is signed."""
        self._doubted = True

    def now(self) -> datetime:
        """Return the venue's time; the host's where it was never told."""
        if self._time is None:
            return self._host.now()
        return self._time + timedelta(seconds=self._host.monotonic() - self._at)

    def offset(self) -> timedelta:
        """Return how far the venue's clock is ahead of the host's."""
        return self.now() - self._host.now()
