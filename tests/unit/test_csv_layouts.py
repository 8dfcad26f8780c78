"""Files as other programs write them: read where nothing has to be guessed, else refused."""

import codecs
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.candle_times import read_time
from tradebotd.feeds.csv_candles import load_recording, parse_name
from tradebotd.feeds.recording import Recording

START = datetime(2025, 1, 1, tzinfo=UTC)
CANDLES = [
    Candle(START + timedelta(minutes=n), 10.5 + n, 11.5 + n, 9.25 + n, 10.75 + n, 3.5)
    for n in range(4)
]
ISO = [f"2025-01-01T00:0{n}:00Z" for n in range(4)]
MILLISECONDS = [str(1_735_689_600_000 + 60_000 * n) for n in range(4)]
HEADER = "ts,open,high,low,close,volume"


def rows(times: Sequence[str], separator: str = ",", *, point: str = ".") -> list[str]:
    """The candles with *times* in the first column."""
    return [
        separator.join(
            [at, *(f"{value}".replace(".", point) for value in (c.open, c.high, c.low, c.close, c.volume))]
        )
        for at, c in zip(times, CANDLES, strict=True)
    ]  # fmt: skip


def loaded(folder: Path, content: str | bytes, name: str = "BTCUSDT_1m.csv") -> Recording:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    parsed = parse_name(path)
    assert parsed is not None
    return load_recording(path, parsed[1])


