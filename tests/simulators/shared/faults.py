"""Faults: what goes wrong at a simulator, and whether the request was executed all the same.

A fault acts on the next requests that match it. Where it stands on the way: at the listener (the
request never arrives), round the execution (before, after or long before it), in the bytes of the
answer, or on a stream. Vendors' own errors are faults of kind `ANSWER` with the vendor's body.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from tests.simulators.shared.clock import SimulatorClock

T = TypeVar("T")

ALWAYS: Final = 1_000_000_000  # as `times`: until `clear`


class Kind(StrEnum):
    """Requests: `DELAY` to `FALSE_NOT_FOUND`. The listener: `REFUSED`, `BACKLOG_FULL`. Streams: the rest."""

    DELAY = "delay"  # the true answer, late
    RESET = "reset"  # the connection is reset; no answer
    NO_ANSWER = "no_answer"  # the connection stays open and silent
    ANSWER = (
        "answer"  # `status` and `body` instead of the true answer (502, 503, 504, an error's code)
    )
    TRUNCATED = (
        "truncated"  # the true answer's head and half of its body, then the end of the connection
    )
    INVALID_JSON = "invalid_json"  # 200, and half of the true body as if it were whole
    EMPTY = "empty"  # 200 without a body
    WRONG_BODY = "wrong_body"  # 200 with `body`, well-formed and of another shape
    FALSE_NOT_FOUND = "false_not_found"  # what the vendor says of orders that it does not know

    REFUSED = "refused"  # connections are refused, open ones are reset
    BACKLOG_FULL = "backlog_full"  # connecting never ends, open ones are reset

    DISCONNECT = "disconnect"  # streams end; with a close frame of `code`, without one if that is 0
    MUTE = "mute"  # pings are answered, events are lost
    HALF_OPEN = "half_open"  # the socket stays open; nothing is sent or answered
    STALL = "stall"  # events wait until the fault is lifted, and then come all at once
    GAP = "gap"  # the next `times` events are lost, the ones behind them arrive


LISTENER: Final = frozenset({Kind.REFUSED, Kind.BACKLOG_FULL})
STREAM: Final = frozenset({Kind.DISCONNECT, Kind.MUTE, Kind.HALF_OPEN, Kind.STALL, Kind.GAP})


class Executed(StrEnum):
    """Truths: whether the vendor did what it was asked, whatever it answered."""

    NOW = "now"
    LATER = "later"  # `after` of the simulator's clock from now
    NEVER = "never"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """*kind* on the next *times* requests (events, for `GAP`) that match.

    Matching: *method* ("" is any), *path* and *operation* by how they begin. An operation is the
    simulator's word for what is asked ("place.market", "cancel"; see `Scene.operation_of`); a stream's
    *path* is its URL's, its *channel* the subscription's or the event's.

    *skip*: so many that match are let through first. *delay*: seconds of real time before anything
    else; *late*: before the answer to what has been executed. *body*: text, or JSON. *keep*: the share of the body's bytes that `TRUNCATED` and
    `INVALID_JSON` send. *lasts*: seconds of real time after which a listener's or a stream's fault is
    lifted (0: by `clear` alone). *also_new*: streams that are opened later have it, too.
    """

    kind: Kind
    times: int = 1
    skip: int = 0
    method: str = ""
    path: str = ""
    operation: str = ""
    channel: str = ""
    executed: Executed = Executed.NOW
    after: timedelta = timedelta(0)
    delay: float = 0.0
    late: float = 0.0
    status: int = 200
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    keep: float = 0.5
    code: int = 1001
    lasts: float = 0.0
    also_new: bool = False


def fault_from(told: dict[str, Any]) -> Fault:
    """The fault that the JSON *told* describes, by the names of the fields; `after` in seconds.

    Raises ValueError for an unknown field or word.
    """
    unknown = set(told) - {each.name for each in fields(Fault)}
    if unknown or "kind" not in told:
        raise ValueError(f"no fault: {sorted(unknown) or 'kind is missing'}")
    given = dict(told)
    given["kind"] = Kind(given["kind"])
    if "executed" in given:
        given["executed"] = Executed(given["executed"])
    if "after" in given:
        given["after"] = timedelta(seconds=given["after"])
    return Fault(**given)


@dataclass(frozen=True)
class Asked:
    """A request as faults see it; of a stream, *path* and *channel*. *symbol*: that it names."""

    method: str = ""
    path: str = ""
    operation: str = ""
    channel: str = ""
    symbol: str = ""


class Faults:
    """The faults that are set, first set first taken."""

    def __init__(self, clock: SimulatorClock) -> None:
        self._clock = clock
        self._set: list[Fault] = []
        self._listeners: list[Callable[[Fault | None], None]] = []
        self.met: list[tuple[Fault, Asked]] = []  # what each was taken for, in order
        self.met_ms: list[int] = []  # and when

    def set(self, *faults: Fault) -> None:
        """Add *faults* behind those that are set. Listener and stream faults act at once."""
        for fault in faults:
            if fault.kind not in LISTENER and fault.kind not in STREAM:
                self._set.append(fault)
            for tell in self._listeners:
                tell(fault)

    def clear(self) -> None:
        """Lift all faults: the listener is open, streams speak. What waits for its time still runs."""
        self._set.clear()
        for tell in self._listeners:
            tell(None)

    def follow(self, tell: Callable[[Fault | None], None]) -> None:
        """Have *tell* called with each fault that is set, and with None when all are lifted."""
        self._listeners.append(tell)

    @property
    def left(self) -> int:
        """The number of requests that the faults which are set are still waiting for."""
        return sum(each.times for each in self._set)

    def take(self, asked: Asked) -> Fault | None:
        """The first fault that matches, one time less of which remains then."""
        for at, fault in enumerate(self._set):
            if not matches(fault, asked):
                continue
            if fault.skip:
                self._set[at] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times > 1:
                self._set[at] = replace(fault, times=fault.times - 1)
            else:
                del self._set[at]
            self.met.append((fault, asked))
            self.met_ms.append(self._clock.now_ms())
            return fault
        return None

    async def execute(self, fault: Fault, execution: Callable[[], Awaitable[T]]) -> T | None:
        """Let *execution* happen as far as *fault* has it: its result, None if it has none now.

        One that happens later has nobody to tell its result to; its error is kept from the caller, too.
        """
        if fault.executed is Executed.NOW:
            return await execution()
        if fault.executed is Executed.LATER:

            async def later() -> None:
                await execution()

            self._clock.after(fault.after, later)
        return None


def matches(fault: Fault, asked: Asked) -> bool:
    return (
        fault.method in {"", asked.method}
        and asked.path.startswith(fault.path)
        and asked.operation.startswith(fault.operation)
        and asked.channel.startswith(fault.channel)
    )


def reset_before_execution(**match: Any) -> Fault:
    return Fault(kind=Kind.RESET, executed=Executed.NEVER, **match)


def reset_after_execution(**match: Any) -> Fault:
    return Fault(kind=Kind.RESET, executed=Executed.NOW, **match)


def answered(status: int, body: Any, *, executed: Executed = Executed.NEVER, **match: Any) -> Fault:
    """The vendor's error *status* and *body*; not executed, unless that is said."""
    return Fault(kind=Kind.ANSWER, status=status, body=body, executed=executed, **match)


AMBIGUOUS: Final[tuple[Kind, ...]] = (
    Kind.RESET,
    Kind.NO_ANSWER,
    Kind.ANSWER,
    Kind.TRUNCATED,
    Kind.INVALID_JSON,
    Kind.EMPTY,
)


def every_truth(fault: Fault, after: timedelta) -> Iterable[Fault]:
    """*fault* three times: executed, executed *after* that, never executed."""
    yield replace(fault, executed=Executed.NOW)
    yield replace(fault, executed=Executed.LATER, after=after)
    yield replace(fault, executed=Executed.NEVER)
