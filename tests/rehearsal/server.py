"""The rehearsal venue on a socket of the loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.rehearsal.exchange import Exchange
from tests.rehearsal.wire import CUT, LONGEST

HOST: Final = "127.0.0.1"


@asynccontextmanager
async def served(exchange: Exchange) -> AsyncIterator[int]:
    """The port at which *exchange* is asked, until the block is left."""
    listener = await anyio.create_tcp_listener(local_host=HOST)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, lambda stream: _serve(exchange, stream))
        yield listener.extra(SocketAttribute.local_port)  # noqa: S610 - a socket's, no query
        tasks.cancel_scope.cancel()


async def _serve(exchange: Exchange, stream: SocketStream) -> None:
    async with stream:
        try:
            line = await BufferedByteReceiveStream(stream).receive_until(b"\n", LONGEST)
            if line == b'{"do":"stream"}':
                await _follow(exchange, stream)
            elif (answer := await exchange.answer(line)) is not None:
                await stream.send(answer + b"\n")
        except CUT:
            return  # whoever asked is gone


async def _follow(exchange: Exchange, stream: SocketStream) -> None:
    if exchange.is_silent:
        return
    cut = anyio.Event()

    async def send(line: bytes) -> None:
        try:
            await stream.send(line + b"\n")
        except CUT:
            cut.set()

    await exchange.subscribe(send, cut.set)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch, stream, cut)
        await cut.wait()
        tasks.cancel_scope.cancel()


async def _watch(stream: SocketStream, cut: anyio.Event) -> None:
    """Until the other side is gone."""
    with suppress(*CUT):
        await stream.receive()
    cut.set()
