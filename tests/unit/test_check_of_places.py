"""`tradebotd check` looks at the places where the daemon keeps its state and its socket."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import pytest

from tests.unit.config_text import SMALLEST
from tradebotd.config.load import load_config
from tradebotd.daemon import place_checks
from tradebotd.daemon.commands import main
from tradebotd.daemon.place_checks import PlaceFindings, look_at_places
from tradebotd.storage.postgres import binaries

NOBODY: Final = 65534
SERVICE: Final = 65533


@pytest.fixture
def root() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tb-") as short:  # pytest's own paths are too long for a socket
        folder = Path(short)
        folder.chmod(0o755)
        yield folder


@contextmanager
def another_user() -> Iterator[None]:
    """Root may write everywhere: what others meet is met by being one of them."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def look(
    root: Path, daemon: str, *, starting: bool = False, url: str = "embedded"
) -> PlaceFindings:
    file = root / "config.toml"
    file.write_text(f'[daemon]\n{daemon}\n[database]\nurl = "{url}"\n{SMALLEST}')
    file.chmod(0o644)
    config = load_config(file)
    with another_user():
        return look_at_places(config, starting=starting)


class Case(NamedTuple):
    daemon: str
    problem: str


CASES: Final = {
    "not writable": Case('state_dir = "shut"', "daemon.state_dir: {root}/shut cannot be written by "),
    "a parent that is not writable": Case(
        'state_dir = "shut/a/b"', "so {root}/shut/a/b/postgres cannot be made"
    ),
    "a file": Case(
        'state_dir = "file"', "daemon.state_dir: {root}/file is a file where a folder should be"
    ),
    "below a file": Case('state_dir = "file/a"', "{root}/file is a file where a folder should be"),
    "a file for PostgreSQL's folder": Case(
        'state_dir = "halved"', "{root}/halved/postgres is a file where a folder should be"
    ),
    "a link to nowhere": Case('state_dir = "link"', "{root}/link is a link that leads nowhere"),
    "a link to itself": Case('state_dir = "loop"', "daemon.state_dir: {root}/loop"),
    "no file system": Case('state_dir = "/proc/nope"', "daemon.state_dir: /proc "),
    "a name too long": Case(
        f'state_dir = "open/{"a" * 256}"\nsocket = "open/s"', "daemon.state_dir: {root}/open/aaa"
    ),
    "a NUL": Case('state_dir = "open/\\u0000"', "daemon.state_dir: a path has no NUL in it"),
    "no such user": Case(
        'state_dir = "~no-such-user/x"', "daemon.state_dir: no home is known of '~no-such-user'"
    ),
    "a socket in a shut folder": Case(
        'state_dir = "open"\nsocket = "shut/s"', "daemon.socket: {root}/shut cannot be written by "
    ),
    "a socket below a file": Case(
        'state_dir = "open"\nsocket = "file/s"', "daemon.socket: {root}/file is a file"
    ),
    "a file for a socket": Case(
        'state_dir = "open"\nsocket = "file"',
        "daemon.socket: {root}/file is there already and is not a socket",
    ),
    "a folder for a socket": Case(
        'state_dir = "open"\nsocket = "shut"',
        "daemon.socket: {root}/shut is there already and is not a socket",
    ),
    "a file for PostgreSQL's socket": Case(
        'state_dir = "open"\nsocket = "halved/s"', "daemon.socket: {root}/halved/postgres is not a"
    ),
    "a socket of no such user": Case(
        'state_dir = "open"\nsocket = "~no-such-user/s"', "daemon.socket: no home is known of"
    ),
}  # fmt: skip


