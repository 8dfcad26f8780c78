"""SIGTERM and SIGINT ask the daemon to stop; SIGHUP asks it to read its configuration again."""

import signal
from collections.abc import Awaitable, Callable

import anyio
import structlog

log = structlog.get_logger(__name__)


class StopRequest:
    """Set once, by a signal, by the end of the data, or by what went wrong for good."""

    def __init__(self) -> None:
        self._asked = anyio.Event()
        self.reason = ""

    def ask(self, reason: str) -> None:
        if not self._asked.is_set():
            self.reason = reason
            self._asked.set()

    @property
    def is_asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        await self._asked.wait()


async def watch_signals(stop: StopRequest, reload: Callable[[], Awaitable[None]]) -> None:
    """Runs until it is cancelled. A second SIGTERM is not faster: each stage has its limit."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for received in signals:
            if received == signal.SIGHUP:
                await reload()
            else:
                log.info("stop asked", signal=signal.Signals(received).name)
                stop.ask(signal.Signals(received).name)
