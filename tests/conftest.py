# ruff: noqa: E402 - the first lines of code come before the other imports on purpose
import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # as `main` does: asking blocks

from tradebotd.config.zone_database import in_force
from tradebotd.domain.decimals import forbid_floats

forbid_floats()  # first of all: the decimal context is copied into every task when it is made
in_force()  # before a test reads a zone of its own

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

from tests.database import PostgresServer, temporary_cluster
from tradebotd.storage.postgres.database import Database, open_database

# How long an example takes to draw says how busy the machine is, not whether the test is right.
settings.register_profile("any-machine", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def blockbuster(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """Fails what blocks the loop. Threads and synchronous tests may block as they like."""
    with blockbuster_ctx() as guard:
        _allow_what_must_be(guard)
        yield guard


def _allow_what_must_be(guard: BlockBuster) -> None:
    allowed = {
        # asyncpg looks for ~/.pgpass and client certificates on each connect: a stat, no wait.
        ("asyncpg/connect_utils.py", "_parse_connect_dsn_and_args"): ("os.stat", "os.path.abspath"),
        # pytest's own: a failing test is rendered inside the loop.
        ("_pytest/assertion/rewrite.py", "exec_module"): ("os.stat", "io.BufferedReader.read"),
        # A traceback in a log looks for its source; only what nobody foresaw is logged so.
        ("rich/traceback.py", "_render_stack"): ("os.stat", "io.BufferedReader.read"),
    }
    for (file, function), names in allowed.items():
        for name in names:
            if name in guard.functions:
                guard.functions[name].can_block_in(file, function)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private cluster with a migrated template database; one per xdist worker."""
    with temporary_cluster() as server:
        yield server


@pytest.fixture
async def dsn(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A fresh copy of the migrated template, dropped afterwards."""
    async with postgres_server.fresh_database() as fresh:
        yield fresh


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with open_database(dsn, pool_min=1, pool_max=6) as opened:
        yield opened


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[Callable[[], str]]:
    """Makes databases that not even a migration has touched, for daemons of their own."""
    with postgres_server.empty_databases() as make:
        yield make
