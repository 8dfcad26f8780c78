"""Recorded candles from CSV, gzipped CSV or Parquet, row by row judged."""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TextIO

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.candle_rules import candle_flaw
from tradebotd.domain.timeframe import Timeframe

COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume")
SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
_RAW_LIMIT: Final = 2_000

_NumberedRow = tuple[int, Sequence[str]]


@dataclass(slots=True)
class Recording:
    """One file. `rejected` and `duplicates` carry the time at which they count, both ascending.

    `flaw` is set when the file as a whole is no recording: then there are no candles.
    """

    candles: list[Candle] = field(default_factory=list)
    rejected: list[tuple[datetime, RejectedCandle]] = field(default_factory=list)
    duplicates: list[datetime] = field(default_factory=list)
    flaw: RejectedCandle | None = None


def parse_name(path: Path) -> tuple[str, Timeframe] | None:
    """`BTCUSDT_1m.csv.gz` is (BTCUSDT, 1m); None for files named otherwise."""
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        return None
    name, _, timeframe = path.name.removesuffix(suffix).rpartition("_")
    if not name or timeframe not in tuple(Timeframe):
        return None
    return name, Timeframe(timeframe)


def load_recording(path: Path, timeframe: Timeframe) -> Recording:
    """Read and judge *path*. Never raises for what the file holds."""
    try:
        if path.name.endswith(".parquet"):
            return _judge(path.name, _parquet_rows(path), timeframe)
        with _open_text(path) as file:
            return _judge(path.name, _csv_rows(file), timeframe)
    except _FileFlawError as flaw:
        return _flawed(path, str(flaw))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        return _flawed(path, f"unreadable: {type(error).__name__}: {error}")


class _FileFlawError(Exception):
    """The file as a whole is no recording."""


def _flawed(path: Path, reason: str) -> Recording:
    return Recording(flaw=RejectedCandle(path.name, None, None, reason, ""))


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    if path.name.endswith(".gz"):
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as packed:
            yield packed
    else:
        with path.open(encoding="utf-8-sig", newline="") as plain:
            yield plain


def _csv_rows(file: TextIO) -> Iterator[_NumberedRow]:
    """Line number (the header is line 1) and the six columns, in their order, as text."""
    reader = csv.reader(file)
    header = next(reader, None)
    if header is None:
        raise _FileFlawError("the file is empty")
    names = [name.strip().lower() for name in header]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise _FileFlawError(f"columns are missing: {', '.join(missing)}")
    places = [names.index(name) for name in COLUMNS]
    as_written = places == list(range(len(COLUMNS))) == list(range(len(names)))
    for row in reader:
        if not row:
            continue
        if as_written:
            yield reader.line_num, row
        elif len(row) == len(names):
            yield reader.line_num, [row[place] for place in places]
        else:
            yield reader.line_num, [*row, *[""] * len(COLUMNS)] if len(row) > len(names) else row


def _parquet_rows(path: Path) -> Iterator[_NumberedRow]:
    if find_spec("pyarrow") is None:
        raise _FileFlawError("Parquet needs pyarrow, which is not installed")
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an optional extra

    try:
        table: Mapping[str, Sequence[object]] = parquet.read_table(path).to_pydict()
    except ArrowException as error:
        raise _FileFlawError(f"unreadable: {error}") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise _FileFlawError(f"columns are missing: {', '.join(missing)}")
    for number, row in enumerate(zip(*(table[name] for name in COLUMNS), strict=True), start=2):
        yield number, [str(value) for value in row]


def _judge(source: str, rows: Iterable[_NumberedRow], timeframe: Timeframe) -> Recording:
    found = Recording()
    candles = found.candles
    loose: list[tuple[datetime | None, RejectedCandle]] = []
    line_of: dict[datetime, tuple[int, Candle]] = {}
    newest: datetime | None = None
    empty = True
    for line, row in rows:
        empty = False
        candle = _parse(row, timeframe)
        if isinstance(candle, Candle):
            known = line_of.get(candle.ts)
            if known is None and (newest is None or candle.ts > newest):
                candles.append(candle)
                line_of[candle.ts] = (line, candle)
                newest = candle.ts
                continue
            if known is not None and known[1] == candle:
                found.duplicates.append(candle.ts)
                continue
            ts: datetime | None = candle.ts
            reason = "out of order" if known is None else f"differs from line {known[0]}"
        else:
            ts, reason = candle
        loose.append((ts or newest, RejectedCandle(source, line, ts, reason, _raw(row))))
    if empty:
        raise _FileFlawError("the file holds no rows")
    if not candles:
        raise _FileFlawError(f"no row is a candle; the first: {loose[0][1].reason}")
    found.rejected = _within(loose, candles[0].ts, candles[-1].ts)
    found.duplicates.sort()
    return found


def _within(
    loose: list[tuple[datetime | None, RejectedCandle]], first: datetime, last: datetime
) -> list[tuple[datetime, RejectedCandle]]:
    """A row that is bad counts at a time that a reader of the good ones will come by."""
    placed = [(min(max(at or first, first), last), row) for at, row in loose]
    return sorted(placed, key=lambda each: each[0])


def _parse(row: Sequence[str], timeframe: Timeframe) -> Candle | tuple[datetime | None, str]:
    """The candle, or when and why it is none."""
    if len(row) != len(COLUMNS):
        return _time_of(row), f"{len(row)} columns instead of {len(COLUMNS)}"
    try:
        ts = datetime.fromisoformat(row[0])
    except ValueError:
        return None, "ts is no ISO 8601 time"
    if ts.tzinfo is None:
        return None, "ts has no time zone"
    if ts.tzinfo is not UTC:
        ts = ts.astimezone(UTC)
    try:
        open_, high, low, close, volume = map(float, row[1:])
    except ValueError:
        return ts, "a value is not a number"
    flaw = candle_flaw(ts, (open_, high, low, close), volume, timeframe)
    return (ts, flaw) if flaw else Candle(ts, open_, high, low, close, volume)


def _time_of(row: Sequence[str]) -> datetime | None:
    try:
        ts = datetime.fromisoformat(row[0])
    except (ValueError, IndexError):
        return None
    return None if ts.tzinfo is None else ts.astimezone(UTC)


def _raw(row: Sequence[str]) -> str:
    return ",".join(row)[:_RAW_LIMIT].replace("\x00", "\\0")  # PostgreSQL's text knows no NUL
