"""Recorded files as people have them, through the installed daemon: all of them, or a refusal."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import asyncpg
import pytest

from tests.acceptance.daemon_process import run_to_end

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PATIENCE = 100
START = datetime(2025, 1, 31, 23, 30, tzinfo=UTC)
HEADER = "ts,open,high,low,close,volume"
STRATEGY = """
from dataclasses import dataclass
from tradebotd.domain.signal import Signal, SignalKind


@dataclass(frozen=True, kw_only=True)
class Params:
    pass


class Script:
    Params = Params
    lookback = 1

    def __init__(self, params):
        pass

    def decide(self, candles):
        word = {777: SignalKind.BUY, 888: SignalKind.SELL}.get(candles[-1].volume, SignalKind.NONE)
        return Signal(kind=word, reason="told so", indicators={})
"""


def rows(first: int, last: int, *, volumes: dict[int, float] | None = None) -> list[str]:
    """A minute each, of the same price."""
    said = volumes or {}
    return [
        f"{(START + timedelta(minutes=n)).isoformat()},100,100,100,100,{said.get(n, 1)}"
        for n in range(first, last)
    ]


def klines(first: int, last: int) -> list[str]:
    found = []
    for n in range(first, last):
        opened = int((START + timedelta(minutes=n)).timestamp() * 10**6)
        found.append(f"{opened},100,100,100,100,1,{opened + 60 * 10**6 - 1},100,1,1,100,0")
    return found


def write(folder: Path, dsn: str, files: Mapping[str, Sequence[str]], path: str = "*.csv") -> Path:
    (folder / "script.py").write_text(STRATEGY)
    for name, lines in files.items():
        file = folder / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
    config = folder / "config.toml"
    config.write_text(f"""
