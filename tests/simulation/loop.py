"""An event loop whose time is virtual: it stands still while anything runs, and then jumps.

Nothing is left to chance: a database's answer is read only when nothing else is ready, and while
one is awaited no time passes. So a seed runs the same way twice, and an hour costs nothing.
"""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

import anyio.to_thread

REAL_SECONDS = 30.0  # for an answer from outside; then something is stuck


class StuckError(RuntimeError):
    """Nothing is ready, nothing is due, and nobody outside was asked."""


class _Selector(selectors.DefaultSelector):
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        if self.loop.asked_outside or timeout is None or self.loop.threads_at_work():
            found = super().select(REAL_SECONDS)
            if not found:
                raise StuckError(f"{self.loop.asked_outside} answers from outside are missing")
            return found
        self.loop.virtual += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.virtual = 0.0
        self.asked_outside = 0
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


def _quiet(loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """What a killed world leaves behind is nobody's news; anything else is."""
    error = context.get("exception")
    if error is not None and type(error).__name__ == "KilledError":
        return
    loop.default_exception_handler(dict(context))
