"""M5.8: commands while an entry waits, at each venue; 200 seeds a venue by `python -m tests.halts`."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.halts.plan import POINTS, draw


def test_a_seed_is_the_same_plan_each_time_and_all_points_are_drawn() -> None:
    plans = [draw("binance_usdm", seed) for seed in range(200)]
    assert plans == [draw("binance_usdm", seed) for seed in range(200)]
    assert {plan.at for plan in plans} == {None, *POINTS}
    assert {plan.command for plan in plans} == {"halt", "pause", "disable"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_behind_a_halt_a_pause_or_a_disabling_reload_no_entry_arrives(tmp_path: Path) -> None:
    """M5.8: judged by the venue's log, from the instant that the command has returned."""
    command = [sys.executable, "-m", "tests.halts", "--jobs", "2", "--seeds", "6"]
    ended = subprocess.run(
        [*command, "--results", tmp_path / "halts.jsonl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-3000:]
    assert ended.stdout.startswith("18 of 18, 0 with violations"), ended.stdout
