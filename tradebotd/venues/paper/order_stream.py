"""The paper venue's order stream: a call, which can be interrupted as a socket can."""

from collections.abc import Sequence
from datetime import datetime

from tradebotd.domain.order import OrderReport
from tradebotd.ports.venue import Listener, StreamListener, StreamState


class PaperStream:
    """Order stream of one listener. What happens while it is interrupted is told to nobody."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._on_stream: StreamListener | None = None
        self._is_told = False
        self._lost_at: datetime | None = None
        self._interrupted = False

    def listen(self, listener: Listener, on_stream: StreamListener | None) -> None:
        self._listener, self._on_stream = listener, on_stream
        self._is_told = False

    async def tell(self, reports: Sequence[OrderReport]) -> None:
        if self._listener is None or self._interrupted:
            return
        for report in reports:
            await self._listener(report)

    def doubt(self, at: datetime) -> None:
        """Note that a transaction of the books may have changed what was told to nobody."""
        self._lost_at = self._lost_at or at

    async def opened(self) -> None:
        """The books are read: from now on all of it is told again."""
        if self._interrupted or (self._is_told and self._lost_at is None):
            return
        gap, self._lost_at, self._is_told = self._lost_at, None, True
        await self._say(StreamState(connected=True, gap_since=gap))

    # Drills

    async def interrupt(self, at: datetime) -> None:
        """Lose the stream at *at*, until `restore`."""
        self._interrupted, self._lost_at = True, self._lost_at or at
        await self._say(StreamState(connected=False, gap_since=self._lost_at))

    async def restore(self) -> None:
        self._interrupted = False
        await self.opened()

    async def _say(self, state: StreamState) -> None:
        if self._on_stream is not None:
            await self._on_stream(state)
