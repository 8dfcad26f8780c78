"""R1: SIGKILL at fifty steps from decision to protection; a thousand by `python -m tests.kills`."""

import json
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.kills.__main__ import _report
from tests.kills.campaign import Campaign, Verdict


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_kills_leave_no_doubled_order_no_lost_fill_and_no_naked_position(
    tmp_path: Path,
) -> None:
    """M5.1-M5.7, I1-I3, I7: killed at steps of the loop, started again, its books are the venue's."""
    assert _kills(_killed(tmp_path, "--kills", "50"), of=50) >= 50


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twelve_kills_at_a_venue_that_lives_on_leave_its_books_and_ours_the_same(
    tmp_path: Path,
) -> None:
    """M5.1-M5.7, I1-I3, I7: the rehearsal venue, whose process knows nothing of the kills."""
    said = _killed(tmp_path, "--venue", "rehearsal", "--kills", "12")
    assert _kills(said, of=12) >= 12, said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_three_kills_at_the_vendors_simulators_leave_their_ledgers_and_our_books_the_same(
    tmp_path: Path,
) -> None:
    """M5.1-M5.7, I1-I3, I7, I8: the real adapters; pairs, conditional orders, bracket legs."""
    venues = ("binance_spot", "binance_usdm", "alpaca")
    scenarios = ("spot_pairs", "usdm_both_ways", "alpaca_pairs")
    said = _killed(tmp_path, "--venue", *venues, "--scenarios", *scenarios, "--kills", "3")
    assert _kills(said, of=3) >= 3, said


@pytest.mark.parametrize(
    ("killed", "violations", "code"), [(1, [], 0), (0, [], 1), (1, ["a fill is missing"], 1)]
)
def test_a_run_in_which_nothing_was_killed_is_no_kill(
    tmp_path: Path, killed: int, violations: list[str], code: int
) -> None:
    """R1: nor is one that has found something."""
    results = tmp_path / "kills.jsonl"
    row = {"number": 0, "scenario": "one", "killed": killed, "violations": violations}
    results.write_text(json.dumps(row) + "\n")
    options = Namespace(results=results, scenarios=None, venue=["paper"])
    assert _report(options, {0}, [0], 1.0) == code


def test_a_number_is_drawn_anew_until_a_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """R1: a process that outlives its stop was not killed; five of them are a violation."""
    campaign = Campaign(cast(Any, None), Path(), [cast(Any, None)])
    attempts: list[int] = []

    def outlives(number: int, attempt: int, *_: object) -> Verdict:
        attempts.append(attempt)
        return Verdict(number, "one", [], killed=int(number == 1 and attempt == 2))

    monkeypatch.setattr(campaign, "_killed", outlives)
    assert (campaign.kill(1).violations, attempts) == ([], [0, 1, 2])
    assert campaign.kill(2).violations == ["no process was killed in 5 runs"]


def _kills(said: str, *, of: int) -> int:
    """How many kills the command says that it has made, in *of* runs."""
    told = re.match(rf"{of} of {of} runs, (\d+) kills", said)
    assert told is not None, said
    return int(told[1])


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
