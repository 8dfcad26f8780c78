"""I1, I7: a dozen of the ambiguous outcomes through the whole daemon; all by `python -m tests.ambiguous`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ambiguous.cases import Kind, all_cases

# One of each fault, each truth, each order and each venue, the dearest (what can rest is sought) once.
SLICE = (
    "binance_spot/market-entry/reset-after/later",
    "binance_spot/market-exit/truncated/never",
    "binance_spot/stop/504-1007/placed",
    "binance_usdm/market-entry/503-unknown/never",
    "binance_usdm/market-exit/read-timeout/placed",
    "binance_usdm/limit-entry/1006/later",
    "binance_usdm/stop/connect-refused/never",
    "alpaca/market-exit/502/later",
    "alpaca/limit-entry/empty/placed",
    "alpaca/market-exit/reset-before/never",
    "alpaca/stop/invalid-json/later",
    "alpaca/market-entry/connect-timeout/never",
)


def test_there_are_432_of_four_kinds() -> None:
    """12 faults, 3 truths, 4 orders, 3 venues; impossible is what was placed though no byte arrived."""
    cases = [case for case in all_cases() if case.kind is not Kind.LONE_STOP]
    assert len(cases) == len(set(cases)) == 432
    assert sum(not case.is_possible for case in cases) == 3 * 2 * 4 * 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_is_not_known_of_an_order_it_is_settled_or_alarmed_and_never_doubled(
    tmp_path: Path,
) -> None:
    """I1, I4, I7: within a minute; Binance's lost exits are replaced by then; true books in the end."""
    only = [word for name in SLICE for word in ("--only", name)]
    command = [sys.executable, "-m", "tests.ambiguous", "--jobs", "2", *only]
    results = tmp_path / "ambiguous.jsonl"
    ended = subprocess.run(
        [*command, "--results", results],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-3000:]
    assert ended.stdout.startswith("12 of 12, 0 with violations"), ended.stdout
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    exits = [row for row in rows if row["name"].startswith("binance") and "-exit/" in row["name"]]
    assert [row for row in exits if "unknown" in row["outcome"]] == []
