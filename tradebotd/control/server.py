"""Server of the control API on a Unix socket that only its owner and group may use."""

import asyncio
import fcntl
import os
import socket
import stat
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import structlog
import uvicorn
from anyio.abc import TaskGroup
from uvicorn.protocols.http.h11_impl import H11Protocol

from tradebotd.clocks.host import monotonic
from tradebotd.control.handlers import DaemonControl, create_app
from tradebotd.control.presence import Presence, name_of, present
from tradebotd.control.routing import Api
from tradebotd.control.waiting import Waiting, create_waiting_app
from tradebotd.domain.errors import AccountTakenError, ConfigError

log = structlog.get_logger(__name__)

SOCKET_MODE: Final = 0o660
LONGEST_PATH: Final = 107  # sun_path of Linux, without its NUL
GRACEFUL_SECONDS: Final = 2
START_SECONDS: Final = 2.0  # of a server, which takes some turns of the loop
PROBE_SECONDS: Final = 0.5
PEER: Final = struct.Struct("3i")  # SO_PEERCRED: pid, uid, gid
LOOK_SECONDS: Final = 2.0  # time between checks that the socket file exists
BACKLOG: Final = 64
TURN_SECONDS: Final = 5.0  # to bind and to listen, which takes a daemon some milliseconds
TURN_POLL_SECONDS: Final = 0.01


class _Server(uvicorn.Server):
    """Leaves SIGTERM and SIGINT to the daemon. `began`: it listens, or never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.began = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.began.set()

    def let_nobody_in(self) -> None:
        for listening in self.servers if self.started else ():
            listening.close()

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


class Door:
    """The socket at a path, for the whole life of a daemon. Blocks; raises as `bind`.

    Those who answer at it take turns: whoever comes between two of them waits for the second.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._removed = False
        self._open()

    def _open(self) -> None:
        self._socket = bind(self.path)
        self._identity = _identity(self.path)
        self.name = name_of(self.path)

    def listener(self) -> socket.socket:
        """Return the listening socket for one server, which closes it."""
        return self._socket.dup()

    def is_gone(self) -> bool:
        """Return whether the path no longer leads to this socket. Blocks."""
        try:
            return _identity(self.path) != self._identity
        except OSError:
            return True

    def make_again(self) -> None:
        """Blocks; raises as `bind`, and stays what it was."""
        old = self._socket
        self._open()
        old.close()

    def remove(self) -> None:
        """Remove the socket file unless a successor has replaced it. Blocks.

        Once: a file system may give the number of a removed file to the next one, a successor's.
        """
        self._socket.close()
        if self._removed:
            return
        self._removed = True
        with suppress(OSError):
            if _identity(self.path) == self._identity:
                self.path.unlink()


@asynccontextmanager
async def open_door(path: Path) -> AsyncIterator[Door]:
    """Raises AccountTakenError when another daemon answers on *path*, ConfigError."""
    with anyio.CancelScope(shield=True):  # short; its socket must not be leaked
        door = await anyio.to_thread.run_sync(Door, path)
    try:
        yield door
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(door.remove)


@asynccontextmanager
async def serve(control: DaemonControl, at: Path | Door) -> AsyncIterator[None]:
    """Answers inside the block, behind which nobody does: the socket is gone.

    Raises AccountTakenError when another daemon answers on that path.
    """
    async with AsyncExitStack() as stack:
        door = at if isinstance(at, Door) else await stack.enter_async_context(open_door(at))
        try:
            async with anyio.create_task_group() as tasks:
                counter = Counter(door, tasks)
                counter.open(create_app(control, tasks))
                try:
                    with present(door.name) as presence:
                        counter.presence = presence
                        yield
                finally:
                    await counter.close()
                    tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(door.remove)


class WaitingRoom:
    """Answers at a door until the daemon itself does: its status, and nothing to act on."""

    def __init__(self, view: Waiting, door: Door, tasks: TaskGroup) -> None:
        self._door = door
        self._counter = Counter(door, tasks)
        self._counter.open(create_waiting_app(view))

    async def hand_over(self) -> Door:
        """Let nobody in any more; answer those who were."""
        await self._counter.leave()
        return self._door

    async def close(self) -> None:
        await self._counter.close()


