"""Recorded candles from CSV, gzipped CSV or Parquet, validated row by row."""

import codecs
import gzip
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.candle_rules import candle_flaw
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.candle_times import NO_ZONE, read_time
from tradebotd.feeds.csv_layout import Row, is_preamble, layout_of, rows_of
from tradebotd.feeds.other_formats import by_content
from tradebotd.feeds.parquet_candles import open_parquet
from tradebotd.feeds.recording import (
    COLUMNS,
    FileFlawError,
    Recording,
    ReplacedCandle,
    as_row,
    flawed,
    placed,
)
from tradebotd.feeds.row_order import arrange, refuse_another_timeframe

SUFFIXES: Final = (".csv", ".csv.gz", ".parquet")
_RAW_LIMIT: Final = 2_000
_HEAD_BYTES: Final = 64
_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"
_MOST_TOLD: Final = 80  # characters of a row that is shown
_WITH_ZONE: Final = ", write UTC as 2025-01-31T23:00:00Z or unix time"
_FEW: Final = 0.05  # of all rows
_PREAMBLE_LINES: Final = 20
# BTCUSDT_1m, and with the month or the day of an archive: BTCUSDT-1m-2025-01.
_NAME: Final = re.compile(
    rf"(.+)[_-]({'|'.join(Timeframe)})(?:[_-]\d{{4}}(?:-\d{{2}}){{0,2}})?", re.DOTALL
)


def parse_name(path: Path) -> tuple[str, Timeframe] | None:
    """Parse a file name: `BTCUSDT_1m.csv.gz` is (BTCUSDT, 1m); None if it has another form."""
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        return None
    found = _NAME.fullmatch(path.name.removesuffix(suffix))
    return None if found is None else (found[1], Timeframe(found[2]))


def load_recording(
    path: Path, timeframe: Timeframe, *, symbol: str | None = None, source: str | None = None
) -> Recording:
    """Read and validate *path*. Never raises because of the file's content.

    *symbol*: as in the file's name; *source*: the file's name in messages.
    """
    source = source or path.name
    if symbol is None:
        symbol = (parse_name(path) or (path.name, timeframe))[0]
    try:
        _refuse_other_formats(path)
        if path.name.endswith(".parquet"):
            time_name, rows = open_parquet(path, symbol)
            return _Judge(source, timeframe, time_name).recording(rows)
        with _open_text(path) as file:
            recording, wanted = _from_csv(file, source, symbol, timeframe)
        if wanted:
            _add_raw(path, recording, wanted)
    except FileFlawError as flaw:
        return flawed(source, str(flaw))
    except (EOFError, zlib.error) as error:
        return flawed(source, f"unreadable: damaged, or cut off ({error}): download it again")
    except OSError as error:
        return flawed(source, f"unreadable: {error.strerror or error}")
    return recording


def _refuse_other_formats(path: Path) -> None:
    """Raises FileFlawError for what the name says wrongly, OSError, EOFError, zlib.error."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    packed, parquet = path.name.endswith(".gz"), path.name.endswith(".parquet")
    if packed and head and not head.startswith(_GZIP):
        raise FileFlawError(
            "unreadable: its name says that it is gzipped, and it is not; a plain CSV is named .csv"
        )
    if packed:
        with gzip.open(path, "rb") as unpacked:
            head = unpacked.read(_HEAD_BYTES)
    other = by_content(head)
    if other is not None and not (parquet and head.startswith(_PARQUET)):
        raise FileFlawError(f"unreadable: {other.told()}")
    if parquet and not head:
        raise FileFlawError("the file is empty")
    if other is None and parquet:
        raise FileFlawError(
            "unreadable: its name says that it is Parquet, and it is not; a CSV is named .csv"
        )


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open the file as text; undecodable bytes spoil only their row."""
    packed = path.name.endswith(".gz")
    with gzip.open(path, "rb") if packed else path.open("rb") as head:
        encoding = _encoding_of(head.read(4))
    if packed:
        with gzip.open(path, "rt", encoding=encoding, errors="replace") as text:
            yield text
    else:
        with path.open(encoding=encoding, errors="replace") as text:
            yield text


def _encoding_of(head: bytes) -> str:
    """Return the encoding of the byte order mark; UTF-8 without one."""
    is_utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_utf_16 else "utf-8-sig"


