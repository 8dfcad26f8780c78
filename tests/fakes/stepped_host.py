"""Host time that a test moves, with real waiting in between: sleepers wake when theirs has come."""

from collections.abc import Callable
from datetime import datetime, timedelta

import anyio

from tests.simulators.shared.clock import to_ms
from tradebotd.clocks.market import MarketClock

PATIENCE = 30.0  # seconds of real time
TURN = 0.025  # seconds of real time: simulators look at their clock every 0.02


class SteppedHost:
    """Implements `ports.clock.HostClock` at the time of *clock*; *turn*: 0 where no sockets are."""

    def __init__(self, clock: MarketClock, *, turn: float = TURN) -> None:
        self._clock = clock
        self._turn = turn
        self._sleepers: list[tuple[float, anyio.Event]] = []

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return to_ms(self._clock.now()) / 1_000

    async def sleep(self, seconds: float) -> None:
        woken = (self.monotonic() + seconds, anyio.Event())
        self._sleepers.append(woken)
        await woken[1].wait()

    async def advance(self, seconds: float, step: float = 1.0) -> None:
        """Let *seconds* pass, in steps, after each of which everybody acts who waited for it."""
        left = seconds
        await anyio.sleep(self._turn)  # whoever is about to sleep, sleeps
        while left > 0:
            self._clock.jump_to(self._clock.now() + timedelta(seconds=min(step, left)))
            left -= step
            now = self.monotonic()
            due = [each for each in self._sleepers if each[0] <= now]
            self._sleepers = [each for each in self._sleepers if each[0] > now]
            for _, event in due:
                event.set()
            await anyio.sleep(self._turn)


async def until(so: Callable[[], object]) -> None:
    """Wait until it is so, on sockets: bounded, and red where it never is."""
    with anyio.fail_after(PATIENCE):
        while not so():  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.01)
