"""R1: SIGKILL at fifty steps from decision to protection; a thousand by `python -m tests.kills`."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_leave_no_doubled_order_no_lost_fill_and_no_naked_position(
    tmp_path: Path,
) -> None:
    """M5.1-M5.7, I1-I3, I7: killed at steps of the loop, started again, its books are the venue's."""
    command = [sys.executable, "-m", "tests.kills", "--kills", "50", "--jobs", "2"]

    ended = subprocess.run(
        [*command, "--results", tmp_path / "kills.jsonl"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert ended.stdout.startswith("50 of 50 runs"), ended.stdout
