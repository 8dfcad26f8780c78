"""Which database a command means that must find one: the service's, a home's, or none at all."""

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tradebotd.config.load import load_config
from tradebotd.daemon import places
from tradebotd.domain.errors import ConfigError, NoDatabaseError
from tradebotd.storage.postgres.binaries import find_binaries

CONFIG = """
[feeds.history]
kind = "synthetic"
[venues.paper]
kind = "paper"
[[symbols]]
symbol = "BTCUSDT"
feeds = ["history"]
venue = "paper"
"""
MAIN = """
    import sys
    from pathlib import Path
    from tradebotd.daemon import places
    from tradebotd.daemon.commands.main import main

    places.SERVICE_STATE = Path(sys.argv[1]) / "lib"
    places.SERVICE_RUNTIME = Path(sys.argv[1]) / "run"
    sys.exit(main(sys.argv[2:]))
"""
EMPTY_ACCOUNT = """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    import anyio
    from tradebotd.storage import leadership, process_identity
    from tradebotd.storage.postgres.database import open_database
    from tradebotd.storage.postgres.embedded import open_embedded
    from tradebotd.storage.postgres.migrations import load_migrations, migrate

    async def main():
        files, here = load_migrations(), process_identity.current()
        async with open_embedded(Path(sys.argv[1]), Path(sys.argv[1])) as dsn:
            async with open_database(dsn, pool_min=1, pool_max=4) as database:
                await migrate(database, files)
                async with database.transaction(durable=True) as connection:
                    token = await leadership.take(connection, "default", here, datetime.now(UTC))
                    await leadership.release(connection, "default", token, datetime.now(UTC))

    anyio.run(main)
"""


@pytest.fixture
def root() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tb-") as short:  # pytest's own paths are too long for a socket
        folder = Path(short)
        (folder / "home").mkdir()
        (folder / "config.toml").write_text(CONFIG)
        yield folder


@pytest.fixture(autouse=True)
def a_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever types has a home of their own, and the service has its own directories."""
    monkeypatch.setattr(places, "SERVICE_STATE", root / "lib")
    monkeypatch.setattr(places, "SERVICE_RUNTIME", root / "run")
    monkeypatch.setenv("XDG_STATE_HOME", str(root / "home"))
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "TRADEBOTD_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def has_database(state_dir: Path) -> Path:
    (state_dir / "postgres/data").mkdir(parents=True)
    return state_dir


def tradebotd(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(MAIN),
            root,
            *words,
            "--config",
            root / "config.toml",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def traces(root: Path) -> list[Path]:
    """Everything that a command could have made."""
    return sorted(path for path in root.rglob("*") if path.name not in {"config.toml", "home"})


@pytest.mark.timeout(60)
@pytest.mark.parametrize("command", [("flatten",), ("migrate", "--status")])
def test_a_command_that_looks_for_a_database_makes_none(
    root: Path, command: tuple[str, ...]
) -> None:
    """N3: 69 and the places looked at; nothing is left behind, and nothing is "flat"."""
    ended = tradebotd(root, *command)

    assert ended.returncode == 69, ended.stdout + ended.stderr
    assert "there is no database here" in ended.stderr
    assert str(root / "home/tradebotd") in ended.stderr
    assert str(root / "lib") in ended.stderr
    assert ended.stdout == ""
    assert traces(root) == []


def test_a_state_dir_that_is_written_down_is_the_only_place(root: Path) -> None:
    has_database(root / "lib")
    (root / "config.toml").write_text('[daemon]\nstate_dir = "var"\n' + CONFIG)

    with pytest.raises(NoDatabaseError, match=str(root / "var")):
        places.located(load_config(root / "config.toml"))


def test_the_service_s_database_is_found_by_whoever_looks_after_it(root: Path) -> None:
    """N1: root has no STATE_DIRECTORY, and the service's database is not in root's home."""
    service = has_database(root / "lib")

    assert places.located(load_config(root / "config.toml")).state_dir == service


def test_one_of_two_databases_is_not_guessed(root: Path) -> None:
    """N1: a refusal that names them both, and how to say which."""
    has_database(root / "lib")
    has_database(root / "home/tradebotd")

    with pytest.raises(ConfigError, match=r"home/tradebotd and in .*lib; say which by") as caught:
        places.located(load_config(root / "config.toml"))
    assert "$STATE_DIRECTORY" in str(caught.value)


def test_the_environment_of_the_service_says_it_too(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_database(root / "home/tradebotd")
    service = has_database(root / "lib")
    monkeypatch.setenv("STATE_DIRECTORY", str(service))

    assert places.located(load_config(root / "config.toml")).state_dir == service


@pytest.mark.timeout(60)
def test_no_second_database_is_begun_beside_the_service_s(root: Path) -> None:
    """N1: `tradebotd run` by hand would trade on an empty database of its own."""
    has_database(root / "lib")

    ended = tradebotd(root, "run")

    assert ended.returncode == 78, ended.stderr
    assert str(root / "lib") in ended.stderr
    assert not (root / "home/tradebotd").exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("where", ["run", "lib"])
def test_flatten_is_refused_while_a_daemon_answers_on_the_service_s_socket(
    root: Path, where: str
) -> None:
    """N2: 75 while a daemon lives, wherever the service put its socket."""
    (root / where).mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / where / "tradebotd.sock"))
        listener.listen()

        ended = tradebotd(root, "flatten")

    assert ended.returncode == 75, ended.stdout + ended.stderr
    assert str(root / where / "tradebotd.sock") in ended.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look after another user's service")
@pytest.mark.timeout(90)
def test_root_flattens_a_dynamic_user_s_service_and_leaves_its_files_to_it(root: Path) -> None:
    """N1: below a directory only root may enter, as systemd keeps it; every file stays its own."""
    user = 61_437
    binaries = find_binaries()
    closed = [each for each in (binaries, *binaries.parents) if not each.stat().st_mode & 0o001]
    if closed:
        pytest.skip(f"PostgreSQL lies below {closed[-1]}, which other users may not enter")
    root.chmod(0o755)
    (root / "private").mkdir(mode=0o700)
    state_dir = root / "private/lib"
    (root / "lib").symlink_to(state_dir)
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EMPTY_ACCOUNT), state_dir],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    for path in [state_dir, *state_dir.rglob("*")]:
        os.chown(path, user, user, follow_symlinks=False)

    ended = tradebotd(root, "flatten")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "nothing is left" in ended.stdout
    assert {path.lstat().st_uid for path in [state_dir, *state_dir.rglob("*")]} == {user}
    assert not (root / "home/tradebotd").exists()


@pytest.mark.timeout(90)
def test_flatten_knows_an_account_that_no_daemon_has_held(root: Path) -> None:
    """N1: "no database of this account is here", not "nothing is left"."""
    state_dir = root / "lib"
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EMPTY_ACCOUNT), state_dir], timeout=60, check=True
    )
    (root / "config.toml").write_text('[daemon]\naccount = "other"\n' + CONFIG)

    ended = tradebotd(root, "flatten")

    assert ended.returncode == 69, ended.stdout + ended.stderr
    assert "no account 'other' in this database, only 'default'" in ended.stderr
