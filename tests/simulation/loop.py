"""An event loop whose time is virtual: it stands still while anything runs, and then jumps.

Nothing is left to chance: a database's answer is read only when nothing else is ready, and while
one is awaited no time passes. So a seed runs the same way twice, and an hour costs nothing. What
goes over sockets of the loopback (`loopback.py`) has arrived before time passes.
"""

import asyncio
import selectors
import socket
from collections.abc import Mapping
from typing import Any

import anyio.to_thread

from tests.simulation.loopback import LONGEST, CountedSocket, Loopback, Ready

REAL_SECONDS = 30.0  # for an answer from outside; then something is stuck
A_MOMENT = 0.001  # real seconds, for the kernel


class StuckError(RuntimeError):
    """Nothing is ready, nothing is due, and nobody outside was asked."""


class _Selector(selectors.DefaultSelector):
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Ready]:
        if timeout is not None and timeout <= 0:
            return []
        found = self._near()
        if found:
            return found
        if self.loop.asked_outside or timeout is None or self.loop.threads_at_work():
            found = super().select(REAL_SECONDS)
            if not found:
                raise StuckError(f"{self.loop.asked_outside} answers from outside are missing")
            return found
        self.loop.virtual += timeout
        return []

    def _near(self) -> list[Ready]:
        """What has come over the loopback, before anything else is looked at."""
        near = self.loop.loopback
        if near is None:
            return []
        found = near.of_it(super().select(0))
        for _ in range(LONGEST):
            if found or not near.is_moving():
                break
            found = near.of_it(super().select(A_MOMENT))
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """*loopback*: what is known of connections within this process, once `watch_loopback` is called."""

    def __init__(self) -> None:
        self.virtual = 0.0
        self.asked_outside = 0
        self.loopback: Loopback | None = None
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self.set_exception_handler(_quiet)

    def time(self) -> float:
        return self.virtual

    def threads_at_work(self) -> bool:
        if asyncio.current_task(self) is not None:
            return False
        limiter = getattr(self, "thread_limiter", None)
        return limiter is not None and limiter.borrowed_tokens > 0

    async def prepare(self) -> None:
        self.thread_limiter = anyio.to_thread.current_default_thread_limiter()

    def watch_loopback(self) -> None:
        """What is open now is outside; whatever is opened from now on is within this process."""
        near = Loopback()
        near.outside = set(self._selector.get_map())  # type: ignore[attr-defined]
        self.loopback = near

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **options: Any) -> Any:
        if self.loopback is not None and sock.family is socket.AF_INET:
            sock = CountedSocket(sock, self.loopback)
        return super()._make_socket_transport(sock, *args, **options)  # type: ignore[misc]


def _quiet(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """What a killed world leaves behind is nobody's news; anything else is."""
    error = context.get("exception")
    if error is not None and type(error).__name__ == "KilledError":
        return
    loop.default_exception_handler(dict(context))
