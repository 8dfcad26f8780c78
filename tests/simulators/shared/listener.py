"""The listening socket of a simulator, which can be closed, full and open again on the same port."""

import asyncio
import socket
import struct
from typing import Final, cast

from aiohttp import web

HOST: Final = "127.0.0.1"
BACKLOG: Final = 128
FILLERS: Final = 3  # connections that fill a backlog of none; Linux takes one more than it is told
NOTICED: Final = 0.02  # seconds in which clients see that the connections they keep are gone
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: the end of the connection is an RST


class Listener:
    """Where clients connect. A guard holds the port, so that no other process gets it in between."""

    def __init__(self, runner: web.AppRunner, port: int = 0) -> None:
        self._runner = runner
        self._guard = _bound(port)
        self._site: web.SockSite | None = None
        self._full: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._guard.getsockname()[1])

    async def open(self) -> None:
        """Take connections (again)."""
        self._drain()
        if self._site is None:
            self._site = web.SockSite(self._runner, _bound(self.port), backlog=BACKLOG)
            await self._site.start()

    async def refuse(self) -> None:
        """Refuse connections, and reset the open ones."""
        self._drain()
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self.reset_all()
        await asyncio.sleep(NOTICED)

    async def fill(self) -> None:
        """Let connecting take for ever: the backlog is full and nobody accepts."""
        await self.refuse()
        deaf = _bound(self.port)
        deaf.listen(0)
        self._full.append(deaf)
        for _ in range(FILLERS):
            filler = socket.socket()
            filler.settimeout(0)
            filler.connect_ex((HOST, self.port))
            self._full.append(filler)
        await asyncio.sleep(0)

    def reset_all(self) -> None:
        """Reset every open connection, streams included."""
        server = self._runner.server
        for handler in [] if server is None else server.connections:
            reset(handler.transport)

    async def close(self) -> None:
        await self.refuse()
        self._guard.close()

    def _drain(self) -> None:
        for each in self._full:
            each.close()
        self._full.clear()


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End the connection of *transport* with an RST."""
    if transport is None or transport.is_closing():
        return
    of_transport = transport.get_extra_info("socket")
    if of_transport is not None:
        of_transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    cast("asyncio.WriteTransport", transport).abort()  # uvloop's is one without being a subclass


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    return bound
