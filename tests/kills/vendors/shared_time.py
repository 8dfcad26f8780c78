"""One time for the venue's process and for each daemon: real time, ahead as far as the replay has come.

Both read it from a page of memory that they share, so that a request's timestamp and the receive
window that judges it are of one clock, however far a price has just moved it.
"""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from tests.simulators.shared.clock import SimulatorClock

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
OFFSET: Final = struct.Struct("q")  # microseconds
LOOK_SECONDS: Final = 0.02


class SharedTime:
    """Implements `ports.clock.HostClock`. To be made before the processes are forked."""

    def __init__(self, begins: datetime) -> None:
        self._page = mmap.mmap(-1, OFFSET.size)
        self._first = (begins - EPOCH) // MICROSECOND - _real()
        self._put(self._first)

    def _put(self, offset: int) -> None:
        self._page[:] = OFFSET.pack(offset)

    @property
    def _offset(self) -> int:
        (offset,) = OFFSET.unpack(self._page[:])
        return int(offset)

    def now(self) -> datetime:
        return EPOCH + timedelta(microseconds=_real() + self._offset)

    def monotonic(self) -> float:
        return time.monotonic() + (self._offset - self._first) / 1e6

    def reach(self, at: datetime) -> None:
        """Have it be *at* at least; it never goes back."""
        ahead = at - self.now()
        if ahead > timedelta():
            self._put(self._offset + ahead // MICROSECOND)

    async def sleep(self, seconds: float) -> None:
        """Sleep until this clock has passed *seconds*, by itself or by a price."""
        until = self.monotonic() + seconds
        while (left := until - self.monotonic()) > 0:  # noqa: ASYNC110 - it jumps
            await anyio.sleep(min(left, LOOK_SECONDS))


class VenueClock(SimulatorClock):
    """The simulator's clock, which is the shared one."""

    def __init__(self, shared: SharedTime) -> None:
        super().__init__(running=False)
        self._shared = shared

    def now_ms(self) -> int:
        return (self._shared.now() - EPOCH) // timedelta(milliseconds=1) + self._offset_ms


def _real() -> int:
    return time.time_ns() // 1000