[daemon]
state_dir = "{folder}/var"
socket = "{folder}/s.sock"
log_format = "json"
[database]
url = "{dsn}"
[feeds.h]
kind = "replay"
path = "data/{path}"
speed = 0
[feeds.unused]
kind = "replay"
path = "data/{path}"
speed = 0
[venues.paper]
kind = "paper"
slippage_bps = 0
spread_bps = 0
[[symbols]]
symbol = "AAAUSDT"
feeds = ["h"]
venue = "paper"
[[bots]]
name = "m"
symbol = "AAAUSDT"
strategy = "./script.py:Script"
sizing = {{ kind = "fixed_notional", value = "500" }}
exits = {{ stop_loss = "2%" }}
""")
    return config


async def _query(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def query(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    return anyio.run(_query, dsn, statement)


def minutes(dsn: str) -> list[int]:
    found = query(dsn, "SELECT ts FROM ohlc WHERE timeframe = '1m' ORDER BY ts")
    return [(ts - START) // timedelta(minutes=1) for (ts,) in found]


def quarantined(dsn: str) -> list[tuple[Any, ...]]:
    return query(dsn, "SELECT source, line, reason FROM ohlc_quarantine ORDER BY id")


@pytest.mark.parametrize(
    ("files", "path"),
    [
        pytest.param({"AAAUSDT_1m.csv": [HEADER, *rows(0, 60)[::-1]]}, "*.csv", id="newest first"),
        pytest.param(
            {"AAAUSDT_1m.csv": [HEADER, *rows(30, 60), *rows(0, 30)]}, "*.csv", id="two downloads"
        ),
        pytest.param({"AAAUSDT_1m.csv": klines(0, 60)}, "*.csv", id="klines"),
        pytest.param(
            {
                "AAAUSDT-1m-2025-01.csv": klines(0, 30),
                "AAAUSDT-1m-2025-02.csv": klines(30, 60),
            },
            "*.csv",
            id="klines by month",
        ),
        pytest.param(
            {
                "2025-01/AAAUSDT_1m.csv": [HEADER, *rows(0, 30)],
                "2025-02/AAAUSDT_1m.csv": [HEADER, *rows(29, 60)],
            },
            "*/*.csv",
            id="a month per folder",
        ),
    ],
)
def test_every_candle_is_played(
    tmp_path: Path,
    empty_database: Callable[[], str],
    files: Mapping[str, Sequence[str]],
    path: str,
) -> None:
    """M3.1, 3.8: whatever order and layout the files have; nothing is quarantined."""
    dsn = empty_database()
    ended = run_to_end(write(tmp_path, dsn, files, path), PATIENCE)

    assert ended.exit_code == 0, ended.log[-4000:]
    assert minutes(dsn) == list(range(60))
    assert quarantined(dsn) == []
    assert query(dsn, "SELECT count(*) FROM alerts") == [(0,)]


def test_of_two_rows_of_one_time_the_later_one_is_played(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """3.8: the unfinished one is quarantined, and it is said."""
    dsn = empty_database()
    lines = [HEADER, *rows(0, 20)]
    lines.insert(10, lines[10].rpartition(",")[0] + ",0.02")
    ended = run_to_end(write(tmp_path, dsn, {"AAAUSDT_1m.csv": lines}), PATIENCE)

    assert ended.exit_code == 0, ended.log[-4000:]
    volumes = query(dsn, "SELECT volume FROM ohlc WHERE timeframe = '1m'")
    assert volumes == [(1.0,)] * 20
    reason = "differs from line 12, a later row of the same time"
    assert quarantined(dsn) == [("AAAUSDT_1m.csv", 11, reason)]
    assert reason in ended.log


def test_a_file_of_nothing_is_refused_and_read_once_it_is_mended(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """N9: 78, no database is touched, and nothing is remembered of it."""
    dsn = empty_database()
    bad = {"AAAUSDT_1m.csv": ["Day,Open,High,Low,Close,Volume", *rows(0, 20)]}
    refused = run_to_end(write(tmp_path, dsn, bad), PATIENCE)

    assert refused.exit_code == 78
    assert "AAAUSDT_1m.csv: columns are missing: ts" in refused.log
    assert query(dsn, "SELECT to_regclass('ohlc')::text") == [(None,)]

    mended = run_to_end(write(tmp_path, dsn, {"AAAUSDT_1m.csv": [HEADER, *rows(0, 20)]}), PATIENCE)
    assert mended.exit_code == 0, mended.log[-4000:]
    assert minutes(dsn) == list(range(20))


def test_a_replay_that_had_ended_goes_on_where_there_is_more(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """N9: a file that has grown, or of which only a part could be read before."""
    dsn = empty_database()
    run_to_end(write(tmp_path, dsn, {"AAAUSDT_1m.csv": [HEADER, *rows(0, 20)]}), PATIENCE)
    ended = run_to_end(write(tmp_path, dsn, {"AAAUSDT_1m.csv": [HEADER, *rows(0, 40)]}), PATIENCE)

    assert ended.exit_code == 0, ended.log[-4000:]
    assert minutes(dsn) == list(range(40))
    runs = query(
        dsn,
        "SELECT count(*), count(DISTINCT scheduled_at) FROM job_runs WHERE job = 'run_bots'",
    )
    assert runs == [(41, 41)]


def test_what_ended_before_any_candle_begins_when_there_are_some(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """N9: an earlier version played a file that it could not read, and remembered its end."""
    dsn = empty_database()
    config = write(tmp_path, dsn, {"AAAUSDT_1m.csv": [HEADER, *rows(0, 20)]})
    assert run_to_end(config, PATIENCE).exit_code == 0
    query(
        dsn,
        "WITH gone AS (DELETE FROM ohlc RETURNING 1) UPDATE settings SET value = jsonb_build_object("
        "'reached', '2000-01-01T00:00:00+00:00', 'ended', true) WHERE key = 'market_clock' RETURNING 1",
    )
    again = run_to_end(config, PATIENCE)

    assert again.exit_code == 0, again.log[-4000:]
    assert minutes(dsn) == list(range(20))


def test_a_file_that_is_loaded_in_part_is_an_alert_until_it_is_whole(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """N10: beside the partial run, which only the one pull that meets the row leaves behind."""
    dsn = empty_database()
    lines = [HEADER, *rows(0, 20)]
    lines[7] = lines[7].replace("100,100,100,100", "100,90,100,100")
    config = write(tmp_path, dsn, {"AAAUSDT_1m.csv": lines})
    ended = run_to_end(config, PATIENCE)
    alert = "SELECT code, severity, subject, message, cleared_at IS NULL FROM alerts"

    assert ended.exit_code == 0, ended.log[-4000:]
    words = "AAAUSDT_1m.csv: 1 of 20 rows are left out; the first, line 8: high is below low"
    assert query(dsn, alert) == [
        ("recording_incomplete", "warning", "h AAAUSDT_1m.csv", words, True)
    ]
    assert [each for each in minutes(dsn) if each != 6] == minutes(dsn)

    run_to_end(write(tmp_path, dsn, {"AAAUSDT_1m.csv": [HEADER, *rows(0, 20)]}), PATIENCE)
    assert [row[-1] for row in query(dsn, alert)] == [False]


def test_a_replay_ends_with_what_it_came_to(
    tmp_path: Path, empty_database: Callable[[], str]
) -> None:
    """N48: trades, P&L, fees and drawdown by bot, and the account; on the second end, too."""
    dsn = empty_database()
    said = {3: 777.0, 9: 888.0, 12: 777.0, 15: 888.0, 20: 777.0}
    config = write(tmp_path, dsn, {"AAAUSDT_1m.csv": [HEADER, *rows(0, 30, volumes=said)]})
    ended = run_to_end(config, PATIENCE)
    again = run_to_end(config, PATIENCE)

    assert ended.exit_code == 0, ended.log[-4000:]
    stored = query(dsn, "SELECT count(*), sum(realized_pnl), sum(fees) FROM trades")
    ((trades, pnl, fees),) = stored
    assert trades == 2
    table = [line.split() for line in ended.log.splitlines() if not line.startswith("{")]
    head, bot, account = table
    assert head == ["bot", "symbol", "trades", "won", "P&L", "fees", "drawdown", "still", "open"]
    assert [*bot[:4], bot[5]] == ["m", "AAAUSDT", "2", "0", "USDT"]
    assert (Decimal(bot[4]), Decimal(bot[6])) == (pnl, fees)
    assert bot[-1] == "1"
    assert account[:3] == ["account:", "equity", "10,000.00"]
    assert [line.split() for line in again.log.splitlines() if not line.startswith("{")] == table
