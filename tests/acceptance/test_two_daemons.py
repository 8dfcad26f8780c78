"""Two real daemons on one account: one acts, one waits, and never both."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import asyncpg
import pytest

from tests.acceptance.daemon_process import (
    BINARIES,
    PATIENCE_SECONDS,
    DaemonProcess,
    control,
    running,
    wait_for_log,
)
from tests.acceptance.replay_case import ReplayCase

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUICK: Final = (sys.executable, "-m", "tests.acceptance.quick_lease")
OTHER_TOKENS: Final = "SELECT count(*) FROM orders WHERE leader_token = $1 AND created_at >= $2"
DOUBLES: Final = """
    SELECT count(*) FROM (
        SELECT bot, symbol FROM positions WHERE closed_at IS NULL GROUP BY bot, symbol HAVING count(*) > 1
         UNION ALL
        SELECT venue, trade_id FROM fills GROUP BY venue, trade_id, symbol HAVING count(*) > 1
         UNION ALL
        SELECT position_id::text, 'oversold' FROM orders WHERE role = 'exit' AND position_id IS NOT NULL
         GROUP BY position_id
        HAVING sum(filled_quantity) > (SELECT entry_quantity FROM positions WHERE id = position_id)
    ) AS double
"""


@pytest.fixture
def case() -> ReplayCase:
    return ReplayCase(symbol="BTCPERP", tick_size="1", rows=2880)


def configured(case: ReplayCase, folder: Path, dsn: str, when_taken: str) -> Path:
    """A market that takes its time, and goes on when the data ends."""
    config = case.write(folder, dsn)
    config.write_text(
        config.read_text()
        .replace("[daemon]", f'[daemon]\nwhen_taken = "{when_taken}"')
        .replace("speed = 0", "speed = 1200")
        .replace('on_end = "stop"', 'on_end = "idle"')
    )
    return config


async def ask(dsn: str, question: str, *arguments: object) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(question, *arguments))
    finally:
        await connection.close()


def status(folder: Path) -> dict[str, object]:
    answer = control(folder / "daemon.sock", "status", "--json")
    assert answer.returncode == 0, answer.stderr
    found: dict[str, object] = json.loads(answer.stdout)
    return found


def wait_for_orders(dsn: str, daemon: DaemonProcess, seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if anyio.run(ask, dsn, "SELECT count(*) FROM orders") > 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"no order was made:\n{daemon.log()[-3000:]}")


def test_a_standby_answers_never_acts_and_ends_with_zero(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """M1.6: `standby` waits; status says who holds the account; SIGTERM ends it with 0."""
    dsn = empty_database()
    first = configured(case, tmp_path / "first", dsn, "exit")
    second = configured(case, tmp_path / "second", dsn, "standby")
    with running(first) as holder:
        wait_for_log(holder, "daemon ready")
        with running(second) as waiting:
            wait_for_log(waiting, "standing by")
            seen = status(tmp_path / "second")
            assert seen["state"] == "standby"
            leader = seen["leader"]
            assert isinstance(leader, dict)
            assert leader["pid"] == holder.process.pid
            refused = control(tmp_path / "second" / "daemon.sock", "jobs", "run", "ping")
            assert (refused.returncode, "stands by" in refused.stderr) == (4, True), refused.stderr
            assert waiting.terminate().exit_code == 0, waiting.log()[-2000:]
        assert holder.process.poll() is None


def test_a_standby_goes_on_where_a_killed_leader_was(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """M1.6: a holder that is provably dead is taken over at once, by a standby, too."""
    dsn = empty_database()
    first = configured(case, tmp_path / "first", dsn, "exit")
    second = configured(case, tmp_path / "second", dsn, "standby")
    with running(first) as holder:
        wait_for_log(holder, "daemon ready")
        with running(second) as waiting:
            wait_for_log(waiting, "standing by")
            holder.kill()
            wait_for_log(waiting, "daemon ready")
            assert "account taken over" not in waiting.log(), "a dead holder needs no fence"
            assert status(tmp_path / "second")["state"] == "running"
            assert waiting.terminate().exit_code == 0


def test_a_leader_that_slept_past_its_lease_sends_nothing_and_ends_75(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """M1.6, 2.5: the standby takes over after the lease, the sleeper wakes up to nothing."""
    dsn = empty_database()
    first = configured(case, tmp_path / "first", dsn, "exit")
    second = configured(case, tmp_path / "second", dsn, "standby")
    with running(first, program=QUICK) as sleeper:
        wait_for_log(sleeper, "daemon ready")
        with running(second, program=QUICK) as heir:
            wait_for_log(heir, "standing by")
            wait_for_orders(dsn, sleeper)
            sleeper.process.send_signal(signal.SIGSTOP)
            wait_for_log(heir, "account taken over")
            wait_for_log(heir, "fence passed")
            wait_for_log(heir, "daemon ready")
            before = anyio.run(ask, dsn, "SELECT count(*) FROM orders WHERE leader_token = 1")
            sleeper.process.send_signal(signal.SIGCONT)
            ended = sleeper.wait(15)
            assert ended.exit_code == 75, ended.log[-3000:]
            assert "taken over" in ended.log
            after = anyio.run(ask, dsn, "SELECT count(*) FROM orders WHERE leader_token = 1")
            assert after == before, "the old leader wrote an order"
            assert heir.process.poll() is None
            assert anyio.run(ask, dsn, DOUBLES) == 0
            assert heir.terminate().exit_code == 0, heir.log()[-3000:]


def test_flatten_closes_everything_and_the_halt_stays(
    tmp_path: Path, empty_database: Callable[[], str], case: ReplayCase
) -> None:
    """Interface 3.1 `tradebotd flatten`: when no daemon runs; refused (75) while one does."""
    dsn = empty_database()
    config = configured(case, tmp_path, dsn, "exit")
    flatten = [str(BINARIES / "tradebotd"), "flatten", "--config", str(config)]
    held = "SELECT count(*) FROM positions WHERE closed_at IS NULL"
    with running(config) as daemon:
        wait_for_log(daemon, "daemon ready")
        refused = subprocess.run(
            flatten, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        assert refused.returncode == 75, refused.stderr
    for _ in range(5):  # it may close in the instant between the look and the kill
        with running(config) as daemon:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while anyio.run(ask, dsn, held) == 0 and time.monotonic() < deadline:
                time.sleep(0.01)
            daemon.kill()
        if anyio.run(ask, dsn, held) > 0:
            break
    assert anyio.run(ask, dsn, held) > 0, "nothing to flatten: the case proves nothing"

    done = subprocess.run(
        flatten, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "closed position" in done.stdout
    assert anyio.run(ask, dsn, held) == 0
    assert anyio.run(ask, dsn, "SELECT count(*) FROM orders WHERE NOT settled") == 0
    with running(config) as daemon:
        wait_for_log(daemon, "daemon ready")
        assert status(tmp_path)["state"] == "halted"
        assert daemon.terminate().exit_code == 0
    again = subprocess.run(
        flatten, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert (again.returncode, "nothing is left" in again.stdout) == (0, True)
