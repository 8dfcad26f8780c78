"""Embedded PostgreSQL below the state directory: no installation, and no other user may connect.

postgres is a direct child that dies with us. The interface of the packaged binaries is not used:
as root it creates users and opens directories, and it never stops an orphaned server.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio
import anyio.to_thread
from anyio.abc import Process

from tradebotd.domain.errors import (
    AccountTakenError,
    ConfigError,
    DatabaseUnavailableError,
    NoDatabaseError,
)
from tradebotd.storage import process_identity
from tradebotd.storage.postgres.binaries import HOME, cluster_version, data_directory, find_binaries
from tradebotd.storage.postgres.unprivileged import Owner, mortal, unprivileged
from tradebotd.storage.socket_folder import is_used_by_another

USER: Final = "tradebotd"
DATABASE: Final = "postgres"
SOCKET_PATH_LIMIT: Final = 90  # sun_path holds 108 bytes, and PostgreSQL appends .s.PGSQL.5432
OLD_SERVER_SECONDS: Final = 30.0
START_SECONDS: Final = 30.0
FAST_STOP_SECONDS: Final = 8.0
IMMEDIATE_STOP_SECONDS: Final = 3.0
LOG_BYTES: Final = 5_000_000
POLL_SECONDS: Final = 0.02

SETTINGS: Final = (
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "shared_buffers=32MB",
    "max_connections=30",
    "min_wal_size=32MB",
    "max_wal_size=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum_max_workers=1",
    "max_worker_processes=2",
    "max_parallel_workers_per_gather=0",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=warning",
    "log_checkpoints=off",
)
INITDB: Final = (
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--username",
    USER,
)


def socket_dsn(socket_dir: Path, database: str = DATABASE) -> str:
    return f"postgresql:///{database}?host={quote(str(socket_dir))}&user={USER}"


def has_cluster(state_dir: Path) -> bool:
    """Return whether a database exists below *state_dir*. Blocks; raises PermissionError."""
    try:
        data_directory(state_dir / HOME).stat()
    except PermissionError:
        raise
    except OSError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Database cluster; *owner* is None if it is ours."""

    home: Path
    socket_dir: Path
    binaries: Path
    owner: Owner | None

    @property
    def data(self) -> Path:
        return data_directory(self.home)

    @property
    def log(self) -> Path:
        return self.home / "log"

    def postmaster(self) -> int | None:
        """Return the pid in line 1 of postmaster.pid if that process lives."""
        first = next(iter(self._pid_file()), "").strip()
        pid = int(first) if first.isdigit() else 0
        return pid if pid and process_identity.is_alive(pid) else None

    def is_run_by(self, pid: int) -> bool:
        """Return whether *pid* runs this cluster: a stale file may name a reused pid."""
        try:
            return os.fsencode(self.data) in (Path("/proc") / str(pid) / "cmdline").read_bytes()
        except OSError:
            return False

    def is_accepting(self, child: int) -> bool:
        """Return whether line 1 names our child and line 8 says `ready` for connections."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0].strip() == str(child) and lines[7].strip() == "ready"

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []


@asynccontextmanager
async def open_embedded(
    state_dir: Path, runtime_dir: Path, *, makes: bool = True
) -> AsyncIterator[str]:
    """Run a private server below *state_dir*; yield its dsn. *makes*: create a missing one.

    Raises ConfigError (no binaries, no user namespaces), AccountTakenError (another daemon runs
    it), DatabaseUnavailableError (it did not start; the text names its log), NoDatabaseError.
    """
    home = (state_dir / HOME).absolute()
    if not makes and not await anyio.to_thread.run_sync(has_cluster, state_dir):
        raise NoDatabaseError(f"there is no database here: nothing has run in {state_dir}")
    lock = await anyio.to_thread.run_sync(_lock, home)
    try:
        cluster = await anyio.to_thread.run_sync(_prepare, home, runtime_dir)
        if await anyio.to_thread.run_sync(cluster.data.exists):
            await _wait_for_old_server(cluster)
        else:
            await _initdb(cluster)
        said_before = await anyio.to_thread.run_sync(_size, cluster.log)
        process = await _start(cluster)
        try:
            await _wait_until_ready(cluster, process, said_before)
            yield socket_dsn(cluster.socket_dir)
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)
    finally:
        os.close(lock)


def _lock(home: Path) -> int:
    """Lock the directory; the kernel releases the lock however its holder dies."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        problem = f"daemon.state_dir: {home}: {error.strerror or error}"
        raise ConfigError([problem]) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode()
        os.close(descriptor)
        raise AccountTakenError(
            f"another daemon (process {holder}) runs the embedded database in {home}"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _prepare(home: Path, runtime_dir: Path) -> _Cluster:
    major = cluster_version(home)
    shutil.rmtree(_unfinished(home), ignore_errors=True)
    owner = _somebody_else(home)
    return _Cluster(home, _socket_dir(runtime_dir, owner, home), find_binaries(major), owner)


def _somebody_else(home: Path) -> Owner | None:
    """Return the cluster's owner if we are root and it belongs to another user, else None."""
    if os.geteuid() != 0:
        return None
    status = home.stat()
    return (status.st_uid, status.st_gid) if status.st_uid != 0 else None


def _unfinished(home: Path) -> Path:
    """Return the directory where initdb works, so that `data` is complete or absent."""
    return home / "data.new"


def _socket_dir(runtime_dir: Path, owner: Owner | None = None, home: Path | None = None) -> Path:
    """Return the directory for PostgreSQL's socket: beside ours, in a folder of its own."""
    directory = (runtime_dir / HOME).absolute()
    if home is not None and is_used_by_another(directory, data_directory(home)):
        own = hashlib.sha256(os.fsencode(home)).hexdigest()[:8]  # two daemons, one folder
        directory = directory.with_name(f"{HOME}-{own}")
    user = os.geteuid() if owner is None else owner[0]
    if len(os.fsencode(directory)) >= SOCKET_PATH_LIMIT:
        # Derived from the path, so that the next start finds the same one.
        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        directory = Path(tempfile.gettempdir()) / f"tradebotd-{user}-{digest}"
    try:
        directory.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        pass
    except OSError as error:
        problem = f"daemon.socket: {directory}: {error.strerror or error}"
        raise ConfigError([problem]) from error
    else:
        _hand_over(directory, owner)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user:
        raise ConfigError([f"daemon.socket: {directory} belongs to somebody else"])
    directory.chmod(0o700)
    return directory


def _hand_over(path: Path, owner: Owner | None) -> None:
    if owner is not None:
        os.chown(path, *owner, follow_symlinks=False)


async def _wait_for_old_server(cluster: _Cluster) -> None:
    """Stop a server whose starter is gone, as our holding the lock shows, and wait for its end."""
    pid = await anyio.to_thread.run_sync(cluster.postmaster)
    if pid and await anyio.to_thread.run_sync(cluster.is_run_by, pid):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGINT)
    with anyio.move_on_after(OLD_SERVER_SECONDS):
        while pid:
            await anyio.sleep(POLL_SECONDS)
            pid = await anyio.to_thread.run_sync(cluster.postmaster)
    if pid:
        raise DatabaseUnavailableError(
            f"a PostgreSQL left over (process {pid}) still runs in {cluster.data}"
            f" after {OLD_SERVER_SECONDS:g} s"
        )


