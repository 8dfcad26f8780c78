"""One PostgreSQL, and one run after the other beside it: each with a time and a database of its own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.database import PostgresServer
from tests.venue_core.books import Books
from tests.venue_core.clock import SharedClock, shared_time
from tests.venue_core.daemon import Daemon, opened
from tests.venue_core.loop import SharedTimeLoop
from tests.venue_core.places.alpaca import alpaca
from tests.venue_core.places.place import BEGAN, Place, Serve
from tests.venue_core.places.spot import spot
from tests.venue_core.places.usdm import usdm

T = TypeVar("T")
PLACES: dict[str, Serve] = {"binance_spot": spot, "binance_usdm": usdm, "alpaca": alpaca}


@dataclass(frozen=True)
class Run:
    """A daemon that is built and not started, and the venue it was built for."""

    place: Place
    daemon: Daemon
    loop: SharedTimeLoop

    @property
    def books(self) -> Books:
        return self.daemon.books

    async def until(
        self, so: Callable[[], Awaitable[bool]], seconds: float, step: float = 1
    ) -> bool:
        """Let time pass until *so*, for *seconds* at most; whether it came to be."""
        ends = self.loop.time() + seconds
        while not await so():
            if self.loop.time() >= ends:
                return False
            await asyncio.sleep(step)
        return True


def in_shared_time(work: Callable[[SharedTimeLoop], Awaitable[T]]) -> T:
    """*work* on a loop of its own, to its end."""
    loop = SharedTimeLoop()

    async def whole() -> T:
        await loop.prepare()
        return await work(loop)

    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(whole())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@asynccontextmanager
async def running(
    loop: SharedTimeLoop,
    server: PostgresServer,
    venue: str,
    *,
    bot: str,
    resting_stops: bool = True,
) -> AsyncIterator[Run]:
    """A daemon at *venue*. *bot*: further lines of its bot's section."""
    with shared_time(loop, BEGAN), tempfile.TemporaryDirectory(prefix="tb-core-") as directory:
        clock = SharedClock(loop, BEGAN)
        async with (
            server.fresh_database() as dsn,
            PLACES[venue](clock) as place,
            opened(place, dsn, Path(directory), bot=bot, resting_stops=resting_stops) as daemon,
        ):
            yield Run(place, daemon, loop)
