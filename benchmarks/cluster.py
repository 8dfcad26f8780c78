"""A private PostgreSQL with the settings of a real one: what is committed is on the disk."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import asyncpg

from tradebotd.storage.postgres.binaries import find_binaries
from tradebotd.storage.postgres.database import Database, open_database
from tradebotd.storage.postgres.embedded import INITDB, socket_dsn
from tradebotd.storage.postgres.migrations import load_migrations, migrate
from tradebotd.storage.postgres.unprivileged import mortal, unprivileged

TEMPLATE: Final = "bench_template"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0

# Else as PostgreSQL comes: fsync, full_page_writes, wal_level = replica, autovacuum.
SETTINGS: Final = (
    "listen_addresses=",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
    "fsync=on",
    "synchronous_commit=on",
    "max_connections=60",
    "timezone=UTC",
)


@dataclass(frozen=True, slots=True)
class Cluster:
    socket_dir: Path
    version: str
    _numbers: Iterator[int] = field(default_factory=count)

    def dsn(self, database: str = "postgres") -> str:
        return socket_dsn(self.socket_dir, database)

    async def run(self, statement: str) -> None:
        """Run it in a session of its own."""
        connection = await asyncpg.connect(self.dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def fresh_database(self) -> AsyncIterator[str]:
        """The dsn of a database with the current schema and nothing in it."""
        name = f"bench_{next(self._numbers)}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        await self.run("CHECKPOINT")  # what is owed to the disk is not the next round's debt
        try:
            yield self.dsn(name)
        finally:
            await self.run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def fresh_dsn(self, template: str = TEMPLATE) -> Iterator[str]:
        """The same for those who start processes and have no loop; *template1* is empty."""
        name = f"bench_{next(self._numbers)}"
        asyncio.run(self.run(f"CREATE DATABASE {name} TEMPLATE {template}"))
        asyncio.run(self.run("CHECKPOINT"))
        try:
            yield self.dsn(name)
        finally:
            asyncio.run(self.run(f"DROP DATABASE {name} WITH (FORCE)"))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Database]:
        """A fresh database through the daemon's own pool, with the daemon's settings."""
        async with (
            self.fresh_database() as dsn,
            open_database(dsn, pool_min=2, pool_max=10) as database,
        ):
            yield database


@contextmanager
def private_cluster() -> Iterator[Cluster]:
    """Running, with the template made; gone when the block is left."""
    home = Path(tempfile.mkdtemp(prefix="tb-bench-"))  # short, as the path of a socket must be
    try:
        with _running(home) as cluster:
            asyncio.run(_make_template(cluster))
            yield cluster
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _make_template(cluster: Cluster) -> None:
    await cluster.run(f"CREATE DATABASE {TEMPLATE}")
    async with open_database(cluster.dsn(TEMPLATE), pool_min=1, pool_max=3) as database:
        await migrate(database, load_migrations())


@contextmanager
def _running(home: Path) -> Iterator[Cluster]:
    binaries, data = find_binaries(), home / "data"
    initdb = unprivileged([binaries / "initdb", *INITDB, "--pgdata", data])
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    said = subprocess.run(  # noqa: S603 - a path that we looked up
        [binaries / "postgres", "--version"], check=True, capture_output=True, text=True
    )
    options = [word for setting in SETTINGS for word in ("-c", setting)]
    command = mortal([binaries / "postgres", "-D", data, "-k", home, *options])
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the same
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait_until_ready(home, process)
        yield Cluster(home, said.stdout.split()[-1])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def _wait_until_ready(home: Path, process: subprocess.Popen[bytes]) -> None:
    pid_file = home / "data" / "postmaster.pid"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start:\n{(home / 'log').read_text()}")