async def _initdb(cluster: _Cluster) -> None:
    target = _unfinished(cluster.home)
    initdb: list[str | Path] = [cluster.binaries / "initdb", *INITDB, "--pgdata", target]
    command = await anyio.to_thread.run_sync(unprivileged, initdb)
    finished = await anyio.run_process(  # in a session of its own: Ctrl-C is for us
        command, check=False, stderr=subprocess.STDOUT, start_new_session=True
    )
    if finished.returncode:
        said = finished.stdout.decode(errors="replace").strip()
        last = said.rpartition("\n")[2]
        raise ConfigError([f"database.url: initdb failed: {last}{_hint(said)}"])
    await anyio.to_thread.run_sync(target.rename, cluster.data)


def _hint(said: str) -> str:
    if "unshare" in said:
        return (
            "; PostgreSQL does not run as root and user namespaces are refused here: run tradebotd"
            " as another user, or let database.url name a server"
        )
    return ""


async def _start(cluster: _Cluster) -> Process:
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    command: list[str | Path] = [
        cluster.binaries / "postgres",
        "-D",
        cluster.data,
        "-k",
        cluster.socket_dir,
    ]
    words = await anyio.to_thread.run_sync(mortal, [*command, *settings], cluster.owner)
    log = await anyio.to_thread.run_sync(_open_log, cluster.log, cluster.owner)
    try:
        # A session of its own: Ctrl-C is for us, and we stop it when we are done with it.
        return await anyio.open_process(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _open_log(path: Path, owner: Owner | None) -> int:
    """Open the log for appending; one beyond LOG_BYTES replaces the previous `log.1`."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name("log.1"))
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    _hand_over(path, owner)
    return log


async def _wait_until_ready(cluster: _Cluster, process: Process, said_before: int) -> None:
    with anyio.move_on_after(START_SECONDS):
        while process.returncode is None:
            if await anyio.to_thread.run_sync(cluster.is_accepting, process.pid):
                return
            await anyio.sleep(POLL_SECONDS)
    tail = await anyio.to_thread.run_sync(_tail, cluster.log, said_before)
    raise DatabaseUnavailableError(
        f"the embedded PostgreSQL did not start, see {cluster.log}: {tail}{_hint(tail)}"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, said_before: int) -> str:
    """Return the last lines that this start has logged, not an earlier one."""
    whole = path.read_bytes()
    said = whole[said_before:] if len(whole) >= said_before else whole  # it began a new log
    return " | ".join(line for line in said.decode(errors="replace").split("\n")[-6:] if line)


async def _stop(process: Process) -> None:
    """Stop by SIGINT, which closes all sessions; then SIGQUIT, after which a start recovers."""
    for number, seconds in (
        (signal.SIGINT, FAST_STOP_SECONDS),
        (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS),
        (signal.SIGKILL, None),
    ):
        if process.returncode is None:
            process.send_signal(number)
        with anyio.move_on_after(seconds) as scope:
            await process.wait()
        if not scope.cancelled_caught:
            return
