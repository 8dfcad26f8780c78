"""HTTP on a socket that is open already: uvicorn, knowing who calls. Slow to import."""

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

GRACEFUL_SECONDS: Final = 2
PEER: Final = struct.Struct("3i")  # SO_PEERCRED: pid, uid, gid


class HttpServer(uvicorn.Server):
    """Leaves SIGTERM and SIGINT to the daemon."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """Knows by the kernel's word who has come: (`uid 1000`, its pid) is the client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = _peer(transport)


def _peer(transport: asyncio.Transport) -> tuple[str, int] | None:
    """None where the kernel does not say."""
    known = transport.get_extra_info("socket")
    if known is None:
        return None
    with suppress(OSError), socket.socket(fileno=os.dup(known.fileno())) as ours:
        told = ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        pid, uid, _ = PEER.unpack(told)
        return f"uid {uid}", pid
    return None


def http_server(app: FastAPI) -> HttpServer:
    config = uvicorn.Config(
        app,
        loop="none",
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    return HttpServer(config)
