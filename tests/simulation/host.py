"""The machine of the simulation: its clocks, its one life after the other, and what it was seen to do."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.simulation.loop import VirtualLoop
from tradebotd.ports.clock import ClockKind

# Of the task that acts for the operator: nobody speaks in between of what it does.
HURRIED: ContextVar[bool] = ContextVar("HURRIED", default=False)


class KilledError(BaseException):
    """The process is gone: whatever it tries to do outside itself does not happen."""


class VirtualTime:
    """`ports.clock.Clock` and `ports.clock.HostClock`: live, they run together."""

    def __init__(self, loop: VirtualLoop, began: datetime) -> None:
        self._loop = loop
        self.began = began

    @property
    def kind(self) -> ClockKind:
        return "wall"

    @property
    def speed(self) -> float:
        return 1.0

    def now(self) -> datetime:
        return self.began + timedelta(seconds=round(self._loop.time(), 6))

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

    number: int = 0
    last_step: int | None = None
    steps: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    thawed: asyncio.Event | None = None
    in_between: Callable[[str], Awaitable[None]] | None = None
    sending: asyncio.Event = field(default_factory=asyncio.Event)  # an order is about to leave

    async def window(self, fault: str = "command_in_between") -> None:
        """Between two steps, where somebody else may be faster."""
        if self.in_between is not None and not HURRIED.get() and not self.ended.is_set():
            await self.in_between(fault)

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
    time: VirtualTime
    on: bool = True
    rates: dict[str, float] = field(default_factory=dict)
    struck: list[tuple[float, float]] = field(default_factory=list)  # each, and its effect's end

    def strikes(self, name: str, effect: float = 0.0) -> bool:
        """*effect*: for how many seconds it is no fault of ours that something is late."""
        rate = self.rates.get(name, 0.0)
        if not self.on or rate <= 0 or self.chance.random() >= rate:
            return False
        self.lasts(effect)
        return True

    def lasts(self, seconds: float) -> None:
        """From now on; what is within an effect that lasts already says nothing new."""
        now = self.time.monotonic()
        until = now + seconds
        if self.struck and self.struck[-1][1] >= now:
            began, former = self.struck[-1]
            self.struck[-1] = (began, max(former, until))
        else:
            self.struck.append((now, until))
