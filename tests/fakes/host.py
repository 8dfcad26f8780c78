"""The machine's own time, set forward by hand."""

from datetime import datetime, timedelta

from tradebotd.clocks.host import host_now, monotonic


class ShiftedHost:
    """Implements `ports.clock.HostClock`: the real one, and what has been added to it."""

    def __init__(self) -> None:
        self.shift = timedelta()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return host_now() + self.shift

    def monotonic(self) -> float:
        return monotonic() + self.shift.total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.shift += timedelta(seconds=seconds)
