"""Parquet as pandas and pyarrow write it: the same candles as from CSV."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds import parquet_candles
from tradebotd.feeds.csv_candles import load_recording
from tradebotd.feeds.recording import Recording

START = datetime(2025, 1, 1, tzinfo=UTC)
NAMES = ("open", "high", "low", "close", "volume")
CANDLES = [
    Candle(START + timedelta(minutes=n), 10.5 + n, 11.5 + n, 9.25 + n, 10.75 + n, 3.5)
    for n in range(4)
]
TIMES = [candle.ts for candle in CANDLES]


def table(time_name: str, times: Any, *, reverse: bool = False) -> pa.Table:
    columns: dict[str, Any] = {time_name: times}
    columns |= {name: [getattr(candle, name) for candle in CANDLES] for name in NAMES}
    made = pa.table({"note": ["x"] * 4, **columns})
    return made.take([3, 2, 1, 0]) if reverse else made


def loaded(folder: Path, made: pa.Table) -> Recording:
    path = folder / "AAA_1m.parquet"
    parquet.write_table(made, path)
    return load_recording(path, Timeframe.M1)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(table("ts", pa.array(TIMES, pa.timestamp("us", "UTC"))), id="us"),
        pytest.param(table("ts", pa.array(TIMES, pa.timestamp("ms", "UTC"))), id="ms"),
        pytest.param(table("date", pa.array(TIMES, pa.timestamp("ns", "UTC"))), id="ns"),
        pytest.param(table("Open_Time", [int(t.timestamp() * 1000) for t in TIMES]), id="numbers"),
        pytest.param(table("ts", [t.isoformat() for t in TIMES]), id="text"),
        pytest.param(
            table("ts", pa.array(TIMES, pa.timestamp("us", "Asia/Tokyo")), reverse=True),
            id="another zone, newest first",
        ),
    ],
)
def test_what_pyarrow_writes_is_read(tmp_path: Path, made: pa.Table) -> None:
    """M3.1: the types of Parquet, whatever the column of the time is called."""
    recording = loaded(tmp_path, made)

    assert (recording.flaw, recording.rejected) == (None, [])
    assert recording.candles == CANDLES


@pytest.mark.parametrize("name", [None, "date"])
def test_what_pandas_writes_is_read(tmp_path: Path, name: str | None) -> None:
    """The index is the time, with a name or without."""
    frame = pd.DataFrame({each: [getattr(c, each) for c in CANDLES] for each in NAMES})
    frame.index = pd.DatetimeIndex(TIMES, name=name)
    path = tmp_path / "AAA_1m.parquet"
    frame.to_parquet(path)

    assert load_recording(path, Timeframe.M1).candles == CANDLES


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (
            table("date", pa.array([t.replace(tzinfo=None) for t in TIMES])),
            (
                "no row is a candle; the first: line 2: date has no time zone, write UTC as"
                " 2025-01-31T23:00:00Z or unix time (2025-01-01 00:00:00,10.5,11.5,9.25,10.75,3.5)"
            ),
        ),
        (
            table("day", TIMES),
            "columns are missing: ts (there are: note, day, open, high, low, close, volume)",
        ),
        (table("ts", TIMES).slice(0, 0), "the file holds no rows"),
        (
            table("ts", TIMES).drop_columns(["volume"]),
            "columns are missing: volume (there are: note, ts, open, high, low, close)",
        ),
    ],
)
def test_what_is_unclear_is_refused(tmp_path: Path, made: pa.Table, reason: str) -> None:
    """3.8: as it is of a CSV."""
    flaw = loaded(tmp_path, made).flaw

    assert flaw is not None
    assert flaw.reason == reason


def test_a_file_that_is_no_parquet_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "AAA_1m.parquet"
    path.write_bytes(b"PAR1\n")
    flaw = load_recording(path, Timeframe.M1).flaw

    assert flaw is not None
    assert flaw.reason.startswith("unreadable: ")


def test_rows_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbered through all of them; a row that is bad is named as of a CSV."""
    monkeypatch.setattr(parquet_candles, "_BATCH_ROWS", 3)
    made = table("ts", pa.array(TIMES, pa.timestamp("us", "UTC")))
    bad = made.set_column(3, "high", pa.array([11.5, 12.5, 13.5, 1.0]))
    recording = loaded(tmp_path, bad)

    assert recording.candles == CANDLES[:3]
    ((_, rejected),) = recording.rejected
    assert (rejected.line, rejected.reason) == (5, "high is below low")
    assert rejected.raw == "2025-01-01 00:03:00+00:00,13.5,1.0,12.25,13.75,3.5"
