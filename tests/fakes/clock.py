"""A Clock that is moved by hand."""

from datetime import datetime, timedelta

from tradebotd.ports.clock import ClockKind


class FakeClock:
    """`speed` is what it says of itself; time moves only by `set` and `advance`."""

    def __init__(self, now: datetime, speed: float = 0.0) -> None:
        self._now = now
        self._speed = speed

    @property
    def kind(self) -> ClockKind:
        return "market"

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> datetime:
        return self._now

    def set(self, instant: datetime) -> None:
        self._now = instant

    def advance(self, by: timedelta) -> None:
        self._now += by

    async def sleep_until(self, instant: datetime) -> None:
        """Nobody else moves it: the sleeper does."""
        self._now = max(self._now, instant)
