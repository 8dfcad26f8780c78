"""Request to stop, and the path of signals into the event loop."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import structlog
from anyio.streams.memory import MemoryObjectSendStream

from tradebotd.daemon.process_signals import STOP, Signals

log = structlog.get_logger(__name__)


class StopRequest:
    """Request that is set once: by a signal or by the end of the data."""

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


async def watch_signals(
    signals: Signals, stop: StopRequest, reload: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Handle signals until cancelled. A second SIGTERM is no faster: each stage has its limit."""
    loop = asyncio.get_running_loop()
    sender, receiver = anyio.create_memory_object_stream[int](8)

    def hand_over(number: int) -> None:
        loop.call_soon_threadsafe(_offer, sender, number)

    signals.receive_by(hand_over)
    async with sender, receiver, anyio.create_task_group() as reloads:
        async for number in receiver:
            if number in STOP:
                log.info("stop requested", signal=signal.Signals(number).name)
                stop.ask(signal.Signals(number).name)
            else:
                reloads.start_soon(reload)  # a later stop must not wait for it


def _offer(sender: MemoryObjectSendStream[int], number: int) -> None:
    try:
        sender.send_nowait(number)
    except (anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
        return  # eight signals are queued, or the receiver has ended
