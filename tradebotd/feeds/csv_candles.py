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
from tradebotd.feeds.row_order import RowCandle, in_order

COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume")
SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
_RAW_LIMIT: Final = 2_000
_UNDECODABLE: Final = "\N{REPLACEMENT CHARACTER}"

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
    except (OSError, EOFError, zlib.error) as error:
        return _flawed(path, f"unreadable: {type(error).__name__}: {error}")


class _FileFlawError(Exception):
    """The file as a whole is no recording."""


def _flawed(path: Path, reason: str) -> Recording:
    return Recording(flaw=RejectedCandle(path.name, None, None, reason, ""))


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Bytes that are no text spoil their row only."""
    if path.name.endswith(".gz"):
        with gzip.open(path, "rt", encoding="utf-8-sig", errors="replace") as packed:
            yield packed
    else:
        with path.open(encoding="utf-8-sig", errors="replace") as plain:
            yield plain


def _csv_rows(file: TextIO) -> Iterator[_NumberedRow]:
    """Line number (the header is line 1) and the six columns, in their order, as text."""
    header = file.readline()
    if not header.strip():
        raise _FileFlawError("the file is empty")
    if _UNDECODABLE in header:
        raise _FileFlawError("unreadable: the first line is no text")
    names = [name.strip().lower() for name in _split(header)]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise _FileFlawError(f"columns are missing: {', '.join(missing)}")
    places = [names.index(name) for name in COLUMNS]
    as_written = places == list(range(len(COLUMNS))) == list(range(len(names)))
    for number, line in enumerate(file, start=2):
        if line.isspace():
            continue
        row = _split(line)
        if as_written:
            yield number, row
        elif len(row) == len(names):
            yield number, [row[place] for place in places]
        else:
            yield number, [*row, *[""] * len(COLUMNS)] if len(row) > len(names) else row


def _split(line: str) -> list[str]:
    """A row is a line: a quote that is never closed must not swallow the rows behind it."""
    if '"' not in line:
        return line.rstrip("\r\n").split(",")
    try:
        return next(csv.reader([line]))
    except csv.Error:
        return [line]


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
    loose: list[tuple[datetime | None, RejectedCandle]] = []
    at_time: dict[datetime, RowCandle] = {}
    newest: datetime | None = None
    empty = True

    def reject(line: int, row: Sequence[str], ts: datetime | None, reason: str) -> None:
        loose.append((ts or newest, RejectedCandle(source, line, ts, reason, _raw(row))))

    for line, row in rows:
        empty = False
        candle = _parse(row, timeframe)
        if not isinstance(candle, Candle):
            reject(line, row, *candle)
            continue
        newest = candle.ts
        known = at_time.setdefault(candle.ts, RowCandle(line, candle, row))
        if known.line == line:
            continue
        if known.candle == candle:
            found.duplicates.append(candle.ts)
        else:
            reject(line, row, candle.ts, f"differs from line {known.line}")
    if empty:
        raise _FileFlawError("the file holds no rows")
    kept, wrong = in_order(list(at_time.values()), timeframe)
    for bad, reason in wrong:
        reject(bad.line, bad.row, bad.candle.ts, reason)
    if not kept:
        raise _FileFlawError(f"no row is a candle; the first: {loose[0][1].reason}")
    found.candles = [row.candle for row in kept]
    found.rejected = _placed(loose, timeframe, kept[0].candle.ts, kept[-1].candle.ts)
    held = {row.candle.ts for row in kept} if found.duplicates else set()
    found.duplicates = sorted(ts for ts in found.duplicates if ts in held)
    return found


def _placed(
    loose: list[tuple[datetime | None, RejectedCandle]],
    timeframe: Timeframe,
    first: datetime,
    last: datetime,
) -> list[tuple[datetime, RejectedCandle]]:
    """A row that is bad counts at a time that a reader of the good ones will come by: on the grid.

    Between two grid times nobody looks: who asks for what is newer begins at the next one.
    """
    placed = [
        (min(max(timeframe.floor(at) if at else first, first), last), row) for at, row in loose
    ]
    return sorted(placed, key=lambda each: each[0])


def _parse(row: Sequence[str], timeframe: Timeframe) -> Candle | tuple[datetime | None, str]:
    """The candle, or when and why it is none."""
    if len(row) != len(COLUMNS):
        return _time_of(row), f"{len(row)} columns instead of {len(COLUMNS)}"
    try:
        ts = datetime.fromisoformat(row[0])
        if ts.tzinfo is None:
            return None, "ts has no time zone"
        if ts.tzinfo is not UTC:
            ts = ts.astimezone(UTC)
    except (ValueError, OverflowError):
        return None, "ts is no ISO 8601 time"
    try:
        open_, high, low, close, volume = map(float, row[1:])
    except ValueError:
        return ts, "a value is not a number"
    flaw = candle_flaw(ts, (open_, high, low, close), volume, timeframe)
    return (ts, flaw) if flaw else Candle(ts, open_, high, low, close, volume)


def _time_of(row: Sequence[str]) -> datetime | None:
    try:
        ts = datetime.fromisoformat(row[0])
        return None if ts.tzinfo is None else ts.astimezone(UTC)
    except (ValueError, IndexError, OverflowError):
        return None


def _raw(row: Sequence[str]) -> str:
    return ",".join(row)[:_RAW_LIMIT].replace("\x00", "\\0")  # PostgreSQL's text knows no NUL