@pytest.mark.parametrize("starting", [False, True], ids=["check", "run"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_place_that_cannot_be_used_is_one_line_with_its_key(
    root: Path, case: Case, *, starting: bool
) -> None:
    """N13: said by `check` as by `run`, before anything is made."""
    (root / "shut").mkdir(mode=0o555)
    for open_to_all in ("open", "halved"):
        (root / open_to_all).mkdir()
        (root / open_to_all).chmod(0o777)
    (root / "file").touch()
    (root / "halved" / "postgres").touch()
    (root / "link").symlink_to(root / "nowhere")
    (root / "loop").symlink_to(root / "loop")
    before = sorted(root.rglob("*"))

    findings = look(root, case.daemon, starting=starting)

    assert len(findings.problems) == 1, findings
    assert case.problem.format(root=root) in findings.problems[0]
    assert not findings.notes
    assert [each for each in sorted(root.rglob("*")) if each.name != "config.toml"] == before


@pytest.mark.parametrize("daemon", ['state_dir = "var"', 'state_dir = "a/b/c"\nsocket = "d/e/s"'])
def test_places_that_are_still_to_be_made_are_good_and_are_not_made(
    root: Path, daemon: str
) -> None:
    root.chmod(0o777)

    findings = look(root, daemon)

    assert (findings.problems, findings.notes) == ([], [])
    assert [each.name for each in root.iterdir()] == ["config.toml"]


def test_a_socket_that_a_daemon_has_left_or_answers_on_is_good(root: Path) -> None:
    root.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "s"))
        listener.listen()
        assert look(root, 'state_dir = "var"\nsocket = "s"').problems == []
    assert look(root, 'state_dir = "var"\nsocket = "s"').problems == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_what_belongs_to_the_user_of_the_service_is_a_note_to_an_operator(root: Path) -> None:
    """N13: `check` by an operator is good; the same user's `run` is refused."""
    for name in ("lib", "run"):
        (root / name).mkdir()
        os.chown(root / name, SERVICE, SERVICE)
        (root / name).chmod(0o700)
    daemon = 'state_dir = "lib/deeper"\nsocket = "run/s"'

    checked, run = look(root, daemon), look(root, daemon, starting=True)

    assert checked.problems == []
    assert [note.split(": ")[0] for note in checked.notes] == ["daemon.state_dir", "daemon.socket"]
    assert f"{root}/lib belongs to user {SERVICE}" in checked.notes[0]
    assert len(run.problems) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="root's folder must be another's")
def test_what_systemd_makes_for_the_service_is_not_missed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_checks, "_OF_THE_SERVICE", (root / "lib", root / "run"))

    findings = look(root, 'state_dir = "lib/tradebotd"\nsocket = "run/tradebotd/s"')

    assert findings.problems == []
    assert all("systemd makes it" in note for note in findings.notes)
    assert len(findings.notes) == 2


@pytest.mark.parametrize("scarce", ["bytes", "files"])
def test_room_is_asked_for_a_database_that_is_still_to_be_made(
    root: Path, monkeypatch: pytest.MonkeyPatch, scarce: str
) -> None:
    """N13: without room initdb would fail; a database that is there starts in very little."""
    root.chmod(0o777)
    name = "LEAST_BYTES" if scarce == "bytes" else "LEAST_FILES"
    monkeypatch.setattr(place_checks, name, 10**18)

    fresh = look(root, 'state_dir = "var"')
    (root / "var/postgres/data").mkdir(parents=True)
    (root / "var/postgres").chmod(0o777)
    there = look(root, 'state_dir = "var"')

    assert len(fresh.problems) == 1
    assert fresh.problems[0].startswith("daemon.state_dir: ")
    assert there.problems == []


def test_a_disk_below_its_least_is_a_warning(root: Path) -> None:
    root.chmod(0o777)
    file = root / "config.toml"
    file.write_text(
        f'[daemon]\nstate_dir = "var"\n[health]\nmin_free_disk = "9000000 GB"\n{SMALLEST}'
    )

    (warning,) = look_at_places(load_config(file)).warnings

    assert warning.startswith("health.min_free_disk: ")
    assert "no entry is made" in warning


def test_a_server_needs_no_state_directory(root: Path) -> None:
    (root / "shut").mkdir(mode=0o555)
    daemon = 'state_dir = "shut"\nsocket = "/tmp/tradebotd-test.sock"'

    assert look(root, daemon, url="postgresql://u@h/d") == PlaceFindings()


def test_binaries_that_are_missing_or_older_are_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N13, its sibling: `run` would end with the same line."""
    root.chmod(0o777)
    data = root / "var/postgres/data"
    data.mkdir(parents=True)
    (root / "var/postgres").chmod(0o777)
    (data / "PG_VERSION").write_text("7\n")

    (older,) = look(root, 'state_dir = "var"').problems
    monkeypatch.setattr(binaries, "_candidates", lambda: iter([root]))
    shutil.rmtree(root / "var")
    (missing,) = look(root, 'state_dir = "var"').problems

    assert older.startswith("database.url: the embedded database was made by PostgreSQL 7;")
    assert missing.startswith("database.url: the embedded database needs PostgreSQL's binaries")


@pytest.mark.parametrize("command", ["check", "run"])
def test_they_stand_beside_every_other_problem_and_end_with_78(
    root: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (root / "file").touch()
    config = root / "config.toml"
    config.write_text(f'[daemon]\nstate_dir = "file"\ntimezone = "Nowhere"\n{SMALLEST}')

    assert main.main([command, "--config", str(config)]) == 78

    said = capsys.readouterr().err
    assert "daemon.timezone" in said
    assert f"daemon.state_dir: {root}/file is a file" in said
