"""A stream that is opened again whenever it ends, by the caller's own task."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tradebotd.net.backoff import Backoff
from tradebotd.net.errors import NetError
from tradebotd.net.websocket import Connection
from tradebotd.ports.clock import HostClock


class OpenStream(Protocol):
    def __call__(self) -> AbstractAsyncContextManager[Connection]: ...


async def stay_connected(
    open_stream: OpenStream,
    use: Callable[[Connection], Awaitable[None]],
    *,
    lost: Callable[[NetError], Awaitable[None]],
    backoff: Backoff,
    host: HostClock,
) -> None:
    """Open a stream and *use* it, for ever: with pauses that grow, until it is cancelled.

    *lost* is awaited each time an attempt or a stream has ended with an error of the network;
    what else *use* raises ends this. When *use* returns, the stream is closed and opened anew at
    once: the venue's 24 hours are over, or the subscriptions have changed.
    """
    while True:
        began = host.monotonic()
        try:
            async with open_stream() as connection:
                await use(connection)
        except NetError as error:
            backoff.lasted(host.monotonic() - began)
            await lost(error)
            await host.sleep(backoff.pause())
