"""Market time and host time; the two never mix."""

from datetime import datetime
from typing import Literal, Protocol

ClockKind = Literal["wall", "market"]


class Clock(Protocol):
    """Market time, always aware UTC: schedules, candles, sessions, ages, exits, daily limits."""

    @property
    def kind(self) -> ClockKind: ...

    @property
    def speed(self) -> float:
        """Market seconds per host second; 0 jumps from one due instant to the next."""
        ...

    def now(self) -> datetime: ...

    async def sleep_until(self, instant: datetime) -> None:
        """Return once `now()` has reached *instant*; at once if it has."""
        ...


class HostClock(Protocol):
    """Host time, the machine's own, aware UTC: leases, limits, time-outs of orders."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float:
        """Return seconds that never go back and continue while the machine sleeps."""
        ...

    async def sleep(self, seconds: float) -> None: ...
