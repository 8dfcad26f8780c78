"""The venue's clock, as it is told by one answer and counted on by the machine's own seconds.

Requests carry a timestamp that the venue compares with its clock three times (S18): at arrival,
before it is passed on, and just before the engine. The host's wall clock may be set at any moment;
its monotonic seconds cannot, so a timestamp is the last time that was told and the seconds since.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import anyio

from tradebotd.domain.errors import VenueError
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.clock import HostClock

ASKED_AGAIN: Final = 600.0  # seconds: crystals drift apart by some milliseconds in that time
SLOW: Final = 1.0  # seconds there and back: timestamps half of it ahead are near to being refused
AFTER_FAILURE: Final = 30.0  # seconds that a time which is merely old is used on


class ServerTime:
    """Keeper of the venue's time. Not known until `learn` was called."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._time: datetime | None = None
        self._at = 0.0  # monotonic seconds of that time
        self._way = 0.0  # seconds there and back of the answer that told it
        self._doubted = False
        self._failed_at: float | None = None

    @property
    def is_unsure(self) -> bool:
        """Whether it was never told, or a timestamp made of it was refused."""
        return self._time is None or self._doubted

    @property
    def is_due(self) -> bool:
        """Whether the venue is to be asked for its time before the next signature."""
        now = self._host.monotonic()
        if self._failed_at is not None and now - self._failed_at < AFTER_FAILURE:
            return self.is_unsure
        return self.is_unsure or now - self._at > ASKED_AGAIN

    def learn(self, time: datetime, sent: float, answered: float) -> None:
        """Take *time*, told between two readings of the monotonic clock, for that of their middle.

        The error is at most half of the way there and back: a slow answer moves no clock that a
        quicker one has set, unless the venue has refused what was made of it.
        """
        way = answered - sent
        if not self.is_unsure and way > max(SLOW, self._way):
            self.not_told()
            return
        self._time, self._at, self._doubted = time, (sent + answered) / 2, False
        self._way, self._failed_at = way, None

    def not_told(self) -> None:
        """The venue was asked, and has not told."""
        self._failed_at = self._host.monotonic()

    def doubt(self) -> None:
        """The venue has refused a timestamp: ask before the next one is signed."""
        self._doubted = True

    def now(self) -> datetime:
        """Return the venue's time; the host's where it was never told."""
        if self._time is None:
            return self._host.now()
        return self._time + timedelta(seconds=self._host.monotonic() - self._at)

    def offset(self) -> timedelta:
        """Return how far the venue's clock is ahead of the host's."""
        return self.now() - self._host.now()


@dataclass(slots=True, eq=False)
class _Question:
    """`error`: why it failed; with neither an answer nor an error, whoever asked was cancelled."""

    over: anyio.Event = field(default_factory=anyio.Event)
    answered: bool = False
    error: VenueError | None = None


class OneAsks:
    """A question of which those who want its answer at the same time share it, or its failure.

    What is urgent waits for no question that is less so: that one may stand at the gate.
    """

    def __init__(self, ask: Callable[[Priority], Awaitable[object]]) -> None:
        self._ask = ask
        self._open: dict[Priority, _Question] = {}

    async def ask(self, priority: Priority) -> None:
        """Have it asked, at the gate by *priority*. Raises VenueError."""
        while (other := self._as_urgent(priority)) is not None:
            await other.over.wait()
            if other.error is not None:
                raise other.error
            if other.answered:
                return
        question = self._open[priority] = _Question()
        try:
            await self._ask(priority)
            question.answered = True
        except VenueError as error:
            question.error = error
            raise
        finally:
            del self._open[priority]
            question.over.set()

    def _as_urgent(self, priority: Priority) -> _Question | None:
        urgent = sorted(each for each in self._open if each <= priority)
        return self._open[urgent[0]] if urgent else None