class Counter:
    """Answers at a door; where the socket was taken away it makes it again.

    Who had come in by the old one is answered to the end: of the servers the last is at the door.
    """

    def __init__(self, door: Door, tasks: TaskGroup) -> None:
        self.presence: Presence | None = None
        self._door = door
        self._tasks = tasks
        self._servers: list[tuple[_Server, anyio.Event]] = []
        self._watching, self._watched = anyio.CancelScope(), anyio.Event()
        self._complaint = ""

    def open(self, app: Api) -> None:
        self._app = app
        self._serve()
        self._tasks.start_soon(self._watch)

    def _serve(self) -> None:
        server, ended = _Server(_config(self._app)), anyio.Event()
        self._servers.append((server, ended))
        self._tasks.start_soon(_run, server, self._door.listener(), ended)

    async def _watch(self) -> None:
        """Check the socket forever, by host time, and stop old servers without connections."""
        try:
            with self._watching:
                while True:
                    await anyio.sleep(LOOK_SECONDS)
                    await self._look()
        finally:
            self._watched.set()

    async def _look_no_more(self) -> None:
        """The door is nobody's to make again once this returns."""
        self._watching.cancel()
        with anyio.move_on_after(GRACEFUL_SECONDS, shield=True):
            await self._watched.wait()

    async def _look(self) -> None:
        if self.presence is not None:
            self.presence.hang_up()
        for watched in self._servers[:-1]:
            if not watched[0].server_state.connections:
                await _stop(*watched)
                self._servers.remove(watched)
        if await anyio.to_thread.run_sync(self._door.is_gone):
            await self._make_again()

    async def _make_again(self) -> None:
        """Make the socket again. Each new reason for failure is logged once; the watch retries."""
        path = str(self._door.path)
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._door.make_again)
        except (AccountTakenError, ConfigError, OSError) as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("control socket lost", socket=path, reason=str(error))  # noqa: TRY400
            return
        self._complaint = ""
        log.warning("control socket recreated", socket=path, reason="it was gone")
        self._serve()

    async def leave(self) -> None:
        """Take nobody in from now on, and end behind the caller's back."""
        await self._look_no_more()
        for server, ended in self._servers:
            with anyio.move_on_after(START_SECONDS):
                await server.began.wait()
            server.let_nobody_in()
            self._tasks.start_soon(_stop, server, ended)
        self._servers.clear()

    async def close(self) -> None:
        await self._look_no_more()
        async with anyio.create_task_group() as all_at_once:
            for watched in self._servers:
                all_at_once.start_soon(_stop, *watched)
        self._servers.clear()


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
        server.let_nobody_in()  # uvicorn leaves that out where it was told to end while it began
        server.began.set()
        ended.set()


async def _stop(server: _Server, ended: anyio.Event) -> None:
    """Answer pending requests and stop; uvicorn's limit or the task group cancels the rest."""
    server.should_exit = True
    with anyio.move_on_after(GRACEFUL_SECONDS + 1, shield=True):
        await ended.wait()


def bind(path: Path) -> socket.socket:
    """A listening socket at *path*. A dead daemon's is removed, a live one's is respected.

    Of two that start at once the second waits for the first, which listens then: one that is bound
    and does not listen yet looks like a dead one.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError([f"daemon.socket: a Unix socket's path has at most {LONGEST_PATH} bytes"])
    _make_folder(path)
    with _one_at_a_time(path):
        _make_room(path)
        return _bound(path)


def _bound(path: Path) -> socket.socket:
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


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Raises AccountTakenError. By the kernel's lock on the folder, which leaves nothing behind."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield  # not to be read: a bind says whether it can be written
        return
    try:
        deadline = monotonic() + TURN_SECONDS
        while not _is_locked(folder):
            if monotonic() > deadline:
                raise AccountTakenError(f"another daemon is just starting in {path.parent}")
            time.sleep(TURN_POLL_SECONDS)
        yield
    finally:
        os.close(folder)


def _is_locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without such locks
    return True


def _make_folder(path: Path) -> None:
    try:
        if _mode_of(path) is None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"daemon.socket: {path}: {error.strerror or error}"]) from error


def _make_room(path: Path) -> None:
    mode = _mode_of(path)
    if mode is None:
        return
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
