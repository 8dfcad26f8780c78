"""Host time: limits, retries, timeouts, drain, audit. Never schedules, candles or days."""

import time
from datetime import UTC, datetime
from typing import Final

# Counts suspend, which CLOCK_MONOTONIC does not; absent outside Linux.
_CLOCK_ID: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def host_now() -> datetime:
    """Return the machine's wall clock (aware UTC), for records of when something happened."""
    return datetime.now(UTC)  # noqa: TID251  # clocks are where the time comes from


def monotonic() -> float:
    """Return seconds that never go back and keep counting while the machine sleeps."""
    return time.clock_gettime(_CLOCK_ID)


class SystemHost:
    """Host clock of the machine; implements `ports.clock.HostClock`."""

    def now(self) -> datetime:
        return host_now()

    def monotonic(self) -> float:
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        import anyio  # noqa: PLC0415 - `check` reads the time and runs no loop

        await anyio.sleep(seconds)
