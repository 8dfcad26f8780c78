"""Events of a stream that wait to be told: an order's in their order, those of others beside them.

To tell an event may need an answer of the venue (a leg's pair, fills that were lost). Who waits for
that must not keep the stream from being read, nor other orders' fills from being told.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog
from anyio.abc import TaskGroup

from tradebotd.domain.errors import VenueError, VenueUnavailableError
from tradebotd.net.answers import Value
from tradebotd.net.errors import NetError
from tradebotd.ports.clock import HostClock

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 2_000  # events; beyond it the stream ends, and says since when
PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before an event is tried again


class EventLines:
    """Lines of one connection, one an order. *fail* ends that: an event of it cannot be told."""

    def __init__(
        self,
        hear: Callable[[Value], Awaitable[None]],
        tasks: TaskGroup,
        host: HostClock,
        fail: Callable[[Exception], None],
    ) -> None:
        self._hear, self._tasks, self._host, self._fail = hear, tasks, host, fail
        self._lines: dict[str, deque[tuple[datetime, Value]]] = {}
        self._waiting = 0

    @property
    def oldest(self) -> datetime | None:
        """When the oldest happened that is not told yet; None: all are."""
        return min((at for line in self._lines.values() for at, _ in line), default=None)

    def add(self, order_id: str, at: datetime, event: Value) -> None:
        """Tell *event* as soon as may be. Raises VenueUnavailableError where too many wait."""
        if self._waiting >= MOST_WAITING:
            raise VenueUnavailableError(f"{MOST_WAITING} events wait to be told")
        self._waiting += 1
        line = self._lines.get(order_id)
        if line is not None:
            line.append((at, event))
            return
        self._lines[order_id] = deque([(at, event)])
        self._tasks.start_soon(self._work, order_id)

    async def _work(self, order_id: str) -> None:
        line = self._lines[order_id]
        try:
            while line:
                await self._tell(order_id, line[0][1])
                line.popleft()
                self._waiting -= 1
        except (NetError, VenueError) as error:
            self._fail(error)  # what is left waits on: it is what the gap begins with
            return
        del self._lines[order_id]

    async def _tell(self, order_id: str, event: Value) -> None:
        """Tell an event; what the venue cannot say now is asked for again. Raises VenueError."""
        for pause in PAUSES:
            try:
                await self._hear(event)
            except VenueError as error:
                log.warning("order event deferred", order=order_id, error=str(error))
            else:
                return
            await self._host.sleep(pause)
        await self._hear(event)
