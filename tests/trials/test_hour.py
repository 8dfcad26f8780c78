"""A slice of the hour: the driver, all venues and feeds, and the judge, in a third of a minute."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.trials import hour
from tests.trials.judge import Judge
from tests.trials.processes import TREE
from tests.trials.test_judge import kept

PATIENCE_SECONDS = 500.0  # a bound: the judge waits until books agree


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_slice_of_the_hour_leaves_books_that_agree(tmp_path: Path) -> None:
    """M6, I1-I3, I8: orders at three venues, money that moves without them, streams that are cut."""
    results = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "tests.trials.hour", "--minutes", "0.3", "--seed", "1"]
    process = subprocess.Popen(
        [*command, "--troubles", "money", "cut", "--results", results],
        cwd=TREE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.send_signal(signal.SIGINT)  # it ends the daemon and the simulators that it started
        process.wait()
    assert results.exists(), said
    verdict = json.loads(results.read_text())  # what a slow machine logs is for the hour to judge
    assert verdict["differences"] == [], said
    assert verdict["figures"]["flat"]["orders"], said
    assert verdict["figures"]["flat"]["open"] == 0


def test_a_flatten_that_failed_without_a_cause_is_a_violation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M6: what is left of it is tried again, and no try is forgotten."""
    monkeypatch.setattr(hour, "PAUSE_SECONDS", 0.0)
    nowhere: Any = None
    trial = hour.Trial(tmp_path, nowhere, nowhere, 1.0, 1)
    said = ["spot: it is not asked", "spot: it is not asked"]

    async def ctl(*_: str) -> Any:
        if said:
            raise hour.RefusedError(said.pop())

    monkeypatch.setattr(trial, "ctl", ctl)
    anyio.run(trial.flatten)
    kept(tmp_path, [])
    assert trial.unexplained(Judge(tmp_path)) == ["flatten failed: spot: it is not asked"] * 2
