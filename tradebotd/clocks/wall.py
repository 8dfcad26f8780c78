"""Clock of live trading: market time is the machine's time."""

from datetime import datetime
from typing import Final

import anyio

from tradebotd.clocks.host import host_now
from tradebotd.ports.clock import ClockKind

# The machine's clock may be set, and a timer does not count suspend: look again this often.
LONGEST_SLEEP_SECONDS: Final = 10.0


class WallClock:
    @property
    def kind(self) -> ClockKind:
        return "wall"

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> datetime:
        return host_now()

    async def sleep_until(self, instant: datetime) -> None:
        while (seconds := (instant - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - no event
            await anyio.sleep(min(seconds, LONGEST_SLEEP_SECONDS))
