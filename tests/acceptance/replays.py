"""What several acceptance tests do with a replay: its trades, its expected runs, its kills."""

import random
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from tests.acceptance.daemon_process import running

TRADES = (
    "SELECT bot, symbol, side, quantity, entry_price, exit_price, opened_at, closed_at, close_reason,"
    " realized_pnl, fees FROM trades ORDER BY opened_at, bot"
)
ROW_COUNTS = (
    "SELECT (SELECT count(*) FROM ohlc) AS candles, (SELECT count(*) FROM orders) AS orders,"
    " (SELECT count(*) FROM fills) AS fills, (SELECT count(*) FROM positions) AS positions,"
    " (SELECT count(*) FROM levels_daily) AS levels, (SELECT count(*) FROM decision_runs) AS decisions,"
    " (SELECT count(*) FROM equity_snapshots) AS snapshots,"
    " (SELECT coalesce(sum(runs), 0)::integer FROM job_runs) AS runs"
)


async def trades(dsn: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(TRADES)]
    finally:
        await connection.close()


async def row_counts(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    try:
        return dict(await connection.fetchrow(ROW_COUNTS) or {})
    finally:
        await connection.close()


def slots(every: timedelta, start: datetime, end: datetime) -> int:
    """How many instants of the epoch's grid lie in [start, end]."""
    seconds = int(every.total_seconds())
    first = -(-int(start.timestamp()) // seconds)
    last = int(end.timestamp()) // seconds
    return last - first + 1


def expected_runs(start: datetime, end: datetime, sweep: timedelta) -> dict[str, int]:
    minute = timedelta(minutes=1)
    return {
        "run_bots": slots(minute, start, end),
        "realtime_pull": slots(minute, start, end),
        "reconcile": slots(minute, start, end),
        "stop_loss_check": slots(sweep, start, end),
        "equity_snapshot": slots(5 * minute, start, end),
        "fill_gaps": slots(60 * minute, start, end),
        "daily_reset": slots(timedelta(days=1), start, end),
    }


def wrong_run_counts(
    runs: Mapping[str, Mapping[str, int]], expected: Mapping[str, int]
) -> dict[str, Any]:
    """Jobs that did not run as often as their schedule says, or not well each time."""
    return {
        job: dict(runs.get(job, {}))
        for job, count in expected.items()
        if dict(runs.get(job, {})) != {"ok": count}
    }


def killed_until_done(config: Path, kills: int, seed: int, whole_run_seconds: float) -> int:
    """SIGKILL at *kills* seeded moments, each time started again; returns how often it was killed.

    The moments are spread over the time that one undisturbed run took, so that they fall into
    start-up, trading and the end alike.
    """
    chance = random.Random(seed)
    killed = 0
    for _ in range(kills):
        with running(config) as daemon:
            deadline = time.monotonic() + chance.uniform(0.3, 1.2 + 2 * whole_run_seconds / kills)
            while time.monotonic() < deadline and daemon.process.poll() is None:
                time.sleep(0.005)
            if daemon.process.poll() is not None:
                break
            daemon.kill()
            killed += 1
    with running(config) as daemon:
        ended = daemon.wait(whole_run_seconds * 3 + 60)
    if ended.exit_code != 0:
        raise AssertionError(f"exit {ended.exit_code} after {killed} kills:\n{ended.log[-4000:]}")
    return killed
