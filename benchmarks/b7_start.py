"""B7: start to ready on a server database with the current schema; commands; memory; a floor.

Ready is when the daemon says `READY=1` to the service manager. Our modules are compiled before, as
pip does with what it installs: in an environment that writes no bytecode a checkout is compiled at
each start.
"""

import compileall
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.cluster import Cluster
from benchmarks.daemon_process import BINARIES, ROOT, running
from benchmarks.measure import Limit, Options, Row, stopwatch

EXAMPLE: Final = ROOT / "config.example.toml"
READY_RATIO: Final = 25
STATUS_RATIO: Final = 2.5
CHECK_RATIO: Final = 8
MEGABYTES: Final = 80
CALLS_A_ROUND: Final = 3  # of a command, since it is short; their median is the round's figure

CONFIG: Final = """
[daemon]
state_dir = "{folder}/var"
socket = "{folder}/daemon.sock"
log_format = "json"

[database]
url = "{dsn}"

[feeds.history]
kind = "synthetic"
speed = 60
on_end = "idle"

[venues.paper]
kind = "paper"
starting_cash = {{ USDT = "10000" }}

[[symbols]]
symbol = "BTCUSDT"
feeds = ["history"]
venue = "paper"
timeframes = ["1m", "5m", "15m", "1h", "1d"]
base_asset = "BTC"
quote_asset = "USDT"
tick_size = "0.01"
lot_size = "0.00001"
min_notional = "5"

[[bots]]
name = "btc"
symbol = "BTCUSDT"
timeframe = "5m"
strategy = "ema_rsi"
initial_capital = "1000"
sizing = {{ kind = "percent_equity", value = "10" }}
exits = {{ stop_loss = "1%", take_profit = "2%" }}

[risk]
currency = "USDT"
"""


def measure(cluster: Cluster, options: Options) -> list[Row]:
    ready: list[float] = []
    status: list[float] = []
    version: list[float] = []
    check: list[float] = []
    memory: list[float] = []
    floors: list[float] = []
    home = Path(tempfile.mkdtemp(prefix="tb-b7-"))  # short, as the path of a socket must be
    compileall.compile_dir(ROOT / "tradebotd", quiet=1)
    ask: list[str | Path] = [BINARIES / "tradebotctl", "--socket", home / "daemon.sock"]
    try:
        with cluster.fresh_dsn() as dsn:
            config = home / "config.toml"
            config.write_text(CONFIG.format(folder=home, dsn=dsn))
            for _ in range(options.rounds):
                floors.append(_milliseconds([sys.executable, "-c", "pass"]))
                with running(config) as daemon:
                    ready.append(daemon.ready_seconds * 1000)
                    status.append(_milliseconds([*ask, "status"]))
                    memory.append(_resident_megabytes(daemon.process.pid))
                version.append(_milliseconds([BINARIES / "tradebotd", "--version"]))
                check.append(_milliseconds([BINARIES / "tradebotd", "check", "--config", EXAMPLE]))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return [
        _row("start to ready", ready, floors, 1_500),
        _row("the same beside its floor", ready, floors, READY_RATIO, of_floor=True),
        _row("`tradebotctl status`, wall", status, floors, 100),
        _row("the same beside its floor", status, floors, STATUS_RATIO, of_floor=True),
        _row("`tradebotd check` of the example", check, floors, CHECK_RATIO, of_floor=True),
        _row("`tradebotd --version`", version, floors, 60),
        Row(
            budget="B7",
            work="memory of that daemon once it has answered, RSS",
            unit="MB",
            rounds=tuple(memory),
            limit=Limit(sense="at most", value=MEGABYTES),
        ),
    ]


def _row(
    work: str,
    rounds: Sequence[float],
    floors: Sequence[float],
    limit: float,
    *,
    of_floor: bool = False,
) -> Row:
    return Row(
        budget="B7",
        work=work,
        unit="ms",
        rounds=tuple(rounds),
        floors=tuple(floors),
        floor="python -c pass",
        limit=Limit(sense="at most", value=limit, of="ratio" if of_floor else "figure"),
    )


def _resident_megabytes(process: int) -> float:
    """Return megabytes, shared libraries included, PostgreSQL's processes not."""
    pages = int((Path("/proc") / str(process) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


def _milliseconds(command: Sequence[str | Path]) -> float:
    gc.collect()
    calls = []
    for _ in range(CALLS_A_ROUND):
        with stopwatch() as elapsed:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
        calls.append(elapsed.seconds * 1000)
    return median(calls)