def text(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def unix(step: int) -> list[str]:
    """Times of the candles, *step* units to a second."""
    return [str((1_735_689_600 + 60 * n) * step) for n in range(4)]


KLINES = [
    f"{(1_735_689_600 + 60 * n) * 10**6},{c.open:.8f},{c.high:.8f},{c.low:.8f},{c.close:.8f},{c.volume:.8f},"
    f"{(1_735_689_660 + 60 * n) * 10**6 - 1},768978.00530220,2631,3.95157000,369757.32652890,0"
    for n, c in enumerate(CANDLES)
]
KLINES_IN_MS = [
    f"{(1_735_689_600 + 60 * n) * 10**3},{c.open},{c.high},{c.low},{c.close},{c.volume},"
    f"{(1_735_689_660 + 60 * n) * 10**3 - 1},768978.00530220,2631,3.95157000,369757.32652890,0"
    for n, c in enumerate(CANDLES)
]
CRYPTO_DATA_DOWNLOAD = [
    f"{at},2025-01-01 00:0{n}:00,BTC/USDT,{c.open},{c.high},{c.low},{c.close},{c.volume},999.5,12"
    for n, (at, c) in enumerate(zip(MILLISECONDS, CANDLES, strict=True))
]

READ = {
    "as documented": text(HEADER, *rows(ISO)),
    "a byte order mark": codecs.BOM_UTF8 + text(HEADER, *rows(ISO)).encode(),
    "lines of Windows": "\r\n".join([HEADER, *rows(ISO), ""]),
    "semicolons": text(HEADER.replace(",", ";"), *rows(ISO, ";")),
    "semicolons, decimal commas": text(HEADER.replace(",", ";"), *rows(ISO, ";", point=",")),
    "tabs": text(HEADER.replace(",", "\t"), *rows(ISO, "\t")),
    "upper case": text("Date,Open,High,Low,Close,Volume", *rows(ISO)),
    "quoted": text('"ts","open","high","low","close","volume"', *rows(ISO)),
    "timestamp": text("timestamp,open,high,low,close,volume", *rows(ISO)),
    "unix s": text("time,open,high,low,close,volume", *rows(unix(1))),
    "unix ms": text("timestamp,open,high,low,close,volume", *rows(unix(10**3))),
    "unix us": text("open_time,open,high,low,close,volume", *rows(unix(10**6))),
    "unix ns": text("ts,open,high,low,close,volume", *rows(unix(10**9))),
    "unix as floats": text(HEADER, *rows([f"{each}.0" for each in unix(1)])),
    "seconds, then ms": text(HEADER, *rows([*unix(1)[:2], *unix(1000)[2:]])),
    "another zone": text(HEADER, *rows([f"2025-01-01 02:0{n}:00+02:00" for n in range(4)])),
    "UTC in words": text(HEADER, *rows([f"2025-01-01 00:0{n}:00 UTC" for n in range(4)])),
    "UTF-16": text(HEADER.replace(",", "\t"), *rows(ISO, "\t")).encode("utf-16"),
    "newest first": text(HEADER, *rows(ISO)[::-1]),
    "a nameless index": text(HEADER.removeprefix("ts"), *rows(ISO)),
    "Binance klines, us": text(*KLINES),
    "Binance klines, ms": text(*KLINES_IN_MS),
    "Binance klines of futures": text(
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore",
        *KLINES_IN_MS,
    ),
    "CryptoDataDownload": text(
        "https://www.CryptoDataDownload.com",
        "unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount",
        *CRYPTO_DATA_DOWNLOAD[::-1],
    ),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_what_can_be_read_without_guessing_is_read(tmp_path: Path, content: str | bytes) -> None:
    """M3.1, N10: the same four candles in the layouts of other programs."""
    recording = loaded(tmp_path, content)

    assert (recording.flaw, recording.rejected) == (None, [])
    assert recording.candles == CANDLES
    assert recording.rows == 4


REFUSED = {
    "empty": ("", "the file is empty"),
    "header only": (text(HEADER), "the file holds no rows"),
    "no volume": (text("ts,open,high,low,close", "1,2,3,4,5"), "columns are missing: volume"),
    "no header": (text(*rows(ISO)), f"line 1 is data, not a header; write {HEADER} above it"),
    "no time zone": (
        text("date,open,high,low,close,volume", *rows([f"2025-01-01 00:0{n}:00" for n in range(4)])),
        "no row is a candle; the first: line 2: date has no time zone",
    ),
    "a number that is no time": (
        text(HEADER, *rows(["0", "1", "2", "3"])),
        "no row is a candle; the first: line 2: ts is no unix time of the years 1990 to 2099",
    ),
    "a nameless count": (
        text(HEADER.removeprefix("ts"), *rows(["0", "1", "2", "3"])),
        "no row is a candle; the first: line 2: the first column is no unix time",
    ),
    "German commas between commas": (
        text(HEADER, *rows(ISO, point=",")),
        "no row is a candle; the first: line 2: 11 columns instead of 6",
    ),
    "a comma that may be either": (
        text(HEADER.replace(",", ";"), f"{ISO[0]};93,576;93,577;93,575;93,576;1"),
        "the comma of 93,576 may be a decimal or a thousands one",
    ),
    "commas and points": (
        text(HEADER.replace(",", ";"), f"{ISO[0]};93,5;93.6;93,5;93,5;1"),
        "numbers with a decimal comma and with a point",
    ),
    "date and time apart": (
        text("date,time,open,high,low,close,volume", "2025-01-01,00:00,1,1,1,1,1"),
        "date and time stand in two columns",
    ),
    "a column twice": (text(HEADER + ",close", *(f"{row},9" for row in rows(ISO))), "two columns"),
    "two volumes of other assets": (
        text("ts,open,high,low,close,volume eth,volume dai", *(f"{row},9" for row in rows(ISO))),
        "columns are missing: volume",
    ),
    "12 columns of something else": (
        text(*(f"{row},1,2,3,4,5,6" for row in rows(ISO))),
        "12 columns without a header, and no Binance klines",
    ),
    "UTF-16 without a mark": (text(HEADER, *rows(ISO)).encode("utf-16-le"), "unreadable"),
    "an archive": (b"PK\x03\x04\x14\x00\x00\x00", "unreadable"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_unclear_is_refused_as_a_whole(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    """3.8, N10: with the reason, and the line where there is one."""
    recording = loaded(tmp_path, content)

    assert recording.candles == []
    assert recording.flaw is not None
    assert recording.flaw.reason.startswith(reason)


def test_klines_of_another_interval_than_the_name_says_are_refused(tmp_path: Path) -> None:
    recording = loaded(tmp_path, text(*KLINES), "BTCUSDT_5m.csv")

    assert recording.flaw is not None
    assert recording.flaw.reason == "Binance klines of 60 s; by the file's name they are of 5m"


def test_a_row_that_is_too_short_is_not_read_in_another_order(tmp_path: Path) -> None:
    """M3.4: six values of seven columns are no candle, whatever they would say."""
    header = "ts,close,high,low,open,volume,note"
    recording = loaded(
        tmp_path, text(header, f"{ISO[0]},1,3,1,2,5,x", f"{ISO[1]},1,3,1,2,5")
    )  # fmt: skip

    assert len(recording.candles) == 1
    assert [row.reason for _, row in recording.rejected] == ["6 columns instead of 7"]


def test_a_plain_day_is_a_candle_of_that_day_only(tmp_path: Path) -> None:
    """As Yahoo writes it; at any other timeframe it would be a time without a zone."""
    content = text("Date,Open,High,Low,Close,Adj Close,Volume", "2025-01-02,10,11,9,10,8,3")
    daily = loaded(tmp_path, content, "SPY_1d.csv")
    hourly = loaded(tmp_path, content, "SPY_1h.csv")

    assert [(c.ts, c.close) for c in daily.candles] == [(datetime(2025, 1, 2, tzinfo=UTC), 10)]
    assert hourly.flaw is not None
    assert "date has no time zone" in hourly.flaw.reason


FRAME = pd.DataFrame(
    {key: [getattr(c, key) for c in CANDLES] for key in ("open", "high", "low", "close", "volume")},
    index=pd.DatetimeIndex([c.ts for c in CANDLES]),
)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("name", [None, "date"])
def test_what_pandas_writes_is_read(tmp_path: Path, unit: str, name: str | None) -> None:
    """The real writer: with the index as it is, and as the integers that pandas 2 and 3 make of it."""
    frame = FRAME.copy()
    frame.index = frame.index.as_unit(unit).rename(name)
    as_text, as_numbers = io.StringIO(), io.StringIO()
    frame.to_csv(as_text)
    frame.set_index(frame.index.astype("int64")).to_csv(as_numbers)

    assert loaded(tmp_path, as_text.getvalue()).candles == CANDLES
    assert loaded(tmp_path, as_numbers.getvalue()).candles == CANDLES


@given(st.integers(631_152_000, 4_102_444_799), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_a_unix_time_of_any_unit_is_one_instant(seconds: int, unit: int) -> None:
    """No number is a time of two units."""
    assert read_time(str(seconds * unit), Timeframe.M1) == datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BTCUSDT-1m-2025-01.csv", ("BTCUSDT", Timeframe.M1)),
        ("BTCUSDT-1h-2025-01-31.csv.gz", ("BTCUSDT", Timeframe.H1)),
        ("BTC_USDT-1m.parquet", ("BTC_USDT", Timeframe.M1)),
        ("BTCUSDT_1m_2025.csv", ("BTCUSDT", Timeframe.M1)),
        ("BTCUSDT_1M.csv", None),
        ("BTCUSDT_1min.csv", None),
        ("_1m.csv", None),
    ],
)
def test_the_names_of_archives_say_symbol_and_timeframe(
    name: str, expected: tuple[str, Timeframe] | None
) -> None:
    assert parse_name(Path(name)) == expected
