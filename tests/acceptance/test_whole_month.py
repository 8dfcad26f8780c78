"""A whole recorded month, and a hundred kills: `pytest -m long -s tests/acceptance`."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.acceptance import oracle, replays
from tests.acceptance.daemon_process import run_to_end
from tests.acceptance.replay_case import ReplayCase

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

BUDGET_SECONDS = 420  # B6


@pytest.fixture
def month() -> ReplayCase:
    return ReplayCase(symbol="BTCPERP", tick_size="1")


def test_a_whole_month_within_its_budget(
    tmp_path: Path, empty_database: Callable[[], str], month: ReplayCase
) -> None:
    """B6, M2.1, M3.5, M3.6, M4.7, M5.4, M10 at full size; the same trades on a second database."""
    dsn, second = empty_database(), empty_database()
    config = month.write(tmp_path / "a", dsn)

    ended = run_to_end(config, 1200)

    assert ended.exit_code == 0, ended.log[-4000:]
    findings = anyio.run(oracle.check, dsn, month.data(tmp_path / "a"))
    print(f"\n{ended.seconds:.0f} s", json.dumps(findings.figures, default=str, indent=1))
    assert not findings.violations, findings.violations[:20]
    rows = oracle.load_rows(month.data(tmp_path / "a"))
    expected = replays.expected_runs(min(rows), max(rows) + oracle.MINUTE, timedelta(seconds=60))
    assert replays.wrong_run_counts(findings.figures["runs"], expected) == {}
    before = anyio.run(replays.row_counts, dsn)
    assert run_to_end(config, 30).exit_code == 0
    assert anyio.run(replays.row_counts, dsn) == before
    run_to_end(month.write(tmp_path / "b", second), 1200)
    assert anyio.run(replays.trades, second) == anyio.run(replays.trades, dsn)


def test_a_hundred_kills(
    tmp_path: Path, empty_database: Callable[[], str], month: ReplayCase
) -> None:
    """M2.1, M5.1-M5.6, I1-I3: SIGKILL at a hundred seeded moments of the month."""
    dsn = empty_database()
    config = month.write(tmp_path, dsn)

    rows = oracle.load_rows(month.data(tmp_path))

    replays.killed_until_done(config, dsn, (min(rows), max(rows)), kills=100, seed=100)

    findings = anyio.run(oracle.check, dsn, month.data(tmp_path))
    print("\n100 kills", json.dumps(findings.figures, default=str, indent=1))
    assert not findings.violations, findings.violations[:20]