def _from_csv(
    file: TextIO, source: str, symbol: str, timeframe: Timeframe
) -> tuple[Recording, AbstractSet[int]]:
    """Return the recording and the lines whose text is still needed. Raises FileFlawError."""
    lines = enumerate(file, start=1)
    number, first = next(
        ((number, line) for number, line in lines if not is_preamble(line)), (0, "")
    )
    if not number:
        raise FileFlawError("the file is empty")
    if number > _PREAMBLE_LINES:
        raise FileFlawError(f"no header in the first {_PREAMBLE_LINES} lines")
    layout = layout_of(first, symbol, timeframe)
    judge = _Judge(source, timeframe, layout.time_name)
    rest = lines if layout.has_header else _again(number, first, lines)
    return judge.recording(rows_of(rest, layout)), judge.wanted


def _again(number: int, first: str, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield number, first
    yield from lines


def _add_raw(path: Path, recording: Recording, wanted: AbstractSet[int]) -> None:
    """Add the text of valid rows that were left out because of others; few, so read again."""
    found: dict[int | None, str] = {}
    with _open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if number in wanted:
                found[number] = _raw(line)
                if len(found) == len(wanted):
                    break
    recording.rejected = [
        (at, replace(row, raw=found[row.line]) if row.line in found else row)
        for at, row in recording.rejected
    ]


class _Judge:
    """Validator of one file's rows. `wanted`: lines left out whose text was not kept."""

    def __init__(self, source: str, timeframe: Timeframe, time_name: str) -> None:
        self._source = source
        self._timeframe = timeframe
        self._time_name = time_name
        self._loose: list[tuple[datetime | None, RejectedCandle]] = []
        self.wanted: set[int] = set()

    def recording(self, rows: Iterable[Row]) -> Recording:
        """Return the recording. Raises FileFlawError if no row is left."""
        candles: list[Candle] = []
        lines = array("L")
        newest: datetime | None = None
        ascends = True
        count = 0
        for count, (line, values, raw) in enumerate(rows, start=1):  # noqa: B007 - counted
            candle = self._parse(values)
            if not isinstance(candle, Candle):
                ts, reason = candle
                rejected = RejectedCandle(self._source, line, ts, reason, _raw(raw))
                self._loose.append((ts or newest, rejected))
                continue
            if newest is not None and candle.ts <= newest:
                ascends = False
            newest = candle.ts
            candles.append(candle)
            lines.append(line)
        if not count:
            raise FileFlawError("the file holds no rows")
        if not candles:
            bad = self._loose[0][1]
            way = _WITH_ZONE if bad.reason.endswith(NO_ZONE) else ""
            raise FileFlawError(
                f"no row is a candle; the first: line {bad.line}: {bad.reason}{way}"
                f" ({bad.raw.strip()[:_MOST_TOLD]})"
            )
        arranged = arrange(candles, lines, self._timeframe, ascends=ascends)
        if len(self._loose) < _FEW * count:  # else it is the rows that are wrong
            refuse_another_timeframe(arranged.candles, self._timeframe)
        for line, candle, reason in arranged.left_out:
            row = RejectedCandle(self._source, line, candle.ts, reason, as_row(candle))
            self._loose.append((candle.ts, row))
        for line, candle, reason in arranged.replaced:
            row = ReplacedCandle(
                self._source, line, candle.ts, reason, as_row(candle), by_another_file=False
            )
            self._loose.append((candle.ts, row))
        self.wanted.update(line for line, *_ in (*arranged.left_out, *arranged.replaced))
        kept = arranged.candles
        return Recording(
            candles=kept,
            rejected=placed(self._loose, self._timeframe, kept[0].ts, kept[-1].ts),
            duplicates=arranged.duplicates,
            rows=count,
            notes=[] if arranged.note is None else [f"{arranged.note}: sorted"],
        )

    def _parse(self, values: Sequence[str]) -> Candle | tuple[datetime | None, str]:
        """Return the candle, or the time and the reason why the row is none."""
        if len(values) != len(COLUMNS):
            return None, values[0]
        ts = read_time(values[0], self._timeframe)
        if isinstance(ts, str):
            return None, f"{self._time_name} {ts}"
        try:
            open_, high, low, close, volume = map(float, values[1:])
        except ValueError:
            return ts, "a value is not a number"
        flaw = candle_flaw(ts, (open_, high, low, close), volume, self._timeframe)
        return (ts, flaw) if flaw else Candle(ts, open_, high, low, close, volume)


def _raw(line: str) -> str:
    return line.rstrip("\r\n")[:_RAW_LIMIT].replace("\x00", "\\0")  # PostgreSQL's text knows no NUL
