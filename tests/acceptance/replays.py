"""What several acceptance tests do with a replay: its trades, its expected runs, its kills."""

import random
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import asyncpg

from tests.acceptance.daemon_process import DaemonProcess, running

TRADES = (
    "SELECT bot, symbol, side, quantity, entry_price, exit_price, opened_at, closed_at, close_reason,"
    " realized_pnl, fees FROM trades ORDER BY opened_at, bot"
)
REACHED = "SELECT (value ->> 'reached')::timestamptz FROM settings WHERE key = 'market_clock'"
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


def killed_until_done(
    config: Path, dsn: str, span: tuple[datetime, datetime], *, kills: int, seed: int
) -> None:
    """SIGKILL at *kills* seeded moments, each time started again, until the replay ends with 0.

    A fifth of the moments fall into start-up, the others are instants of market time inside
    *span* that the daemon is waited for: a fast machine is killed as often as a slow one.
    """
    chance = random.Random(seed)
    early = kills // 5
    for _ in range(early):
        with running(config) as daemon:
            time.sleep(chance.uniform(0.02, 0.9))
            daemon.kill()
    start, end = span
    for part in sorted(chance.uniform(0.01, 0.95) for _ in range(kills - early)):
        with running(config) as daemon:
            anyio.run(_market_time_reaches, daemon, dsn, start + part * (end - start))
            time.sleep(chance.uniform(0, 0.02))  # so that it is not always the same statement
            daemon.kill()
    with running(config) as daemon:
        ended = daemon.wait(1200)
    if ended.exit_code != 0:
        raise AssertionError(f"exit {ended.exit_code} after {kills} kills:\n{ended.log[-4000:]}")


async def _market_time_reaches(daemon: DaemonProcess, dsn: str, instant: datetime) -> None:
    """Poll the committed market time; raises AssertionError when the daemon ends before it."""
    connection = await asyncpg.connect(dsn)
    try:
        with anyio.fail_after(240):
            while daemon.process.poll() is None:
                reached = None
                with suppress(asyncpg.UndefinedTableError):  # killed before it had migrated
                    reached = await connection.fetchval(REACHED)
                if reached is not None and reached >= instant:
                    return
                await anyio.sleep(0.002)
    finally:
        await connection.close()
    said = await anyio.to_thread.run_sync(daemon.log)
    raise AssertionError(f"ended before {instant}:\n{said[-4000:]}")
