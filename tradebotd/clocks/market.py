"""Clock of a simulation: starts at the beginning of the data and runs `speed` times as fast.

At speed 0 it stands still until the timeline advances it. Work that must end at the instant it
began (an operator's command, an order in flight) holds the clock; a sleeper releases its holds.
"""

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import anyio

from tradebotd.clocks.host import monotonic
from tradebotd.ports.clock import ClockKind

LONGEST_SLEEP_SECONDS: Final = 10.0
LONGEST_STANDSTILL_SECONDS: Final = 60.0
STANDSTILL_POLL_SECONDS: Final = 0.005

_own_holds: ContextVar[int] = ContextVar("own_holds", default=0)


class MarketClock:
    """Simulated clock; `host_seconds` is the monotonic clock that a positive speed scales."""

    def __init__(
        self, start: datetime, speed: float, host_seconds: Callable[[], float] = monotonic
    ) -> None:
        if start.tzinfo is None:
            raise ValueError("market time is aware UTC")
        if speed < 0:
            raise ValueError(f"speed is 0 or more, was {speed}")
        self._origin = start
        self._speed = speed
        self._host_seconds = host_seconds
        self._host_origin = host_seconds()
        self._end: datetime | None = None
        self._limit: datetime | None = None
        self._holds = 0
        self._free: anyio.Event | None = None
        self._sleepers: list[tuple[datetime, int, int, anyio.Event]] = []
        self._order = count()

    @property
    def kind(self) -> ClockKind:
        return "market"

    @property
    def speed(self) -> float:
        return self._speed

    def now(self) -> datetime:
        if not self._speed:
            return self._origin
        now = self._unlimited()
        if self._limit is not None and now > self._limit:
            more = (now - self._limit) - self._longest_standstill()
            now = self._limit + max(more, timedelta())
        return now if self._end is None else min(now, self._end)

    def _unlimited(self) -> datetime:
        elapsed = self._host_seconds() - self._host_origin
        return self._origin + timedelta(seconds=elapsed * self._speed)

    def _longest_standstill(self) -> timedelta:
        return timedelta(seconds=LONGEST_STANDSTILL_SECONDS * self._speed)

    def run_no_further(self, limit: datetime | None) -> float:
        """Stand still at *limit* until another one is set; None: run on. With a speed only.

        A limit that has passed means this very moment: time does not go back. No standstill is made
        up for, and none lasts longer than LONGEST_STANDSTILL_SECONDS, so that nothing that waits
        for market time waits without an end. Returns the host seconds for which it stood at the
        limit before.
        """
        unlimited, now = self._unlimited(), self.now()
        stood = (unlimited - now).total_seconds() / self._speed
        beyond_data = self._end is not None and now >= self._end
        if stood > 0 and not beyond_data:
            self.restart_from(now)
        self._limit = None if limit is None else max(limit, now)
        return 0.0 if beyond_data else stood

    def stop_at(self, end: datetime) -> None:
        """Stand still from *end* on: market time ends with the data."""
        self._end = end

    def restart_from(self, instant: datetime) -> None:
        """Restart at *instant*: the host time that start-up took must not count as market time."""
        self._origin = instant
        self._host_origin = self._host_seconds()

    def jump_to(self, instant: datetime) -> None:
        """Advance to *instant*; for the timeline only, at speed 0 and while no hold is in place."""
        if self._speed:
            raise RuntimeError("a clock with a speed is not jumped")
        if self._holds:
            raise RuntimeError("the clock is held")
        if instant < self._origin:
            raise ValueError(f"market time does not go back: {self._origin} -> {instant}")
        self._origin = instant
        while self._sleepers and self._sleepers[0][0] <= instant:
            _, _, holds, woken = heapq.heappop(self._sleepers)
            self._holds += holds  # re-taken for the sleeper before the next jump
            woken.set()

    def next_wake(self) -> datetime | None:
        """Return when the first sleeper is to be woken; None if nothing sleeps."""
        return self._sleepers[0][0] if self._sleepers else None

    @property
    def is_held(self) -> bool:
        return self._holds > 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep market time from jumping while the block runs."""
        self._holds += 1
        token = _own_holds.set(_own_holds.get() + 1)
        try:
            yield
        finally:
            _own_holds.reset(token)
            self._let_go(1)

    async def wait_until_free(self) -> None:
        while self._holds:
            if self._free is None:
                self._free = anyio.Event()
            await self._free.wait()

    async def sleep_until(self, instant: datetime) -> None:
        if self._speed:
            await self._sleep_by_host_time(instant)
        elif instant > self._origin:
            await self._sleep_until_jumped(instant)

    async def _sleep_by_host_time(self, instant: datetime) -> None:
        while (left := (instant - self.now()).total_seconds()) > 0:
            stands = self._limit is not None and self._unlimited() > self._limit
            pause = max(left / self._speed, STANDSTILL_POLL_SECONDS if stands else 0.0)
            await anyio.sleep(min(pause, LONGEST_SLEEP_SECONDS))

    async def _sleep_until_jumped(self, instant: datetime) -> None:
        holds = _own_holds.get()
        sleeper = (instant, next(self._order), holds, anyio.Event())
        heapq.heappush(self._sleepers, sleeper)
        self._let_go(holds)
        try:
            await sleeper[3].wait()
        finally:
            if sleeper in self._sleepers:  # cancelled: the holding block will release again
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
                self._holds += holds

    def _let_go(self, holds: int) -> None:
        self._holds -= holds
        if not self._holds and self._free is not None:
            self._free.set()
            self._free = None
