"""A stop before there is anything to put in order: one line, no traceback, whoever is at work."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.config_text import ONE_BOT, written

# As pydantic does when a signal's exception comes out of a class that it is building.
WRAPPED = """
import os, signal
from tradebotd.daemon.process_signals import Signals

Signals({words})
try:
    os.kill(os.getpid(), signal.{name})
except BaseException as error:
    raise ValueError("taken for its own") from error
raise AssertionError("it went on")
"""
STOPS_ITSELF = """
import os, signal
os.kill(os.getpid(), signal.{name})
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(
    ("words", "line", "code"),
    [
        ("", "nothing was started", 0),
        ('"nothing was closed: run it again", 1', "nothing was closed: run it again", 1),
    ],
)
def test_a_stop_is_no_exception_that_somebody_could_take(
    name: str, words: str, line: str, code: int
) -> None:
    """M1.2, Interface 3.1: 0 for the daemon; nobody is told that a flatten was done."""
    text = WRAPPED.format(name=name, words=words)
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr == f"tradebotd: stopped by {name}: {line}\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("command", "code"), [("run", 0), ("flatten", 1)])
def test_a_stop_while_a_strategy_is_read_ends_with_one_line(
    name: str, command: str, code: int, tmp_path: Path
) -> None:
    """M1.2: reading the file takes most of the start, and a strategy's own imports most of that."""
    (tmp_path / "mine.py").write_text(STOPS_ITSELF.format(name=name))
    config = written(tmp_path, ONE_BOT.replace('"ema_rsi"', '"./mine.py:Mine"'))
    words = [
        sys.executable,
        "-m",
        "tradebotd.daemon.commands.main",
        command,
        "--config",
        str(config),
    ]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == code
    assert ended.stderr.splitlines()[1:] == [], ended.stderr
    assert ended.stderr.startswith(f"tradebotd: stopped by {name}: ")
