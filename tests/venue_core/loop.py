"""An event loop whose time stands still while anything happens, sockets included, and then jumps.

Simulator and adapter talk by real sockets of the loopback, in one process: when nothing is ready,
nothing is under way between them either, as what one side sends is there for the other at once (and
should it once not be, it is late by one timer, as over any wire). Outside of the process there is
PostgreSQL alone: while it owes an answer, no time passes.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, Final

import anyio.to_thread

REAL_SECONDS: Final = 60.0  # for PostgreSQL or a thread; then something is stuck
READY: Final = b"Z\x00\x00\x00\x05"  # ReadyForQuery, but for its status


class StuckError(RuntimeError):
    """Nothing is ready, nothing is due, and nobody outside owes an answer."""


class _Selector(selectors.DefaultSelector):
    loop: "SharedTimeLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if self.loop.owes() or timeout is None:
            found = super().select(REAL_SECONDS)
            if not found:
                raise StuckError(f"{self.loop.owed} answers of PostgreSQL are missing")
            return found
        self.loop.virtual += timeout
        return []


class SharedTimeLoop(asyncio.SelectorEventLoop):
    """`virtual`: seconds since it was made. `prepare` comes first in it."""

    def __init__(self) -> None:
        self.virtual = 0.0
        self.owed = 0  # connections of PostgreSQL that wait for an answer
        self._in_threads = 0
        self._limiter: Any = None
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual

    async def prepare(self) -> None:
        self._limiter = anyio.to_thread.current_default_thread_limiter()

    def owes(self) -> bool:
        """Whether somebody outside of the loop is at work for it."""
        in_threads = 0 if self._limiter is None else self._limiter.borrowed_tokens
        return bool(self.owed or self._in_threads or in_threads)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1

        def ended(_: Any) -> None:
            self._in_threads -= 1

        future.add_done_callback(ended)
        return future

    async def create_unix_connection(
        self, protocol_factory: Callable[[], Any], path: Any = None, **options: Any
    ) -> tuple[Any, Any]:
        """PostgreSQL alone is reached like this."""
        inner = protocol_factory()
        watched = _Watched(inner, self)
        transport, _ = await super().create_unix_connection(lambda: watched, path, **options)
        del transport
        return watched.transport, inner


class _Watched(asyncio.Protocol):
    """A connection of PostgreSQL: what is asked on it is owed until the server is ready again."""

    def __init__(self, inner: Any, loop: SharedTimeLoop) -> None:
        self._inner, self._loop = inner, loop
        self._is_owed, self._tail = False, b""
        self.transport: Any = None

    def asked(self) -> None:
        self._tail = b""
        self._owe(owed=True)

    def _owe(self, *, owed: bool) -> None:
        self._loop.owed += owed - self._is_owed
        self._is_owed = owed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = _Asking(transport, self)
        self._inner.connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-len(READY) - 1 :]
        if self._tail.startswith(READY):
            self._owe(owed=False)
        self._inner.data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._owe(owed=False)
        self._inner.connection_lost(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Asking:
    """The transport of a connection that is watched."""

    def __init__(self, transport: Any, watched: _Watched) -> None:
        self._transport, self._watched = transport, watched

    def write(self, data: Any) -> None:
        self._watched.asked()
        self._transport.write(data)

    def writelines(self, buffers: Any) -> None:
        self._watched.asked()
        self._transport.writelines(buffers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
