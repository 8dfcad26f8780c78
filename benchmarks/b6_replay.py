"""B6: the replay of 45,031 one-minute candles, 2 bots, full books, a sweep every 60 s.

The default is its first two days, and the figure of the month is then extrapolated: start-up once,
the rest in proportion. The floor is the same statements, with the same arguments and in the same
order, sent by a loop of a few lines that does nothing else (statement_log.py).
"""

import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import statement_log
from benchmarks.cluster import Cluster
from benchmarks.daemon_process import running
from benchmarks.measure import Limit, Options, Row
from benchmarks.statement_log import Statement
from tests.acceptance.replay_case import ReplayCase

MONTH: Final = 45_031
SLICE: Final = 2 * 1_440
LONGEST_SECONDS: Final = 1_800.0


@dataclass(slots=True)
class Figures:
    seconds: list[float] = field(default_factory=list)
    month_seconds: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)


def measure(cluster: Cluster, options: Options) -> list[Row]:
    rows = MONTH if options.full else SLICE
    case = ReplayCase(symbol="BTCPERP", tick_size="1", rows=rows)
    figures = Figures()
    home = Path(tempfile.mkdtemp(prefix="tb-b6-"))  # short, as the path of a socket must be
    try:
        statements = _statements(cluster, case, home)
        for number in range(options.rounds):
            folder = home / str(number)
            with cluster.fresh_dsn() as dsn:
                starting, whole = _replayed(case, folder, dsn)
            figures.seconds.append(whole)
            figures.month_seconds.append(starting + (whole - starting) * MONTH / rows)
            figures.floors.append(_floor(cluster, statements))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return _rows(figures, rows, len(statements))


def _rows(figures: Figures, rows: int, statements: int) -> list[Row]:
    extrapolated = "" if rows == MONTH else f"extrapolated from {rows:,}"
    return [
        Row(
            budget="B6",
            work=f"replay of {MONTH:,} candles",
            unit="s",
            rounds=tuple(figures.month_seconds),
            limit=Limit(sense="at most", value=420),
            note=extrapolated,
        ),
        Row(
            budget="B6",
            work=f"replay of {rows:,} candles, {statements:,} statements",
            unit="s",
            rounds=tuple(figures.seconds),
            floors=tuple(figures.floors),
            floor="the statements alone",
            limit=Limit(sense="at most", value=2, of="ratio"),
        ),
    ]


def _replayed(case: ReplayCase, folder: Path, dsn: str) -> tuple[float, float]:
    """Seconds until it was ready, and until it had ended."""
    with running(case.write(folder, dsn)) as daemon:
        return daemon.ready_seconds, daemon.ended(LONGEST_SECONDS)


def _statements(cluster: Cluster, case: ReplayCase, home: Path) -> list[Statement]:
    """Count the statements of a run of its own, which is not timed: the logger costs something."""
    log = home / "statements"
    command = (sys.executable, "-m", "benchmarks.recorded_daemon", log)
    with (
        cluster.fresh_dsn() as dsn,
        running(case.write(home / "recorded", dsn), command) as daemon,
    ):
        daemon.ended(LONGEST_SECONDS)
    return statement_log.recorded(log)


def _floor(cluster: Cluster, statements: list[Statement]) -> float:
    with cluster.fresh_dsn() as dsn:
        replayed = statement_log.replay(dsn, statements)
    if replayed.differing:
        raise AssertionError(f"{replayed.differing} of {replayed.statements} went another way")
    return replayed.seconds
