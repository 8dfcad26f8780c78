"""The wish to stop, and the way from a signal into the loop."""

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


async def watch_signals(
    signals: Signals, stop: StopRequest, reload: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Runs until it is cancelled. A second SIGTERM is not faster: each stage has its limit."""
    loop = asyncio.get_running_loop()
    sender, receiver = anyio.create_memory_object_stream[int](8)

    def hand_over(number: int) -> None:
        loop.call_soon_threadsafe(_offer, sender, number)

    signals.receive_by(hand_over)
    async with sender, receiver, anyio.create_task_group() as reloads:
        async for number in receiver:
            if number in STOP:
                log.info("stop asked", signal=signal.Signals(number).name)
                stop.ask(signal.Signals(number).name)
            else:
                reloads.start_soon(reload)  # a stop behind it must not wait for it


def _offer(sender: MemoryObjectSendStream[int], number: int) -> None:
    try:
        sender.send_nowait(number)
    except (anyio.WouldBlock, anyio.ClosedResourceError, anyio.BrokenResourceError):
        return  # eight are waiting already, or nobody waits any more
