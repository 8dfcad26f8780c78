"""One WebSocket connection's outgoing side: events in order, pings, and the end after a day."""

import asyncio
from collections import deque
from collections.abc import Callable

from tests.simulators.shared.streams import Stream

PING_MS = 20_000  # of the simulator's clock
LIFE_MS = 86_400_000
WAITING = 10_000  # events for a client that does not read; the venue drops such a client


class Outbox:
    """Events that wait to be sent on *stream*; producers never wait."""

    def __init__(self, stream: Stream, now_ms: Callable[[], int]) -> None:
        self.stream = stream
        self.connected_ms = now_ms()
        self._now_ms = now_ms
        self._next_ping_ms = self.connected_ms + PING_MS
        self._queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(WAITING)

    def put(self, text: str, channel: str = "") -> None:
        try:
            self._queue.put_nowait((text, channel))
        except asyncio.QueueFull:
            self.connected_ms -= LIFE_MS  # too slow: disconnected with the next look

    async def write(self) -> None:
        """Send what is put, until cancelled."""
        while True:
            text, channel = await self._queue.get()
            await self.stream.send(text, channel)

    async def keep(self) -> None:
        """Ping every 20 s and disconnect after 24 h, both of the simulator's clock; until cancelled."""
        while True:
            await asyncio.sleep(self.stream.look)
            now = self._now_ms()
            if now - self.connected_ms >= LIFE_MS:
                await self.stream.close(1001, b"")
                return
            if now >= self._next_ping_ms:
                self._next_ping_ms = now + PING_MS
                await self.stream.ping(str(now).encode())


class Inflow:
    """Incoming messages of a connection, of which only so many may come in a second."""

    def __init__(self, most: int, now_ms: Callable[[], int]) -> None:
        self._most, self._now_ms = most, now_ms
        self._times: deque[int] = deque()

    def is_too_much(self) -> bool:
        """Count one message; True ends the connection. Pings and pongs of the client are not seen."""
        now = self._now_ms()
        self._times.append(now)
        while self._times[0] <= now - 1000:
            self._times.popleft()
        return len(self._times) > self._most
