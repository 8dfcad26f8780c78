"""Recorded files: good rows are loaded, bad ones are named with their line."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.csv_candles import load_recording, parse_name

HEADER = "ts,open,high,low,close,volume"
GOOD = "2022-03-01T00:00:00Z,10,11,9,10.5,3"
LATER = "2022-03-01T00:05:00Z,10,11,9,10.5,3"


def write(directory: Path, *rows: str) -> Path:
    path = directory / "BTC_1m.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2022-03-01T00:01:00Z,nan,11,9,10,3", "a price is not finite"),
        ("2022-03-01T00:01:00Z,10,inf,9,10,3", "a price is not finite"),
        ("2022-03-01T00:01:00Z,0,11,0,10,3", "a price is zero or negative"),
        ("2022-03-01T00:01:00Z,10,11,-9,10,3", "a price is zero or negative"),
        ("2022-03-01T00:01:00Z,10,9,11,10,3", "high is below low"),
        ("2022-03-01T00:01:00Z,12,11,9,10,3", "high or low does not enclose open and close"),
        ("2022-03-01T00:01:00Z,10,11,9,10,-3", "negative volume"),
        ("2022-03-01T00:01:00Z,10,11,9,10,nan", "volume is not finite"),
        ("2022-03-01T00:01:30Z,10,11,9,10,3", "ts is off the grid of 1m"),
        ("2022-03-01T00:01:00Z,ten,11,9,10,3", "a value is not a number"),
        ("2022-03-01T00:01:00,10,11,9,10,3", "ts has no time zone"),
        ("yesterday,10,11,9,10,3", "ts is no ISO 8601 time"),
        ("2022-03-01T00:01:00Z,10,11", "3 columns instead of 6"),
        ("2022-02-27T23:59:00Z,10,11,9,10,3", "out of order"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_the_rest_is_loaded(
    tmp_path: Path, row: str, reason: str
) -> None:
    """M3.4: quarantined with the reason, never stored as good."""
    recording = load_recording(write(tmp_path, HEADER, GOOD, row, LATER), Timeframe.M1)

    assert [candle.ts.minute for candle in recording.candles] == [0, 5]
    ((at, rejected),) = recording.rejected
    assert (rejected.line, rejected.reason, rejected.raw) == (3, reason, row)
    assert recording.candles[0].ts <= at <= recording.candles[-1].ts
    assert recording.flaw is None


def minutes_of(*offsets: int) -> list[str]:
    first = datetime(2022, 3, 1, tzinfo=UTC)
    return [
        f"{first + timedelta(minutes=offset):%Y-%m-%dT%H:%M:%SZ},10,11,9,10.5,3"
        for offset in offsets
    ]


@pytest.mark.parametrize("place", [0, 1, 5, 9, 10])
@pytest.mark.parametrize("year", [1970, 2099, 9999])
def test_a_row_dated_far_off_is_quarantined_wherever_it_stands(
    tmp_path: Path, place: int, year: int
) -> None:
    """M3.4: it neither makes the rows behind it wrong nor stretches the recording."""
    rows = minutes_of(*range(10))
    rows.insert(place, f"{year}-01-01T00:00:00Z,10,11,9,10.5,3")
    recording = load_recording(write(tmp_path, HEADER, *rows), Timeframe.M1)

    assert [candle.ts.minute for candle in recording.candles] == list(range(10))
    ((at, rejected),) = recording.rejected
    assert (rejected.line, rejected.reason) == (place + 2, "far from the times of the other rows")
    assert rejected.ts is not None
    assert rejected.ts.year == year
    assert at in {recording.candles[0].ts, recording.candles[-1].ts}


def test_a_row_dated_some_days_ahead_does_not_make_those_behind_it_wrong(tmp_path: Path) -> None:
    """M3.4: as few rows as possible are quarantined."""
    rows = minutes_of(0, 1, 20_000, 2, 3, 4)
    recording = load_recording(write(tmp_path, HEADER, *rows), Timeframe.M1)

    assert [candle.ts.minute for candle in recording.candles] == [0, 1, 2, 3, 4]
    ((_, rejected),) = recording.rejected
    assert (rejected.line, rejected.reason) == (4, "out of order")


def test_long_holes_between_many_rows_are_no_flaw(tmp_path: Path) -> None:
    """Two recordings in one file, or trade resumed after a year."""
    rows = minutes_of(*range(50), *range(600_000, 600_050))
    recording = load_recording(write(tmp_path, HEADER, *rows), Timeframe.M1)

    assert len(recording.candles) == 100
    assert recording.rejected == []


@given(st.permutations(range(12)))
def test_what_is_kept_ascends_and_nothing_is_lost_silently(offsets: list[int]) -> None:
    """M3.4: every row is a candle or is quarantined; a file in order is kept whole."""
    with TemporaryDirectory() as directory:
        path = write(Path(directory), HEADER, *minutes_of(*offsets))
        recording = load_recording(path, Timeframe.M1)

    kept = [candle.ts for candle in recording.candles]
    assert kept == sorted(kept)
    assert len(kept) + len(recording.rejected) == 12
    if offsets == sorted(offsets):
        assert len(kept) == 12


def test_a_quote_that_is_never_closed_spoils_its_own_row(tmp_path: Path) -> None:
    """M3.4: a row is a line."""
    bad = '2022-03-01T00:01:00Z,"10,11,9,10,3'
    quoted = '"2022-03-01T00:02:00Z","10",11,9,10.5,3'
    recording = load_recording(write(tmp_path, HEADER, GOOD, bad, quoted, LATER), Timeframe.M1)

    assert [candle.ts.minute for candle in recording.candles] == [0, 2, 5]
    assert [(row.line, row.reason) for _, row in recording.rejected] == [
        (3, "2 columns instead of 6")
    ]


def test_bytes_that_are_no_text_spoil_their_own_row(tmp_path: Path) -> None:
    path = tmp_path / "BTC_1m.csv"
    bad = b"2022-03-01T00:01:00Z,\xff\xfe,11,9,10,3"
    path.write_bytes(b"\r\n".join([HEADER.encode(), GOOD.encode(), bad, b"", LATER.encode()]))
    recording = load_recording(path, Timeframe.M1)

    assert [candle.ts.minute for candle in recording.candles] == [0, 5]
    assert [(row.line, row.reason) for _, row in recording.rejected] == [
        (3, "a value is not a number")
    ]


def test_a_time_beyond_all_times_is_named_like_any_other(tmp_path: Path) -> None:
    row = "0001-01-01T00:00:00+05:00,10,11,9,10,3"
    recording = load_recording(write(tmp_path, HEADER, GOOD, row), Timeframe.M1)

    assert [row.reason for _, row in recording.rejected] == ["ts is no ISO 8601 time"]


def test_an_identical_duplicate_is_skipped(tmp_path: Path) -> None:
    recording = load_recording(write(tmp_path, HEADER, GOOD, GOOD, LATER), Timeframe.M1)

    assert len(recording.candles) == 2
    assert recording.duplicates == [datetime(2022, 3, 1, tzinfo=UTC)]
    assert recording.rejected == []


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((), "the file is empty"),
        ((HEADER,), "the file holds no rows"),
        (
            ("ts,open,high,low,close", GOOD),
            "columns are missing: volume (there are: ts, open, high, low, close)",
        ),
    ],
)
def test_a_file_that_is_no_recording_is_rejected_as_a_whole(
    tmp_path: Path, rows: tuple[str, ...], reason: str
) -> None:
    path = tmp_path / "BTC_1m.csv"
    path.write_text("\n".join(rows))
    recording = load_recording(path, Timeframe.M1)

    assert recording.candles == []
    assert recording.flaw is not None
    assert (recording.flaw.line, recording.flaw.reason) == (None, reason)


def test_bytes_that_are_no_text_are_a_flaw_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "BTC_1m.csv"
    path.write_bytes(b"\xff\xfe\x00\x01" * 100)

    flaw = load_recording(path, Timeframe.M1).flaw
    assert flaw is not None
    assert flaw.reason.startswith("unreadable")


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    path = write(
        tmp_path, "volume,close,low,high,open,ts,note", "3,10.5,9,11,10,2022-03-01T00:00:00Z,x"
    )
    recording = load_recording(path, Timeframe.M1)

    (candle,) = recording.candles
    assert (candle.open, candle.high, candle.low, candle.close) == (10, 11, 9, 10.5)


def test_a_packed_file_reads_the_same(tmp_path: Path) -> None:
    plain = write(tmp_path, HEADER, GOOD, LATER)
    packed = tmp_path / "BTC_1m.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert load_recording(packed, Timeframe.M1) == load_recording(plain, Timeframe.M1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BTCUSDT_1m.csv", ("BTCUSDT", Timeframe.M1)),
        ("A_B_1h.csv.gz", ("A_B", Timeframe.H1)),
        ("BTC_1d.parquet", ("BTC", Timeframe.D1)),
        ("BTC_7m.csv", None),
        ("INDEX.md", None),
    ],
)
def test_the_name_of_a_file_says_symbol_and_timeframe(
    name: str, expected: tuple[str, Timeframe] | None
) -> None:
    assert parse_name(Path(name)) == expected
