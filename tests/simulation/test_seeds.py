"""R2: two hundred seeds of faults; ten thousand by `python -m tests.simulation`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

SEEDS = 100  # in each half: two workers share them
REHEARSED = 40
# A few seeds of each, which need little time: (the first, how many).
AT_VENDORS = {"binance_spot": (0, 3), "binance_usdm": (0, 3), "alpaca": (0, 3)}
AT_SPOT = ("--venue", "binance_spot", "--first", "0")


def _simulate(results: Path, *options: str) -> list[dict[str, Any]]:
    """In a process of its own, whose sets and loop are made for it."""
    command = [sys.executable, "-m", "tests.simulation", "--jobs", "1", "--results", str(results)]
    ended = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-3000:]
    return [json.loads(line) for line in results.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("half", [0, 1])
def test_whatever_befalls_venue_and_database_the_books_are_true_in_the_end(
    tmp_path: Path, half: int
) -> None:
    """M5.1-M5.7, I1-I5, I7: seeds of lost answers, late fills, kills, outages, operators."""
    first = str(half * SEEDS)

    rows = _simulate(tmp_path / "seeds.jsonl", "--seeds", str(SEEDS), "--first", first)

    assert len(rows) == SEEDS
    for what in ("fills", "kill", "lost", "database", "command", "rejected"):
        assert sum(row["counts"].get(what, 0) for row in rows) > 0, what
    for what in ("funding", "hand", "reload", "transfer"):
        assert sum(row["counts"].get(what, 0) for row in rows) > 0, what
    assert sum(row["counts"]["orders"] for row in rows) > 3 * SEEDS, "little was traded"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_venue_with_stop_limits_for_the_day_keeps_the_books_true_too(tmp_path: Path) -> None:
    """M5.1-M5.7, I1-I5, I7: the rehearsal venue, through its adapter; a thousand by `--venue rehearsal`."""
    rows = _simulate(
        tmp_path / "seeds.jsonl", "--venue", "rehearsal", "--first", "40", "--seeds", str(REHEARSED)
    )

    assert len(rows) == REHEARSED
    for what in ("fills", "kill", "lost", "promised", "decided", "day over", "transfer"):
        assert sum(row["counts"].get(what, 0) for row in rows) > 0, what


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("vendor", sorted(AT_VENDORS))
def test_a_vendors_simulator_and_the_books_agree_whatever_befalls(
    tmp_path: Path, vendor: str
) -> None:
    """M5.1-M5.7, I1-I5, I7: the real adapter over sockets; a thousand by `--venue VENDOR`."""
    first, seeds = AT_VENDORS[vendor]

    rows = _simulate(
        tmp_path / "seeds.jsonl",
        *("--venue", vendor, "--first", str(first), "--seeds", str(seeds)),
    )

    assert len(rows) == seeds
    for what in ("fills", "kill", "fault", "lost", "stream"):
        assert sum(row["counts"].get(what, 0) for row in rows) > 0, what


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("options", [("--seeds", "12"), ("--seeds", "1", *AT_SPOT)])
def test_a_seed_runs_the_same_way_twice(tmp_path: Path, options: Sequence[str]) -> None:
    """R2: what fails can be seen again, also what has gone over sockets."""
    once = _simulate(tmp_path / "once.jsonl", *options)
    again = _simulate(tmp_path / "again.jsonl", *options)

    assert [row["digest"] for row in once] == [row["digest"] for row in again]
    assert len({row["digest"] for row in once}) == int(options[1])
