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
    assert _killed(tmp_path, "--kills", "50").startswith("50 of 50 runs")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twelve_kills_at_a_venue_that_lives_on_leave_its_books_and_ours_the_same(
    tmp_path: Path,
) -> None:
    """M5.1-M5.7, I1-I3, I7: the rehearsal venue, whose process knows nothing of the kills."""
    said = _killed(tmp_path, "--venue", "rehearsal", "--kills", "12")
    assert said.startswith("12 of 12 runs"), said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_kills_at_the_vendors_simulators_leave_their_ledgers_and_our_books_the_same(
    tmp_path: Path,
) -> None:
    """M5.1-M5.7, I1-I3, I7, I8: the real adapters; pairs, conditional orders, bracket legs."""
    venues = ("binance_spot", "binance_usdm", "alpaca")
    scenarios = ("spot_pairs", "usdm_both_ways", "alpaca_pairs")
    said = _killed(tmp_path, "--venue", *venues, "--scenarios", *scenarios, "--kills", "3")
    assert said.startswith("3 of 3 runs"), said


def _killed(home: Path, *options: str) -> str:
    """What the command says, which must find nothing."""
    command = [sys.executable, "-m", "tests.kills", "--jobs", "2", *options]
    ended = subprocess.run(
        [*command, "--results", home / "kills.jsonl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return ended.stdout
