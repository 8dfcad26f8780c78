"""A line with a latency: a proxy on the loopback that passes bytes on later, in both directions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

CHUNK: Final = 64 * 1024
MOST_WAITING: Final = 4096  # chunks under way in one direction


class SlowLine:
    """*one_way*: seconds that each byte takes. `port` is where to connect to."""

    def __init__(self, target: int, one_way: float) -> None:
        self._target, self.one_way = target, one_way
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        ways = ((reader, far_writer), (far_reader, writer))
        tasks = [asyncio.ensure_future(self._pass_on(*way)) for way in ways]
        self._tasks.update(tasks)
        await asyncio.wait(tasks)
        self._tasks.difference_update(tasks)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MOST_WAITING)

        async def arrive() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()

        arriving = asyncio.ensure_future(arrive())
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK):
                    await under_way.put((loop.time() + self.one_way, data))
            await under_way.put((loop.time() + self.one_way, b""))
            with contextlib.suppress(OSError):
                await arriving
        finally:
            arriving.cancel()
            writer.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def slow_line(target: int, one_way: float) -> AsyncIterator[SlowLine]:
    """Listen for connections to the port *target* of the loopback until the block is left."""
    line = SlowLine(target, one_way)
    server = await asyncio.start_server(line._connected, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        await line.close()
