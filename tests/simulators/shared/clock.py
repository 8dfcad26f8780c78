"""The simulators' clock: real time plus an offset, so that a test moves hours without a sleep."""

import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Action = Callable[[], Awaitable[None]]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SimulatorClock:
    """A vendor's clock, and what is due by it.

    *start*: what it shows at first (the real time, when it is None). *running*: whether real time
    moves it, too; one that does not is moved by `advance` alone.
    """

    def __init__(self, start: datetime | None = None, *, running: bool = True) -> None:
        self._running = running
        self._started_ms = _real_ms()
        self._start_ms = self._started_ms if start is None else to_ms(start)
        self._offset_ms = 0
        self._due: list[tuple[int, int, Action]] = []
        self._numbers = itertools.count()

    def now_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""
        passed = _real_ms() - self._started_ms if self._running else 0
        return self._start_ms + passed + self._offset_ms

    def now(self) -> datetime:
        return from_ms(self.now_ms())

    @property
    def offset(self) -> timedelta:
        """How far it was moved since the start; tests set it to move the clock either way."""
        return timedelta(milliseconds=self._offset_ms)

    @offset.setter
    def offset(self, offset: timedelta) -> None:
        self._offset_ms = offset // timedelta(milliseconds=1)

    def advance(self, by: timedelta) -> None:
        """Move it forwards. What is due then runs with the server's next turn (`run_due`)."""
        self.offset += by

    def after(self, delay: timedelta, action: Action) -> None:
        """Have *action* run once, *delay* of this clock from now."""
        due = self.now_ms() + delay // timedelta(milliseconds=1)
        heapq.heappush(self._due, (due, next(self._numbers), action))

    async def run_due(self) -> int:
        """Run what is due by now, in order; the number of actions. The server calls this by itself."""
        ran = 0
        while self._due and self._due[0][0] <= self.now_ms():
            _, _, action = heapq.heappop(self._due)
            await action()
            ran += 1
        return ran

    @property
    def waiting(self) -> int:
        """The number of actions that are not due yet."""
        return len(self._due)


def to_ms(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def _real_ms() -> int:
    return time.time_ns() // 1_000_000
