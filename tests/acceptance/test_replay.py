"""The daemon trades recorded days, and an independent reader finds everything right."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from tests.acceptance import oracle, replays, sessions
from tests.acceptance.daemon_process import run_to_end
from tests.acceptance.replay_case import ReplayCase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TWO_DAYS = 2 * 1440


@pytest.fixture(scope="module")
def btc() -> ReplayCase:
    return ReplayCase(symbol="BTCPERP", tick_size="1", rows=TWO_DAYS)


def test_two_recorded_days_are_traded_and_every_book_agrees(
    tmp_path: Path, empty_database: Callable[[], str], btc: ReplayCase
) -> None:
    """M2.1, M3.4, M3.5, M3.6, M4.7, M5.4, M10: a replay ends with 0, and its books are computed again."""
    dsn = empty_database()
    config = btc.write(tmp_path, dsn)

    ended = run_to_end(config, 240)

    assert ended.exit_code == 0, ended.log[-4000:]
    findings = anyio.run(oracle.check, dsn, btc.data(tmp_path))
    assert not findings.violations, findings.violations[:10]
    assert findings.figures["trades"] >= 5
    rows = oracle.load_rows(btc.data(tmp_path))
    start, end = min(rows), max(rows) + oracle.MINUTE
    expected = replays.expected_runs(start, end, timedelta(seconds=60))
    assert replays.wrong_run_counts(findings.figures["runs"], expected) == {}


def test_the_same_replay_gives_the_same_trades_and_again_on_its_database_adds_nothing(
    tmp_path: Path, empty_database: Callable[[], str], btc: ReplayCase
) -> None:
    """M3.5, at the end of the data: two databases, one history; a finished one stays as it is."""
    first, second = empty_database(), empty_database()
    one_day = ReplayCase(symbol="BTCPERP", tick_size="1", rows=1440)
    run_to_end(one_day.write(tmp_path / "a", first), 120)
    run_to_end(one_day.write(tmp_path / "b", second), 120)
    history = anyio.run(replays.trades, first)
    assert history
    assert history == anyio.run(replays.trades, second)

    before = anyio.run(replays.row_counts, first)
    again = run_to_end(tmp_path / "a" / "config.toml", 30)

    assert again.exit_code == 0, again.log[-4000:]
    assert anyio.run(replays.row_counts, first) == before


def test_ten_kills_leave_no_doubled_order_no_lost_fill_and_no_open_run(
    tmp_path: Path, empty_database: Callable[[], str], btc: ReplayCase
) -> None:
    """M2.1, M5.1-M5.6, I1-I3: SIGKILL at ten seeded moments, resumed each time where it was."""
    dsn = empty_database()
    config = btc.write(tmp_path, dsn)

    rows = oracle.load_rows(btc.data(tmp_path))

    replays.killed_until_done(config, dsn, (min(rows), max(rows)), kills=10, seed=20220101)

    findings = anyio.run(oracle.check, dsn, btc.data(tmp_path))
    assert not findings.violations, findings.violations[:10]


@pytest.mark.parametrize(
    ("symbol", "calendar", "hours"),
    [("SPY", "XNYS", sessions.xnys), ("DE30EUR", "XFRA", sessions.xfra)],
)
def test_nothing_is_signalled_outside_sessions_and_levels_belong_to_the_right_one(
    tmp_path: Path,
    empty_database: Callable[[], str],
    symbol: str,
    calendar: str,
    hours: Callable[[datetime, datetime], Sequence[oracle.Session]],
) -> None:
    """M2.10, M3.9, M10: pre-market and after-market candles are stored, and never traded on."""
    dsn = empty_database()
    case = ReplayCase(
        symbol=symbol,
        calendar=calendar,
        quote_asset="USD",
        tick_size="0.01",
        lot_size="0.01",
    )
    config = case.write(tmp_path, dsn)

    ended = run_to_end(config, 200)

    assert ended.exit_code == 0, ended.log[-4000:]
    findings = anyio.run(oracle.check, dsn, case.data(tmp_path), hours, Decimal("0.01"))
    assert not findings.violations, findings.violations[:10]
    assert findings.figures["signals"] > 0
