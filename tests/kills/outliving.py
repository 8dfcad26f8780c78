"""A venue in a process of its own, which outlives each daemon that is killed; asked by lines of JSON."""

import json
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final

import anyio

HOST: Final = "127.0.0.1"
ANSWERED_WITHIN: Final = 60.0  # seconds: the machine may be busy
ORPHAN_SECONDS: Final = 1.0

Introduce = Callable[[dict[str, Any]], None]


@contextmanager
def outliving(keep: Callable[[Introduce], Coroutine[Any, Any, None]]) -> Iterator[dict[str, Any]]:
    """Fork *keep*, which introduces itself once and runs until the block is left, or this process ends.

    Yields what it introduced itself with, `port` among it. Raises RuntimeError when it ends before.
    """
    reads, writes = os.pipe()
    parent, pid = os.getpid(), os.fork()
    if pid == 0:

        def introduce(told: dict[str, Any]) -> None:
            os.write(writes, json.dumps(told).encode() + b"\n")

        async def lived() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(keep, introduce)
                while os.getppid() == parent:  # noqa: ASYNC110 - no event tells of a killed parent
                    await anyio.sleep(ORPHAN_SECONDS)
                os._exit(1)

        try:
            anyio.run(lived)
        finally:
            os._exit(1)
    os.close(writes)
    try:
        with os.fdopen(reads, "rb") as pipe:
            line = pipe.readline()
            if not line:
                raise RuntimeError("the venue's process ended before it was there")
            yield json.loads(line)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def ask(port: int, line: dict[str, Any]) -> Any:
    """Ask the venue's process from outside of every loop; the answer's data."""
    with socket.create_connection((HOST, port), timeout=ANSWERED_WITHIN) as connection:
        connection.sendall(json.dumps(line).encode() + b"\n")
        with connection.makefile("rb") as lines:
            return json.loads(lines.readline())["data"]
