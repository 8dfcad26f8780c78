"""What a daemon says while it starts: from the first moment of its socket, without a gap."""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from tests.acceptance.daemon_process import (
    PATIENCE_SECONDS,
    DaemonProcess,
    control,
    run_to_end,
    running,
    wait_for_log,
)
from tests.acceptance.replay_case import ReplayCase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PATIENT: Final = (sys.executable, "-m", "tests.acceptance.patient_start")
LOCK: Final = "BEGIN; LOCK TABLE market_symbols IN ACCESS EXCLUSIVE MODE"


@pytest.fixture
def case() -> ReplayCase:
    return ReplayCase(symbol="BTCPERP", tick_size="1", rows=2880)


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextmanager
def locked(dsn: str) -> Iterator[Callable[[], None]]:
    """Nobody reads the symbols until it is called."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(dsn))
    loop.run_until_complete(connection.execute(LOCK))
    try:
        yield lambda: loop.run_until_complete(connection.close())
    finally:
        connection.terminate()
        loop.close()


def slowly(config: Path) -> Path:
    """A market that goes on, so that the daemon does."""
    text = config.read_text().replace("speed = 0", "speed = 60")
    config.write_text(text.replace('on_end = "stop"', 'on_end = "idle"'))
    return config


def first_answer(daemon: DaemonProcess) -> dict[str, Any]:
    """The very first that is said on its socket, which a start must be."""
    path = daemon.config.parent / "daemon.sock"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.is_socket():
        assert daemon.process.poll() is None, daemon.log()[-3000:]
        assert time.monotonic() < deadline, "it has no socket"
        time.sleep(0.005)
    return status(daemon)


def status(daemon: DaemonProcess) -> dict[str, Any]:
    answer = control(daemon.config.parent / "daemon.sock", "status", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr + daemon.log()[-3000:]
    said: dict[str, Any] = json.loads(answer.stdout)
    return said


def test_while_the_database_does_not_answer_it_says_that_it_starts(
    tmp_path: Path, case: ReplayCase
) -> None:
    """N15: 0 for its status, 4 for what needs more; in the end 69, and no socket is left."""
    path = tmp_path / "daemon.sock"
    with silent_server() as port:
        config = case.write(tmp_path, f"postgresql://u@127.0.0.1:{port}/d")
        with running(config, program=PATIENT) as daemon:
            said = first_answer(daemon)
            text = control(path, "status")
            jobs = control(path, "jobs")
            halt = control(path, "halt")
            assert daemon.terminate().exit_code == 0
        assert not path.exists()
        ended = run_to_end(config, PATIENCE_SECONDS)

    assert (said["state"], said["health"], said["pid"]) == (
        "starting",
        "degraded",
        daemon.process.pid,
    )
    assert said["waits_for"] == "the database (127.0.0.1/d)"
    assert [problem["code"] for problem in said["problems"]] == ["starting"]
    assert (text.returncode, text.stderr) == (0, "")
    assert "starting" in text.stdout.splitlines()[0]
    assert "waits for the database (127.0.0.1/d)" in " ".join(text.stdout.split())
    for refused in (jobs, halt):
        assert (refused.returncode, "is starting" in refused.stderr) == (4, True), refused.stderr
    assert ended.exit_code == 69
    assert not path.exists()


def test_from_its_first_answer_to_running_each_status_is_answered(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """N15: held by a lock in the midst of its start, and let go; the socket never changes."""
    dsn = empty_database()
    config = slowly(case.write(tmp_path, dsn))
    with running(config) as daemon:
        wait_for_log(daemon, "daemon ready")
        daemon.terminate()

    with locked(dsn) as let_go, running(config) as daemon:
        said = first_answer(daemon)
        inode = (tmp_path / "daemon.sock").stat().st_ino
        assert said["state"] == "starting"
        while said["waits_for"] != "what the database remembers":
            assert said["state"] == "starting", said
            said = status(daemon)
        let_go()
        while said["state"] == "starting":
            assert said["waits_for"]
            said = status(daemon)
        assert (said["state"], said["waits_for"]) == ("running", None)
        assert "starting" not in {problem["code"] for problem in said["problems"]}
        assert (tmp_path / "daemon.sock").stat().st_ino == inode
        daemon.terminate()
    assert not (tmp_path / "daemon.sock").exists()


def test_every_answer_of_a_first_start_is_one(tmp_path: Path, case: ReplayCase) -> None:
    """N15: an own PostgreSQL that is made, a schema, a first look: never a KeyError."""
    config = slowly(case.write(tmp_path, "embedded"))
    with running(config) as daemon:
        said = [first_answer(daemon)]
        while said[-1]["state"] == "starting":
            said.append(status(daemon))
        assert said[0]["waits_for"].startswith("the database (its own, in ")
        assert said[-1]["state"] == "running"
        daemon.terminate()


def test_a_calendar_that_ends_soon_is_told_at_the_start(tmp_path: Path) -> None:
    """M3.9: and not only by the job of the coming night."""
    pytest.importorskip("exchange_calendars")
    config = tmp_path / "config.toml"
    config.write_text(f"""
[daemon]
state_dir = "{tmp_path}/var"
socket = "{tmp_path}/daemon.sock"
log_format = "json"
[feeds.made_up]
kind = "synthetic"
start = "2026-12-01T12:00:00Z"
speed = 1
[venues.paper]
kind = "paper"
[[symbols]]
symbol = "AUSDT"
feeds = ["made_up"]
venue = "paper"
calendar = "XSHG"
""")
    with running(config) as daemon:
        wait_for_log(daemon, "daemon ready")
        problems = {each["code"]: each for each in status(daemon)["problems"]}
        daemon.terminate()

    assert (
        "known until 2026-12-31 only (30 days from 2026-12-01)"
        in (problems["calendar_ends"]["message"])
    )
