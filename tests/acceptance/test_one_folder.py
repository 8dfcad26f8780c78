"""Two real daemons started at once in one folder, with a PostgreSQL of their own."""

import re
import time
from pathlib import Path
from typing import Final

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

SAME, OTHER = "daemon.sock", "other.sock"
REFUSALS: Final = (
    r"tradebotd: another daemon answers on \S+daemon\.sock",
    r"tradebotd: another daemon is just starting in \S+",
    r"tradebotd: another daemon \(process \d+\) runs the embedded database in \S+",
)


def configured(folder: Path, name: str, socket: str) -> Path:
    """A market that takes its time; both mean the same state directory."""
    case = ReplayCase(symbol="BTCPERP", tick_size="1", rows=2880)
    config = case.write(folder, "embedded")
    text = config.read_text().replace("daemon.sock", socket).replace("speed = 0", "speed = 600")
    mine = folder / name
    mine.write_text(text.replace('on_end = "stop"', 'on_end = "idle"'))
    return mine


def ended_first(
    daemons: tuple[DaemonProcess, DaemonProcess],
) -> tuple[DaemonProcess, DaemonProcess]:
    """The one that has ended, and the one that goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for each, other in (daemons, daemons[::-1]):
            if each.process.poll() is not None:
                return each, other
        time.sleep(0.02)
    raise AssertionError("both run:\n" + "\n".join(each.log()[-2000:] for each in daemons))


@pytest.mark.parametrize("socket", [SAME, OTHER])
def test_of_two_that_start_at_once_one_works_and_one_ends_with_a_line(
    tmp_path: Path, socket: str
) -> None:
    """M1.6: 75 whoever comes second; the cluster is made once, is whole, and is found again."""
    first, second = configured(tmp_path, "a.toml", SAME), configured(tmp_path, "b.toml", socket)
    for _ in range(3):  # a new cluster, then one that is there
        with running(first) as one, running(second) as two:
            late, holder = ended_first((one, two))
            wait_for_log(holder, "daemon ready")
            lines = late.log().splitlines()
            assert late.process.returncode == 75, late.log()[-3000:]
            assert any(re.fullmatch(refusal, lines[-1]) for refusal in REFUSALS), lines
            assert "Traceback" not in late.log()
            path = tmp_path / (SAME if holder.config == first else socket)
            assert control(path, "status").returncode == 0
            assert holder.terminate().exit_code == 0, holder.log()[-3000:]
    log = (tmp_path / "var/postgres/log").read_text()
    assert not re.search("PANIC|corrupt|invalid", log), log
    assert not (tmp_path / "var/postgres/data.new").exists()


def test_what_is_started_beside_one_that_works_takes_nothing_away(tmp_path: Path) -> None:
    """M1.6: neither its socket nor its database."""
    first, second = configured(tmp_path, "a.toml", SAME), configured(tmp_path, "b.toml", OTHER)
    with running(first) as holder:
        wait_for_log(holder, "daemon ready")
        for config in (first, second):
            ended = run_to_end(config, PATIENCE_SECONDS)
            assert ended.exit_code == 75, ended.log[-3000:]
            assert re.fullmatch("|".join(REFUSALS), ended.log.splitlines()[-1]), ended.log
            assert control(tmp_path / SAME, "status").returncode == 0
        assert not (tmp_path / OTHER).exists()
        holder.kill()
    with running(second) as heir:  # the other's PostgreSQL died with it
        wait_for_log(heir, "daemon ready")
        assert heir.terminate().exit_code == 0
