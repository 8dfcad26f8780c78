"""Files that are no CSV or Parquet: what they are, and what to do with them."""

import re
from typing import Final, NamedTuple

from tradebotd.domain.timeframe import Timeframe


class Format(NamedTuple):
    """`name` with its article; `way`: what an operator does with such a file."""

    name: str
    way: str

    def told(self) -> str:
        return f"{self.name}: {self.way}"


_WITH_FREQTRADE: Final = (
    "`freqtrade convert-data --format-from {0} --format-to parquet` makes Parquet of it"
)
_UNPACK: Final = "unpack it"
FEATHER: Final = Format(
    "a Feather file, which is not read in this version",
    f"{_WITH_FREQTRADE.format('feather')}, or pandas: read_feather(FILE).to_csv(CSV, index=False)",
)
_JSON_WAY: Final = (
    "or pandas (ccxt's lists, too): DataFrame(json.load(open(FILE)), columns="
    "['ts', 'open', 'high', 'low', 'close', 'volume']).to_csv(CSV, index=False)"
)
JSON: Final = Format(
    "JSON, which is not read in this version", f"{_WITH_FREQTRADE.format('json')}, {_JSON_WAY}"
)
_JSON_GZ: Final = Format(
    "gzipped JSON, which is not read in this version",
    f"{_WITH_FREQTRADE.format('jsongz')}, {_JSON_WAY}",
)
_JSON_LINES: Final = Format(
    "JSON lines, which are not read",
    "pandas: read_json(FILE, lines=True, convert_dates=False).to_csv(CSV, index=False)",
)
_ZIP: Final = Format("a ZIP archive", f"{_UNPACK}; CSV files packed with gzip are read as they are")
_PACKED: Final = Format("packed", f"{_UNPACK}, or pack it with gzip")
_TAR: Final = Format("a tar archive", _UNPACK)
_SHEET: Final = Format("a spreadsheet", "save it as CSV, with times in UTC that say so")
_HDF5: Final = Format("an HDF5 file, which is not read", "write it as Parquet or CSV")
_SQLITE: Final = Format("an SQLite database, which is not read", "write its candles as CSV")
_PICKLE: Final = Format("a pickle, which is never read (it may run code)", "write Parquet or CSV")

# By the end of a name, the longest that fits first.
_BY_SUFFIX: Final[dict[str, Format]] = {
    ".json.gz": _JSON_GZ,
    ".tar.gz": _TAR,
    **dict.fromkeys((".feather", ".arrow", ".ipc"), FEATHER),
    ".json": JSON,
    **dict.fromkeys((".jsonl", ".ndjson"), _JSON_LINES),
    ".zip": _ZIP,
    **dict.fromkeys((".tgz", ".tar"), _TAR),
    **dict.fromkeys((".bz2", ".xz", ".zst", ".7z", ".rar", ".lz4"), _PACKED),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _SHEET),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), _HDF5),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), _SQLITE),
    **dict.fromkeys((".pkl", ".pickle"), _PICKLE),
}
_TEXTS: Final = (".csv", ".csv.gz", ".parquet", ".pq", ".gz", ".txt", ".tsv")
_TIMEFRAMES: Final = " ".join(Timeframe)
# What freqtrade adds to the names of futures; of these only the first was traded.
_FREQTRADE: Final = re.compile(
    r".+-\d+[a-zA-Z]+-(futures|mark|index|premiumIndex|funding_rate|open_interest)\..+"
)

# By how a file begins. Not `[`: what is no JSON may begin so, and is looked at more closely.
_BY_HEAD: Final = (
    (b"ARROW1", FEATHER),
    (b"FEA1", FEATHER),
    (b"PAR1", Format("a Parquet file", "name it .parquet")),
    (b"PK\x03\x04", Format("a ZIP archive or a spreadsheet", "unpack it, or save it as CSV")),
    (b"\x1f\x8b", Format("a gzip file", "name it .csv.gz")),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"\xfd7zXZ", _PACKED),
    (b"BZh", _PACKED),
    (b"7z\xbc\xaf", _PACKED),
    (b"\xd0\xcf\x11\xe0", _SHEET),
    (b"\x89HDF", _HDF5),
    (b"SQLite format 3", _SQLITE),
    (b"\x80\x04\x95", _PICKLE),
    (b"\x80\x05\x95", _PICKLE),
)
_MARK: Final = b"\xef\xbb\xbf"
_PAGES: Final = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<error")
_PAGE: Final = Format("a web page or XML, and no data", "look into it, and download it again")


def by_name(name: str) -> str | None:
    """The reason why a file of this *name* is not read; None where it looks like no data."""
    lower = name.lower()
    for suffix, known in _BY_SUFFIX.items():
        if lower.endswith(suffix):
            return f"it is {known.told()}"
    if not lower.endswith(_TEXTS):
        return None
    if found := _FREQTRADE.fullmatch(name):
        if found[1] == "futures":
            return "it is named as freqtrade's futures are: take `-futures` out of its name"
        return f"it holds no traded prices, but freqtrade's `{found[1]}`"
    return (
        "it is not named SYMBOL_TIMEFRAME.csv, .csv.gz or .parquet, in lower case but for the"
        f" symbol (timeframes: {_TIMEFRAMES})"
    )


def by_content(head: bytes) -> Format | None:
    """The format of a file that begins with *head*; None where it may be a CSV."""
    for start, known in _BY_HEAD:
        if head.startswith(start):
            return known
    text = head.removeprefix(_MARK).lstrip()
    if text.startswith((b"[", b"{")):
        return JSON
    return _PAGE if text.lower().startswith(_PAGES) else None
