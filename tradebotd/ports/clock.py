"""Market time, and host time; the two never mix."""

from datetime import datetime
from typing import Literal, Protocol

ClockKind = Literal["wall", "market"]


class Clock(Protocol):
    """Schedules, candles, sessions, ages, exits, daily limits. Always aware UTC."""

    @property
    def kind(self) -> ClockKind: ...

    @property
    def speed(self) -> float:
        """Market seconds a host second; 0 jumps from one due instant to the next."""
        ...

    def now(self) -> datetime: ...

    async def sleep_until(self, instant: datetime) -> None:
        """Return once `now()` has reached *instant*; at once if it has."""
        ...


class HostClock(Protocol):
    """Leases, limits, time-outs of orders: the machine's own time, aware UTC."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float:
        """Seconds that never go back and go on while the machine sleeps."""
        ...

    async def sleep(self, seconds: float) -> None: ...
