"""What goes wrong between the adapter and the simulator, drawn for each request."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from tests.simulation.street import Street
from tests.simulators.shared.clock import SimulatorClock
from tests.simulators.shared.faults import Asked, Executed, Fault, Faults, Kind

IMPATIENCE: Final = 25.0  # seconds, longer than anybody waits
EFFECT: Final = 60.0
STREAM_SECONDS: Final = (2.0, 120.0)
# What may be said in place of the truth where nobody is to know whether an order was executed.
NO_ANSWER: Final = (
    Kind.RESET,
    Kind.NO_ANSWER,
    Kind.TRUNCATED,
    Kind.INVALID_JSON,
    Kind.EMPTY,
    Kind.ANSWER,
)


@dataclass(frozen=True, slots=True)
class StreamFault:
    """*codes*: with which a stream is closed; 0: without a frame. *lasting*: until it is lifted."""

    kind: Kind
    lasting: bool = False
    codes: tuple[int, ...] = (1001,)

    def drawn(self, chance: random.Random, path: str, seconds: float) -> Fault:
        return Fault(
            kind=self.kind,
            path=path,
            lasts=seconds,
            code=chance.choice(self.codes),
            times=chance.randint(1, 3) if self.kind is Kind.GAP else 1,
        )


STREAM_FAULTS: Final = {
    "stream_cut": StreamFault(Kind.DISCONNECT, codes=(0, 1000, 1001, 1008)),
    "stream_mute": StreamFault(Kind.MUTE, lasting=True),
    "stream_half_open": StreamFault(Kind.HALF_OPEN, lasting=True),
    "stream_late": StreamFault(Kind.STALL, lasting=True),
    "stream_loses": StreamFault(Kind.GAP),
}
# The most that each may be likely: of streams a second, of the others for each request.
WORST: Final = {
    "stream_cut": 0.02,
    "stream_mute": 0.005,
    "stream_half_open": 0.005,
    "stream_late": 0.01,
    "stream_loses": 0.05,
    "read_fails": 0.02,
    "rate_limit": 0.004,
    "disconnect": 0.003,
    "slow": 0.003,
    "hidden": 0.3,
    "short_of_liquidity": 0.1,
}


@dataclass(frozen=True, slots=True)
class Words:
    """A vendor's own words.

    *acts*: operations (by how they begin) that send or cancel orders. *queries*: those whose answer may be a false "no such order". *errors*: answers of which nobody
    knows what they say of an order. *slow_down*, *banned*: a refusal for so many seconds.
    """

    acts: tuple[str, ...]
    queries: tuple[str, ...]
    errors: tuple[tuple[int, object], ...]
    stream: str
    ban: Callable[[int, int], Fault]


class DrawnFaults(Faults):
    """Faults that tests set, and behind them those of the seed."""

    def __init__(self, clock: SimulatorClock, street: Street, words: Words) -> None:
        super().__init__(clock)
        self._street, self._words = street, words
        self._banned_until = 0.0

    def take(self, asked: Asked) -> Fault | None:
        fault = super().take(asked)
        if fault is None and self._street.faults.on and not asked.path.startswith("/_"):
            fault = self._banned() or self._drawn(asked)
        if fault is not None:
            words = f"{asked.operation or asked.path} {fault.kind} {fault.executed}"
            self._street.record.say("fault", words)
        return fault

    def _banned(self) -> Fault | None:
        """One address is banned from everything, new connections of streams included."""
        faults, time = self._street.faults, self._street.time
        if faults.strikes("rate_limit"):
            seconds = self._street.chance.uniform(1, 120)
            self._banned_until = time.monotonic() + seconds
            faults.lasts(seconds + EFFECT)
            self._street.record.say("venue", f"ban for {seconds:.0f} s")
        left = self._banned_until - time.monotonic()
        if left <= 0:
            return None
        milliseconds = int(left * 1000) + 1
        return self._words.ban(self._clock.now_ms() + milliseconds, milliseconds)

    def _drawn(self, asked: Asked) -> Fault | None:
        if asked.path.startswith(self._words.stream):
            return None
        if self._street.faults.strikes("slow", IMPATIENCE):
            return Fault(kind=Kind.DELAY, delay=IMPATIENCE)
        acts = asked.operation.startswith(self._words.acts)
        return self._of_order(asked) if acts else self._of_question(asked)

    def _of_order(self, asked: Asked) -> Fault | None:
        faults = self._street.faults
        if faults.strikes("lost_on_the_way_there", EFFECT):
            return self._lost(Executed.NEVER)
        if asked.operation.startswith("place") and faults.strikes("late", EFFECT):
            after = timedelta(seconds=self._street.chance.uniform(0.5, 5))
            return replace(self._lost(Executed.LATER), after=after)
        if faults.strikes("lost_on_the_way_back", EFFECT):
            return self._lost(Executed.NOW)
        return None

    def _of_question(self, asked: Asked) -> Fault | None:
        faults = self._street.faults
        if asked.operation.startswith(self._words.queries) and faults.strikes("hidden", EFFECT):
            return Fault(kind=Kind.FALSE_NOT_FOUND)
        return self._lost(Executed.NOW) if faults.strikes("read_fails", EFFECT) else None

    def _lost(self, executed: Executed) -> Fault:
        """No answer, or none that says what was done."""
        chance = self._street.chance
        kind = chance.choice(NO_ANSWER)
        self._street.record.say("lost", kind)
        if kind is not Kind.ANSWER:
            return Fault(kind=kind, executed=executed)
        status, body = chance.choice(self._words.errors)
        return Fault(kind=kind, executed=executed, status=status, body=body)
