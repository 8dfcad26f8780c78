"""A week of an exchange with a lunch through the installed daemon: Tokyo, Hong Kong, Shanghai."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import asyncpg
import pytest

from tests.acceptance.daemon_process import run_to_end
from tests.acceptance.test_small_replays import BUY, STRATEGY

pytest.importorskip("exchange_calendars")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MONDAY = date(2025, 3, 3)
MINUTE = timedelta(minutes=1)
PRICE, FALLEN = 2500, 2400
STARTING_CASH = 1_000_000
# Prices pass minute by minute all the same; each exchange breaks and goes on at a half hour. At ten
# minutes the jobs of five nights took most of the time.
JOBS = "".join(
    f'[jobs.{name}]\nevery = "30m"\n'
    for name in ("run_bots", "realtime_pull", "stop_loss_check", "reconcile", "equity_snapshot")
)


@dataclass(frozen=True, kw_only=True)
class Lunch:
    """The exchange's own hours in its own time, independent of any library."""

    code: str
    zone: ZoneInfo
    opens: time
    stops: time
    resumes: time
    closes: time

    def at(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone).astimezone(UTC)

    def minutes(self, day: date) -> Iterator[datetime]:
        for start, end in ((self.opens, self.stops), (self.resumes, self.closes)):
            at = self.at(day, start)
            while at < self.at(day, end):
                yield at
                at += MINUTE


EXCHANGES = [
    Lunch(
        code="XTKS",
        zone=ZoneInfo("Asia/Tokyo"),
        opens=time(9),
        stops=time(11, 30),
        resumes=time(12, 30),
        closes=time(15, 30),
    ),
    Lunch(
        code="XHKG",
        zone=ZoneInfo("Asia/Hong_Kong"),
        opens=time(9, 30),
        stops=time(12),
        resumes=time(13),
        closes=time(16),
    ),
    Lunch(
        code="XSHG",
        zone=ZoneInfo("Asia/Shanghai"),
        opens=time(9, 30),
        stops=time(11, 30),
        resumes=time(13),
        closes=time(15),
    ),
]


def rows(lunch: Lunch) -> Iterator[str]:
    """Every other minute misses on Tuesday around its lunch. On Wednesday the last minute before it
    says buy; on Thursday one an hour earlier, and the second half begins below the stop.
    """
    yield "ts,open,high,low,close,volume"
    for number in range(5):
        day = MONDAY + number * timedelta(days=1)
        stops, resumes = lunch.at(day, lunch.stops), lunch.at(day, lunch.resumes)
        buys = {2: stops - MINUTE, 3: stops - 61 * MINUTE}.get(number)
        for at in lunch.minutes(day):
            if number == 1 and at in {stops - 2 * MINUTE, resumes + MINUTE}:
                continue
            price = FALLEN if number == 3 and at >= resumes else PRICE
            volume = BUY if at == buys else 1
            yield f"{at.isoformat()},{price},{price + 1},{price - 1},{price},{volume}"


def config(folder: Path, lunch: Lunch, dsn: str) -> str:
    return f"""
[daemon]
state_dir = "{folder}/var"
socket = "{folder}/s.sock"
log_format = "json"
[database]
url = "{dsn}"
[feeds.h]
kind = "replay"
path = "{folder}/*.csv"
speed = 0
[venues.paper]
kind = "paper"
starting_cash = {{ JPY = "{STARTING_CASH}" }}
slippage_bps = 0
spread_bps = 0
[[symbols]]
symbol = "A1"
feeds = ["h"]
venue = "paper"
calendar = "{lunch.code}"
timeframes = ["1m", "1h", "1d"]
base_asset = "A1"
quote_asset = "JPY"
tick_size = "1"
lot_size = "1"
min_notional = "0"
[risk]
currency = "JPY"
[[bots]]
name = "m"
symbol = "A1"
strategy = "{folder}/script.py:Script"
sizing = {{ kind = "fixed_quantity", value = "1" }}
exits = {{ stop_loss = "2%" }}
initial_capital = "100000"
limits = {{ max_daily_trades = 100 }}
{JOBS}"""


async def books(dsn: str) -> dict[str, Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return {
            "positions": [dict(row) for row in await connection.fetch("SELECT * FROM positions")],
            "days": await connection.fetch(
                "SELECT ts, high, low, close, volume FROM ohlc WHERE timeframe = '1d' ORDER BY ts"
            ),
            "bad_runs": await connection.fetch(
                "SELECT job, status, error FROM job_runs WHERE status <> 'ok'"
            ),
            "jobs": {row[0] for row in await connection.fetch("SELECT DISTINCT job FROM job_runs")},
            "asked": await connection.fetchval(
                "SELECT sum((summary ->> 'attempted')::integer) FROM job_runs WHERE job = 'fill_gaps'"
            ),
        }
    finally:
        await connection.close()


@pytest.mark.parametrize("lunch", EXCHANGES, ids=lambda each: each.code)
def test_a_week_with_a_lunch_in_it(
    tmp_path: Path, empty_database: Callable[[], str], lunch: Lunch
) -> None:
    """M3.9: nothing is bought, asked for, or told late in a lunch; a stop ends after it."""
    (tmp_path / "script.py").write_text(STRATEGY)
    (tmp_path / "A1_1m.csv").write_text("\n".join(rows(lunch)) + "\n")
    path, dsn = tmp_path / "config.toml", empty_database()
    path.write_text(config(tmp_path, lunch, dsn))

    ended = run_to_end(path, 560)

    assert ended.exit_code == 0, ended.log[-4000:]
    found = anyio.run(books, dsn)
    thursday = MONDAY + timedelta(days=3)
    (position,) = found["positions"]
    stops, resumes = lunch.at(thursday, lunch.stops), lunch.at(thursday, lunch.resumes)
    assert stops - 60 * MINUTE <= position["opened_at"] < stops - 59 * MINUTE
    assert resumes <= position["closed_at"] < resumes + MINUTE
    assert (position["close_reason"], position["exit_price"]) == ("stop_loss", Decimal(FALLEN))
    assert [row["ts"].date() for row in found["days"]] == [
        MONDAY + n * timedelta(days=1) for n in range(5)
    ]
    assert [tuple(row)[1:4] for row in found["days"][:2]] == [(PRICE + 1, PRICE - 1, PRICE)] * 2
    assert tuple(found["days"][3])[1:4] == (PRICE + 1, FALLEN - 1, FALLEN)
    assert found["bad_runs"] == []
    assert found["asked"] == 2  # the two minutes that miss, and no lunch
    assert "extend_calendars" in found["jobs"]
