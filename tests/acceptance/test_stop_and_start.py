"""SIGTERM at any moment, a second daemon, a broken configuration: as an operator meets them."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import asyncpg
import pytest

from tests.acceptance import oracle, replays
from tests.acceptance.daemon_process import (
    PATIENCE_SECONDS,
    control,
    run_to_end,
    running,
    wait_for_log,
)
from tests.acceptance.replay_case import ReplayCase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


async def open_runs(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        ledger = await connection.fetchval("SELECT to_regclass('job_runs')")
        if ledger is None:
            return 0
        return int(
            await connection.fetchval("SELECT count(*) FROM job_runs WHERE status = 'running'")
        )
    finally:
        await connection.close()


@pytest.fixture
def case() -> ReplayCase:
    return ReplayCase(symbol="BTCPERP", tick_size="1", rows=2880)


def test_sigterm_at_any_moment_ends_with_zero_and_no_open_run(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """M1.2: eight seeded moments from the first import to the trading."""
    dsn = empty_database()
    config = case.write(tmp_path, dsn)
    chance = random.Random(7)
    for _ in range(8):
        with running(config) as daemon:
            deadline = time.monotonic() + chance.uniform(0.6, 4)
            while time.monotonic() < deadline and daemon.process.poll() is None:
                time.sleep(0.01)
            ended = daemon.terminate()
        assert ended.exit_code == 0, ended.log[-4000:]
        assert anyio.run(open_runs, dsn) == 0


def test_a_second_daemon_on_the_same_database_exits_75_and_touches_nothing(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """M1.6: one daemon acts on one (database, account)."""
    dsn = empty_database()
    first = case.write(tmp_path / "first", dsn)
    second = case.write(tmp_path / "second", dsn)
    with running(first) as holder:
        wait_for_log(holder, "daemon ready")

        refused = run_to_end(second, PATIENCE_SECONDS)

        assert refused.exit_code == 75, refused.log[-2000:]
        assert str(holder.process.pid) in refused.log
        assert holder.process.poll() is None


def test_a_killed_holder_is_taken_over_at_once(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """M1.6: a holder that is provably dead on this host needs no waiting."""
    dsn = empty_database()
    with running(case.write(tmp_path / "first", dsn)) as holder:
        wait_for_log(holder, "daemon ready")
        holder.kill()
    with running(case.write(tmp_path / "second", dsn)) as heir:
        wait_for_log(heir, "daemon ready")
        assert "watching whether it lives" not in heir.log()  # the lease was not waited for
        assert heir.terminate().exit_code == 0


def test_every_problem_of_a_configuration_is_listed_and_nothing_is_started(tmp_path: Path) -> None:
    """Interface 3.1: exit 78, with the path of each problem in the file."""
    config = tmp_path / "config.toml"
    config.write_text(
        '[daemon]\nlog_levl = "info"\n[feeds.f]\nkind = "replay"\npath = "missing/*.csv"\n'
        '[venues.paper]\nkind = "paper"\n'
        '[[symbols]]\nsymbol = "BTCUSDT"\nfeeds = ["g"]\nvenue = "paper"\n'
        '[[bots]]\nname = "b"\nsymbol = "BTCUSD"\nstrategy = "ema_rsi"\nleverage = 1000\n'
        '[jobs.run_bots]\nat = "25:00"\n'
    )

    ended = run_to_end(config, 20)

    assert ended.exit_code == 78, ended.log
    for expected in ("daemon.log_levl", "symbols[0].feeds", "bots[0].leverage", "jobs.run_bots.at"):
        assert expected in ended.log
    assert not (tmp_path / "var").exists()


def test_an_operator_sees_and_steers_a_running_daemon(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """Interface 3.1-3.5: status, a job by hand, halt that survives a restart, and the way out."""
    dsn = empty_database()
    config = case.write(tmp_path, dsn)
    config.write_text(
        config.read_text()
        .replace("speed = 0", "speed = 600")
        .replace('on_end = "stop"', 'on_end = "idle"')
    )
    socket = tmp_path / "daemon.sock"
    with running(config) as daemon:
        wait_for_log(daemon, "daemon ready")
        status = json.loads(control(socket, "status", "--json").stdout)
        assert status["clock"]["kind"] == "market"
        assert status["state"] == "running"
        ping = control(socket, "jobs", "run", "ping", "--json")
        assert (ping.returncode, json.loads(ping.stdout)["status"]) == (0, "ok"), ping.stderr
        assert control(socket, "halt", "--reason", "lunch").returncode == 0
        daemon.kill()
    with running(config) as daemon:
        wait_for_log(daemon, "daemon ready")
        again = json.loads(control(socket, "status", "--json").stdout)
        assert again["state"] == "halted"
        assert control(socket, "resume").returncode == 0
        assert daemon.terminate().exit_code == 0
    assert control(socket, "status").returncode == 3


def test_the_oracle_itself_finds_a_missing_candle(tmp_path: Path) -> None:
    """A check that cannot fail proves nothing."""
    findings = oracle.Findings()
    some = (1.0, 2.0, 0.5, 1.5, 10.0)
    stamp = oracle.EPOCH
    oracle._compare(findings, "5m", {}, {stamp: some})
    assert findings.violations


def test_a_disk_that_is_nearly_full_stops_entries_and_nothing_else(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """M2.2: no entry is made, it is said loudly, and the replay goes on."""
    dsn = empty_database()
    case = ReplayCase(symbol="BTCPERP", tick_size="1", rows=600)
    config = case.write(tmp_path, dsn)
    config.write_text(config.read_text() + '\n[health]\nmin_free_disk = "900 TB"\n')

    ended = run_to_end(config, 60)

    assert ended.exit_code == 0, ended.log[-4000:]
    assert "disk nearly full" in ended.log
    assert anyio.run(replays.trades, dsn) == []
    counts = anyio.run(replays.row_counts, dsn)
    assert (counts["orders"], counts["positions"]) == (0, 0)
    assert counts["decisions"] > 0
