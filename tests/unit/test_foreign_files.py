"""What freqtrade and ccxt leave behind: read, or named as what it is with the way to make it so."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.fakes import foreign_files
from tests.fakes.foreign_files import Write
from tests.fakes.market_data import market_symbol
from tradebotd.domain.candle import Candle
from tradebotd.domain.errors import ConfigError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.csv_candles import load_recording
from tradebotd.feeds.replay import Recordings, load_recordings

FEED = FeedName("h")
START = datetime(2025, 1, 1, tzinfo=UTC)
CANDLES = [
    Candle(START + timedelta(minutes=n), 10.5 + n, 11.5 + n, 9.25 + n, 10.75 + n, 3.5)
    for n in range(4)
]
SYMBOL = market_symbol("BTC_USDT", feeds=("h",))


def load(folder: Path) -> Recordings:
    return load_recordings(FEED, str(folder), [SYMBOL])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("BTC_USDT-1m.parquet", foreign_files.freqtrade_parquet),
        ("BTC_USDT-1m.csv", foreign_files.ccxt_csv_of_pandas),
    ],
)
def test_what_they_write_is_read(tmp_path: Path, name: str, write: Write) -> None:
    """M3.1, N10: by the programs' own names."""
    write(tmp_path / name, CANDLES)
    recordings = load(tmp_path)

    assert recordings.shelves["BTC_USDT"][Timeframe.M1].recording.candles == CANDLES
    assert recordings.unread == []


FEATHER_WAY = "`freqtrade convert-data --format-from feather --format-to parquet`"
REFUSED = {
    # by name
    "feather": ("BTC_USDT-1m.feather", foreign_files.freqtrade_feather, "Feather", FEATHER_WAY),
    "json": ("BTC_USDT-1m.json", foreign_files.freqtrade_json, "JSON", "--format-from json "),
    "jsongz": (
        "BTC_USDT-1m.json.gz", foreign_files.freqtrade_json, "gzipped JSON", "--format-from jsongz "
    ),
    "ccxt's lists": ("BTC_USDT-1m.json", foreign_files.ccxt_json, "JSON", "json.load(open(FILE))"),
    # by content, whatever the name says
    "feather as csv": ("BTC_USDT-1m.csv", foreign_files.freqtrade_feather, "Feather", FEATHER_WAY),
    "feather as parquet": (
        "BTC_USDT-1m.parquet", foreign_files.freqtrade_feather, "Feather", FEATHER_WAY
    ),
    "parquet as csv": (
        "BTC_USDT-1m.csv", foreign_files.freqtrade_parquet, "a Parquet file", "name it .parquet"
    ),
    "lists as csv": ("BTC_USDT-1m.csv", foreign_files.ccxt_json, "JSON", "json.load(open(FILE))"),
    "jsongz as csv.gz": ("BTC_USDT-1m.csv.gz", foreign_files.freqtrade_json, "JSON", "json.load("),
    # no names, no zone
    "lists without names": (
        "BTC_USDT-1m.csv", foreign_files.ccxt_csv_without_names, "line 1 is data, not a header",
        "write ts,open,high,low,close,volume above it",
    ),
    "times without a zone": (
        "BTC_USDT-1m.csv", foreign_files.ccxt_csv_with_dates, "timestamp has no time zone",
        "write UTC as 2025-01-31T23:00:00Z or unix",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "write", "what", "way"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_read_is_named_with_a_way_out(
    tmp_path: Path, name: str, write: Write, what: str, way: str
) -> None:
    """N9, N10: 78 where a symbol has nothing else, and never a word of what is not so."""
    write(tmp_path / name, CANDLES)

    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    (problem,) = refused.value.problems
    assert name in problem
    assert what in problem
    assert way in problem


def test_files_beside_those_that_are_read_are_named_too(tmp_path: Path) -> None:
    """A folder of freqtrade's: the Parquet is read, of the rest it is said why not."""
    foreign_files.freqtrade_parquet(tmp_path / "BTC_USDT-1m.parquet", CANDLES)
    foreign_files.freqtrade_feather(tmp_path / "BTC_USDT-5m.feather", CANDLES)
    foreign_files.freqtrade_parquet(tmp_path / "BTC_USDT_USDT-1m-futures.parquet", CANDLES)
    foreign_files.freqtrade_parquet(tmp_path / "BTC_USDT_USDT-1h-mark.parquet", CANDLES)
    (tmp_path / "notes.md").write_text("none of ours")

    unread = dict(load(tmp_path).unread)

    assert set(unread) == {
        "BTC_USDT-5m.feather",
        "BTC_USDT_USDT-1m-futures.parquet",
        "BTC_USDT_USDT-1h-mark.parquet",
    }
    assert "take `-futures` out of its name" in unread["BTC_USDT_USDT-1m-futures.parquet"]
    assert "no traded prices" in unread["BTC_USDT_USDT-1h-mark.parquet"]


@pytest.mark.parametrize(
    ("name", "write"),
    [("x.feather", foreign_files.freqtrade_feather), ("x.json", foreign_files.ccxt_json)],
)
def test_the_way_of_pandas_leads_to_a_file_that_is_read(
    tmp_path: Path, name: str, write: Write
) -> None:
    """Run as it is printed."""
    write(tmp_path / name, CANDLES)
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    found = re.search(r"or pandas[^:]*: (.*index=False\))", refused.value.problems[0])
    assert found is not None
    path = tmp_path / "BTC_USDT_1m.csv"
    scope = {
        **{name: getattr(pd, name) for name in ("read_feather", "DataFrame")},
        "json": json,
        "FILE": tmp_path / name,
        "CSV": path,
    }
    with open(tmp_path / name) as kept:  # noqa: PTH123 - as printed: json.load(open(FILE))
        scope["open"] = lambda _: kept
        eval(found[1], scope)  # noqa: S307 - what we print, and nothing else

    assert load_recording(path, Timeframe.M1).candles == CANDLES
