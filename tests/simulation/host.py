"""The machine of the simulation: its clocks, its one life after the other, and what it was seen to do."""

import asyncio
import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.simulation.loop import VirtualLoop
from tradebotd.ports.clock import ClockKind

BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC)


class KilledError(BaseException):
    """The process is gone: whatever it tries to do outside itself does not happen."""


class VirtualTime:
    """`ports.clock.Clock` and `ports.clock.HostClock`: live, they run together."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    @property
    def kind(self) -> ClockKind:
        return "wall"

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=round(self._loop.time(), 6))

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def sleep_until(self, instant: datetime) -> None:
        await asyncio.sleep(max(0.0, (instant - self.now()).total_seconds()))


@dataclass
class Life:
    """One process of ours. It ends at its *last_step*th step towards the outside, if at all.

    A process that is stopped (SIGSTOP, a machine asleep) takes its next step when it is `thawed`.
    """

    last_step: int | None = None
    steps: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    thawed: asyncio.Event | None = None

    async def awake(self) -> None:
        """Asked only where no transaction is open: nobody could go on behind one."""
        if self.thawed is not None:
            await self.thawed.wait()

    def step(self) -> None:
        """Raises KilledError from the last step on."""
        if self.ended.is_set():
            raise KilledError
        self.steps += 1
        if self.steps == self.last_step:
            self.ended.set()
            raise KilledError

    def end(self) -> None:
        self.ended.set()


@dataclass
class Record:
    """Everything that happened in a seed, in order, and how often each kind did."""

    time: VirtualTime
    keep: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)
    _digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def say(self, kind: str, detail: object = "") -> None:
        self.counts[kind] += 1
        line = f"{self.time.monotonic():.6f} {kind} {detail}"
        self._digest.update(line.encode())
        if self.keep:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()[:16]


@dataclass
class Faults:
    """How likely each is; drawn from the seed. `on` until the weather clears."""

    chance: random.Random
    on: bool = True
    rates: dict[str, float] = field(default_factory=dict)

    def strikes(self, name: str) -> bool:
        rate = self.rates.get(name, 0.0)
        return self.on and rate > 0 and self.chance.random() < rate
