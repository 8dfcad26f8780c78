"""Layout of a CSV file: its columns and number format, derived from the first lines."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.candle_times import unix_time
from tradebotd.feeds.recording import COLUMNS, FileFlawError

# In order of preference; the last two are a nameless index, as pandas writes it to CSV and Parquet.
TIME_COLUMNS: Final = (
    *("ts", "timestamp", "open_time", "open time", "unix", "datetime", "time", "date"),
    *("", "__index_level_0__"),
)
SEPARATORS: Final = (",", ";", "\t")
_UNDECODABLE: Final = "\N{REPLACEMENT CHARACTER}"
_HEADER: Final = ",".join(COLUMNS)
# Binance's public archive: open_time, open, high, low, close, volume, close_time, quote_volume, …
_KLINE_WIDTH: Final = 12
_KLINE_CLOSE: Final = 6
_LOOKED_AT: Final = 200  # rows examined to detect the number format
_MOST_TOLD: Final = 100  # characters of a header that is not understood
_COMMA: Final = re.compile(r"-?(\d*),(\d+)")


# The line's number, from 1; the values of the six columns, in their order, or as the only one why
# there are none; the line as it came. A plain tuple: there are half a million a year.
Row = tuple[int, Sequence[str], str]


class Layout(NamedTuple):
    """Layout; `places`: of the six columns among *width*; `time_name`: name of the time column."""

    separator: str
    places: tuple[int, ...]
    width: int
    time_name: str
    has_header: bool


def is_preamble(line: str) -> bool:
    """Return whether the line is empty, a remark or a URL, as CryptoDataDownload writes on top."""
    return not line.strip() or line.startswith(("#", "http://", "https://"))


def layout_of(first: str, symbol: str, timeframe: Timeframe) -> Layout:
    """Derive the layout from the *first* line with content. Raises FileFlawError."""
    text = first.strip("\r\n")
    if _UNDECODABLE in text or not text.replace("\t", "").isprintable():
        raise FileFlawError("unreadable: the first line is no text")
    separator = max(SEPARATORS, key=text.count)  # a comma if there is none
    names = [name.strip().lower() for name in split(text, separator)]
    if any(_is_number(name) for name in names):
        return _without_header(names, separator, timeframe)
    places = columns_of(names, symbol)
    return Layout(
        separator=separator,
        places=places,
        width=len(names),
        time_name=names[places[0]] or "the first column",
        has_header=True,
    )


def columns_of(names: Sequence[str], symbol: str) -> tuple[int, ...]:
    """Return the places of the six columns among lower-case *names*. Raises FileFlawError."""
    named = {"ts": _time_column(names), "volume": _volume_column(names, symbol)}
    wanted = [named.get(column, column) for column in COLUMNS]
    missing = [
        column
        for column, name in zip(COLUMNS, wanted, strict=True)
        if name is None or name not in names
    ]
    if missing:
        there = ", ".join(name or "a nameless one" for name in names)[:_MOST_TOLD]
        raise FileFlawError(f"columns are missing: {', '.join(missing)} (there are: {there})")
    found = [name for name in wanted if name is not None]
    if twice := [name for name in found if names.count(name) > 1]:
        raise FileFlawError(f"two columns are named {twice[0]}")
    return tuple(names.index(name) for name in found)


def _time_column(names: Sequence[str]) -> str | None:
    found = [name for name in TIME_COLUMNS if name in names]
    if found[:2] == ["time", "date"]:
        raise FileFlawError("date and time stand in two columns; write them as one, with a zone")
    if found == [""] and names[0]:
        return None
    return found[0] if found else None


def _volume_column(names: Sequence[str], symbol: str) -> str | None:
    """Return `volume`, else e.g. `volume btc` if the symbol tells base and quote asset apart."""
    if "volume" in names:
        return "volume"
    of_asset = [name for name in names if name.startswith("volume ")]
    if len(of_asset) != 2:
        return None
    plain = re.sub("[^a-z0-9]", "", symbol.lower())
    for base, quote in (of_asset, of_asset[::-1]):
        pair = base.removeprefix("volume ") + quote.removeprefix("volume ")
        if plain.endswith(pair):
            return base
    return None


def _without_header(values: Sequence[str], separator: str, timeframe: Timeframe) -> Layout:
    """Recognize Binance's public klines without a header. Raises FileFlawError for other files."""
    if len(values) != _KLINE_WIDTH or separator != ",":
        further = "".join(f",x{number}" for number in range(1, len(values) - len(COLUMNS) + 1))
        raise FileFlawError(
            f"line 1 is data, not a header; write {_HEADER}{further} above it, or in whatever order"
            " its columns are"
        )
    opened, closed = unix_time(values[0]), unix_time(values[_KLINE_CLOSE])
    if opened is None or closed is None:
        raise FileFlawError("12 columns without a header, and no Binance klines: write a header")
    # The close is the last millisecond or microsecond before the next candle's open.
    seconds = round((closed - opened).total_seconds())
    if seconds != timeframe.seconds:
        raise FileFlawError(
            f"Binance klines of {seconds} s; by the file's name they are of {timeframe}"
        )
    return Layout(
        separator=separator,
        places=tuple(range(len(COLUMNS))),
        width=_KLINE_WIDTH,
        time_name="open_time",
        has_header=False,
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def split(line: str, separator: str) -> list[str]:
    """Split one line; a quote that is never closed must not swallow the following rows."""
    if '"' not in line:
        return line.rstrip("\r\n").split(separator)
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:
        return [line]


def rows_of(lines: Iterable[tuple[int, str]], layout: Layout) -> Iterator[Row]:
    """Yield each line's six columns. Raises FileFlawError for an ambiguous decimal comma."""
    rows = _cut(lines, layout)
    return rows if layout.separator == "," else _with_points(rows)


def _cut(lines: Iterable[tuple[int, str]], layout: Layout) -> Iterator[Row]:
    separator, places, width = layout.separator, layout.places, layout.width
    as_written = places == tuple(range(width))
    for number, line in lines:
        if line.isspace():
            continue
        row = split(line, separator)
        if len(row) != width:
            yield number, (f"{len(row)} columns instead of {width}",), line
        elif as_written:
            yield number, row, line
        else:
            yield number, [row[place] for place in places], line


def _with_points(rows: Iterator[Row]) -> Iterator[Row]:
    """Replace decimal commas by points if the first rows show unambiguously that they are such."""
    looked_at = list(islice(rows, _LOOKED_AT))
    if not _has_decimal_commas(looked_at):
        yield from looked_at
        yield from rows
        return
    for number, (first, *others), raw in chain(looked_at, rows):
        # A point would be a thousands separator: such a value is rejected.
        values = ["" if "." in value else value.replace(",", ".", 1) for value in others]
        yield number, [first, *values], raw


def _has_decimal_commas(rows: Sequence[Row]) -> bool:
    """Return whether commas are decimal. Raises FileFlawError if that is ambiguous.

    Ambiguous is a comma as in `93,576`, or commas beside points.
    """
    values = [value.strip() for _, (__, *others), ___ in rows for value in others]
    commas = [found for value in values if (found := _COMMA.fullmatch(value))]
    if not commas:
        return False
    if any("." in value for value in values):
        raise FileFlawError("numbers with a decimal comma and with a point stand side by side")
    if all(_may_be_thousands(found[1], found[2]) for found in commas):
        raise FileFlawError(
            f"the comma of {commas[0][0]} may be a decimal or a thousands one; write points"
        )
    return True


def _may_be_thousands(whole: str, part: str) -> bool:
    return len(part) == 3 and whole not in {"", "0"}
