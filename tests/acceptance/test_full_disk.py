"""A disk that really fills up under a daemon that holds a position."""

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon_process import (
    BINARIES,
    DaemonProcess,
    control,
    running,
    wait_for_log,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root can mount a disk"
    ),
]

CONFIG = """
[daemon]
state_dir = "{disk}/var"
socket = "{folder}/daemon.sock"
log_format = "json"
[feeds.history]
kind = "synthetic"
speed = 200
volatility = "150%"
[venues.paper]
kind = "paper"
[[symbols]]
symbol = "BTCUSDT"
feeds = ["history"]
venue = "paper"
tick_size = "1"
[[symbols]]
symbol = "ETHUSDT"
feeds = ["history"]
venue = "paper"
tick_size = "0.1"
[health]
min_free_disk = "1 MB"
[[bots]]
name = "one"
symbol = "BTCUSDT"
strategy = "ema_rsi"
params = {{ fast = 2, slow = 4, rsi_period = 2, oversold = 5, overbought = 95, mode = "level" }}
exits = {{ stop_loss = "0.4%", trailing_stop = "0.3%" }}
limits = {{ max_daily_trades = 500 }}
[[bots]]
name = "two"
symbol = "ETHUSDT"
strategy = "ema_rsi"
params = {{ fast = 2, slow = 4, rsi_period = 2, oversold = 1, overbought = 99, mode = "level" }}
exits = {{ stop_loss = "0.4%", max_holding = "2m" }}
limits = {{ max_daily_trades = 500 }}
"""
MOUNT = 'mount -t tmpfs -o size=160m none "$1" && shift && exec "$@"'


def status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        control(folder / "daemon.sock", "status", "--json").stdout or "{}"
    )
    return found


def wait_for_entries(folder: Path, daemon: DaemonProcess) -> None:
    """They come often, and one is held now."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if daemon.log().count('"role":"entry"') > 4 and status(folder).get("positions"):
            return
        time.sleep(0.1)
    raise AssertionError(f"nothing was entered:\n{daemon.log()[-3000:]}")


def fill(filler: Path) -> None:
    """Until the kernel says that there is no room."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 65_536)
    assert shutil.disk_usage(filler.parent).free == 0


def test_a_full_disk_is_told_at_once_and_no_entry_is_sent_until_there_is_room(
    tmp_path: Path,
) -> None:
    """N4, 3.8 Trouble: nothing is sent that could not be ended; it goes on by itself."""
    disk = tmp_path / "disk"
    disk.mkdir()
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(disk=disk, folder=tmp_path))
    program = ("unshare", "-m", "sh", "-c", MOUNT, "sh", disk, BINARIES / "tradebotd")
    with running(config, program=program) as daemon:
        wait_for_log(daemon, "daemon ready", 60)
        wait_for_entries(tmp_path, daemon)
        filler = Path(f"/proc/{daemon.process.pid}/root{disk}/filler")

        fill(filler)

        wait_for_log(daemon, "exit sending blocked", 10)
        told = status(tmp_path)["problems"]
        assert told[0]["code"] == "writes_fail", told
        assert "exits cannot be sent: PostgreSQL cannot write" in told[0]["message"]
        assert not [each for each in told if "exits go on" in each["message"]]
        (doubted,) = [each for each in told if each["code"] == "config_doubtful"]
        assert (doubted["severity"], doubted["subject"]) == ("info", "health.min_free_disk")
        time.sleep(5)  # a quarter of an hour of the market
        filler.unlink()
        wait_for_log(daemon, "exit sending resumed", 20)
        wait_for_log(daemon, "disk space restored", 40)
        assert daemon.terminate().exit_code == 0, daemon.log()[-3000:]

    lines = [json.loads(line) for line in daemon.log().splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert events.count("setting doubted") == 1
    began, ended = events.index("exit sending blocked"), events.index("disk space restored")
    sent = [n for n, line in enumerate(lines) if line.get("role") == "entry"]
    assert [lines[n]["event"] for n in sent if began < n < ended] == []
