"""Server of the control API on a Unix socket that only its owner and group may use."""

import asyncio
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import structlog
import uvicorn
from anyio.abc import TaskGroup
from uvicorn.protocols.http.h11_impl import H11Protocol

from tradebotd.control.handlers import DaemonControl, create_app
from tradebotd.control.presence import Presence, name_of, present
from tradebotd.control.routing import Api
from tradebotd.control.standby import Standby, create_standby_app
from tradebotd.domain.errors import AccountTakenError, ConfigError

log = structlog.get_logger(__name__)

SOCKET_MODE: Final = 0o660
LONGEST_PATH: Final = 107  # sun_path of Linux, without its NUL
GRACEFUL_SECONDS: Final = 2
PROBE_SECONDS: Final = 0.5
PEER: Final = struct.Struct("3i")  # SO_PEERCRED: pid, uid, gid
LOOK_SECONDS: Final = 2.0  # time between checks that the socket file exists
BACKLOG: Final = 64


class _Server(uvicorn.Server):
    """Server that leaves SIGTERM and SIGINT to the daemon."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """HTTP protocol whose client is the peer by the kernel's account: (`uid 1000`, its pid)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = _peer(transport)


def _peer(transport: asyncio.Transport) -> tuple[str, int] | None:
    """Return the peer's user and pid; None if the kernel does not tell."""
    known = transport.get_extra_info("socket")
    if known is None:
        return None
    with suppress(OSError), socket.socket(fileno=os.dup(known.fileno())) as ours:
        told = ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        pid, uid, _ = PEER.unpack(told)
        return f"uid {uid}", pid
    return None


@asynccontextmanager
async def serve(control: DaemonControl, path: Path) -> AsyncIterator[None]:
    """Serve on *path* during the block. Raises AccountTakenError if another daemon does."""
    async with _serving(lambda tasks: create_app(control, tasks), path) as counter:
        with present(counter.door.name) as presence:
            counter.presence = presence
            yield


@asynccontextmanager
async def serve_standby(view: Standby, path: Path) -> AsyncIterator[None]:
    """Serve a daemon in standby: its status only, no actions."""
    async with _serving(lambda _: create_standby_app(view), path):
        yield


@asynccontextmanager
async def _serving(make_app: Callable[[TaskGroup], Api], path: Path) -> AsyncIterator["_Counter"]:
    with anyio.CancelScope(shield=True):  # short; its socket must not be leaked
        counter = _Counter(path, await anyio.to_thread.run_sync(_Door, path))
    try:
        async with anyio.create_task_group() as tasks:
            counter.open(make_app(tasks), tasks)
            try:
                yield counter
            finally:
                await counter.close()
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(counter.door.remove)


class _Door:
    """Socket at a path, and the identity of its file. Blocks; raises what `bind` raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = bind(path)
        self.identity = _identity(path)
        self.name = name_of(path)

    def is_gone(self) -> bool:
        """Return whether the path no longer leads to this socket. Blocks."""
        try:
            return _identity(self.path) != self.identity
        except OSError:
            return True

    def remove(self) -> None:
        """Remove the socket file unless a successor has replaced it. Blocks."""
        self.socket.close()
        with suppress(OSError):
            if _identity(self.path) == self.identity:
                self.path.unlink()


class _Counter:
    """Servers of the control socket, which is made again if its file disappears.

    Connections through an old socket are served to the end; the last of the servers is at the
    current one.
    """

    def __init__(self, path: Path, door: _Door) -> None:
        self.door = door
        self.presence: Presence | None = None
        self._path = path
        self._servers: list[tuple[_Server, anyio.Event]] = []
        self._complaint = ""

    def open(self, app: Api, tasks: TaskGroup) -> None:
        self._app, self._tasks = app, tasks
        self._serve()
        tasks.start_soon(self._watch)

    def _serve(self) -> None:
        server, ended = _Server(_config(self._app)), anyio.Event()
        self._servers.append((server, ended))
        self._tasks.start_soon(_run, server, self.door.socket, ended)

    async def _watch(self) -> None:
        """Check the socket forever, by host time, and stop old servers without connections."""
        while True:
            await anyio.sleep(LOOK_SECONDS)
            if self.presence is not None:
                self.presence.hang_up()
            for watched in self._servers[:-1]:
                if not watched[0].server_state.connections:
                    await _stop(*watched)
                    self._servers.remove(watched)
            if await anyio.to_thread.run_sync(self.door.is_gone):
                await self._make_again()

    async def _make_again(self) -> None:
        """Make the socket again. Each new reason for failure is logged once; the watch retries."""
        try:
            with anyio.CancelScope(shield=True):
                self.door = await anyio.to_thread.run_sync(_Door, self._path)
        except (AccountTakenError, ConfigError, OSError) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("control socket lost", socket=str(self._path), reason=str(error))  # noqa: TRY400
            return
        self._complaint = ""
        log.warning("control socket recreated", socket=str(self._path), reason="it was gone")
        self._serve()

    async def close(self) -> None:
        async with anyio.create_task_group() as all_at_once:
            for watched in self._servers:
                all_at_once.start_soon(_stop, *watched)


def _config(app: Api) -> uvicorn.Config:
    return uvicorn.Config(
        app.asgi,
        loop="none",
        http=_Protocol,
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
    """Answer pending requests and stop; uvicorn's limit or the task group cancels the rest."""
    server.should_exit = True
    with anyio.move_on_after(GRACEFUL_SECONDS + 1, shield=True):
        await ended.wait()


def bind(path: Path) -> socket.socket:
    """Return a listening socket at *path*, replacing a dead daemon's. Blocks.

    Raises AccountTakenError if a live daemon answers there, ConfigError if it cannot be made.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError([f"daemon.socket: a Unix socket's path has at most {LONGEST_PATH} bytes"])
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # never open to others, not even for an instant
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
        mode = _mode_of(path)
        if mode is None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return
    except OSError as error:
        raise ConfigError([f"daemon.socket: {path}: {error.strerror or error}"]) from error
    if not stat.S_ISSOCK(mode):
        raise ConfigError([f"daemon.socket: {path} is there already and is not a socket"])
    if answers(path):
        raise AccountTakenError(f"another daemon answers on {path}")
    path.unlink(missing_ok=True)


def _mode_of(path: Path) -> int | None:
    """Return the mode of the file; None if there is none."""
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def answers(path: Path) -> bool:
    """Return whether a process listens; a stale socket file refuses at once. Blocks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # a full backlog, a timeout: a process listens
            return True
    return True


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
