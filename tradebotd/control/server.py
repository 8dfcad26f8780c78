"""Serves the control API on a Unix socket that only owner and group may use."""

import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import uvicorn
from anyio.abc import TaskGroup
from fastapi import FastAPI

from tradebotd.control.handlers import DaemonControl, create_app
from tradebotd.control.standby import Standby, create_standby_app
from tradebotd.domain.errors import AccountTakenError, ConfigError

SOCKET_MODE: Final = 0o660
LONGEST_PATH: Final = 107  # sun_path of Linux, without its NUL
GRACEFUL_SECONDS: Final = 2
PROBE_SECONDS: Final = 0.5
BACKLOG: Final = 64


class _Server(uvicorn.Server):
    """Leaves SIGTERM and SIGINT to the daemon."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(control: DaemonControl, path: Path) -> AsyncIterator[None]:
    """Answers on *path* inside the block. Raises AccountTakenError when another daemon does."""
    async with _serving(lambda tasks: create_app(control, tasks), path):
        yield


@asynccontextmanager
async def serve_standby(view: Standby, path: Path) -> AsyncIterator[None]:
    """The same for a daemon that only waits: its status, and nothing to act on."""
    async with _serving(lambda _: create_standby_app(view), path):
        yield


@asynccontextmanager
async def _serving(make_app: Callable[[TaskGroup], FastAPI], path: Path) -> AsyncIterator[None]:
    with anyio.CancelScope(shield=True):  # short, and what it made must not be lost
        bound, identity = await anyio.to_thread.run_sync(_bind_known, path)
    try:
        async with anyio.create_task_group() as tasks:
            server = _Server(_config(make_app(tasks)))
            ended = anyio.Event()
            tasks.start_soon(_run, server, bound, ended)
            try:
                yield
            finally:
                await _stop(server, ended)
                tasks.cancel_scope.cancel()
    finally:
        bound.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_remove, path, identity)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )


async def _run(server: _Server, bound: socket.socket, ended: anyio.Event) -> None:
    try:
        await server.serve([bound])
    finally:
        ended.set()


async def _stop(server: _Server, ended: anyio.Event) -> None:
    """Answers what was asked; what hangs is cancelled by uvicorn's own limit, or with the group."""
    server.should_exit = True
    with anyio.move_on_after(GRACEFUL_SECONDS + 1, shield=True):
        await ended.wait()


def bind(path: Path) -> socket.socket:
    """A listening socket at *path*. A dead daemon's is removed, a live one's is respected."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError([f"daemon.socket: a Unix socket's path has at most {LONGEST_PATH} bytes"])
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # never, not for an instant, open to others
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise ConfigError([f"daemon.socket: {path}: {error.strerror}"]) from error
    finally:
        os.umask(before)
    path.chmod(SOCKET_MODE)
    listener.listen(BACKLOG)
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listener


def _make_room(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError([f"daemon.socket: {path} is there already and is not a socket"])
    if answers(path):
        raise AccountTakenError(f"another daemon answers on {path}")
    path.unlink(missing_ok=True)


def answers(path: Path) -> bool:
    """Whether anybody listens: a socket file without a process refuses at once. Blocks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # a full backlog, a time-out: somebody is there
            return True
    return True


def _bind_known(path: Path) -> tuple[socket.socket, tuple[int, int]]:
    return bind(path), _identity(path)


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _remove(path: Path, ours: tuple[int, int]) -> None:
    """Only what we made: a successor may have put its own there."""
    with suppress(OSError):
        if _identity(path) == ours:
            path.unlink()
