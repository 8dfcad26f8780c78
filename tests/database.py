"""A PostgreSQL for the tests: one private cluster a session, a copy of a template for each test."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO

import asyncpg

from tradebotd.storage.postgres.binaries import find_binaries
from tradebotd.storage.postgres.database import open_database
from tradebotd.storage.postgres.embedded import INITDB, socket_dsn
from tradebotd.storage.postgres.migrations import load_migrations, migrate
from tradebotd.storage.postgres.unprivileged import mortal, unprivileged

TEMPLATE = "tradebotd_template"
START_SECONDS = 90.0
MEMORY = Path("/dev/shm")  # noqa: S108 - the name below it is of mkdtemp
ROOM = 2 * 1024**3  # bytes, for the clusters of a few workers; containers often have 64 MB there
FAST_AND_FORGETFUL = (
    "fsync=off",
    "full_page_writes=off",
    "max_connections=60",
    "listen_addresses=",
)


@dataclass
class PostgresServer:
    socket_dir: Path
    process: subprocess.Popen[bytes]
    command: list[str]
    strategy: str  # copying files takes half the time here; PostgreSQL 14 does nothing else
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    prefix: str = "test"  # of its databases: forked workers have one each

    def stop(self) -> None:
        """Cleanly: every session is cut."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(START_SECONDS)

    def start(self) -> None:
        """Once more, after `stop`. Not mortal: that would tie it to the life of this thread."""
        with (self.socket_dir / "log").open("ab") as log:
            self.process = _popen(unprivileged(self.command), log)
        _wait_until_ready(self.socket_dir, self.process)

    def freeze(self) -> None:
        """The server and all its sessions stand still, and their sockets stay open."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """The postmaster first, so that no session is born meanwhile."""
        pid_file = self.socket_dir / "data" / "postmaster.pid"
        postmaster = int(pid_file.read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def dsn(self, database: str = "postgres") -> str:
        return socket_dsn(self.socket_dir, database)

    @asynccontextmanager
    async def fresh_database(self, template: str = TEMPLATE) -> AsyncIterator[str]:
        """The dsn of a copy of *template* (`template1`: an empty one), dropped afterwards."""
        name = f"{self.prefix}_{next(self.numbers)}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template} {self.strategy}")
        try:
            yield self.dsn(name)
        finally:
            await self.run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def empty_databases(self) -> Iterator[Callable[[], str]]:
        """For synchronous tests: each call makes a database; all are dropped at the end."""
        made: list[str] = []

        def make() -> str:
            made.append(f"test_{next(self.numbers)}")
            asyncio.run(self.run(f"CREATE DATABASE {made[-1]} TEMPLATE template1 {self.strategy}"))
            return self.dsn(made[-1])

        try:
            yield make
        finally:
            for name in made:
                asyncio.run(self.run(f"DROP DATABASE {name} WITH (FORCE)"))

    async def run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn(), password="")
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def make_template(self) -> None:
        await self.run(f"CREATE DATABASE {TEMPLATE}")
        async with open_database(self.dsn(TEMPLATE), pool_min=1, pool_max=3) as database:
            await migrate(database, load_migrations())


@contextmanager
def temporary_cluster() -> Iterator[PostgresServer]:
    """A running server in a directory of its own, gone when the block is left."""
    # Short, since the path of a Unix socket is: pytest's own directories grow long.
    home = Path(tempfile.mkdtemp(prefix="tb-pg-", dir=_memory()))
    try:
        with _running(home) as server:
            asyncio.run(server.make_template())
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _memory() -> Path | None:
    """Where to copy and drop a database takes a tenth of what it takes on a disk; None: too small."""
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM else None
    except OSError:
        return None


@contextmanager
def _running(home: Path) -> Iterator[PostgresServer]:
    binaries, data = find_binaries(), home / "data"
    initdb = unprivileged([binaries / "initdb", *INITDB, "--no-sync", "--pgdata", data])
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)
    options = [word for setting in FAST_AND_FORGETFUL for word in ("-c", setting)]
    command = [str(word) for word in (binaries / "postgres", "-D", data, "-k", home, *options)]
    with (home / "log").open("wb") as log:
        process = _popen(mortal(command), log)
    major = int((data / "PG_VERSION").read_text())
    strategy = "STRATEGY file_copy" if major >= 15 else ""
    server = PostgresServer(home, process, command, strategy)
    try:
        _wait_until_ready(home, process)
        yield server
    finally:
        server.process.send_signal(signal.SIGQUIT)  # nothing in it is worth a checkpoint
        server.process.wait(START_SECONDS)


def _popen(command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _wait_until_ready(home: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    pid_file = home / "data" / "postmaster.pid"
    while time.monotonic() < deadline and process.poll() is None:
        if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start:\n{(home / 'log').read_text()}")
