"""Rows of a Parquet file as text, in batches of thousands; needs the extra `parquet`."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tradebotd.feeds.csv_layout import Row, columns_of
from tradebotd.feeds.recording import FileFlawError

NEEDED: Final = (
    "Parquet needs pyarrow, which is not installed: install requirements-parquet.txt, or"
    " the extra `parquet`"
)
_BATCH_ROWS: Final = 10_000


def open_parquet(path: Path, symbol: str) -> tuple[str, Iterator[Row]]:
    """Return the name of the time column, and the rows, numbered as if line 1 were a header.

    Raises FileFlawError, OSError; so does iterating over the rows.
    """
    if find_spec("pyarrow") is None:
        raise FileFlawError(NEEDED)
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an optional extra

    try:
        names: Sequence[str] = parquet.read_schema(path).names
    except ArrowException as error:
        raise FileFlawError(f"unreadable: {error}") from error
    wanted = [names[place] for place in columns_of([_plain(name) for name in names], symbol)]
    return _plain(wanted[0]) or "the index", _rows(path, wanted)


def _plain(name: str) -> str:
    return name.strip().lower()


def _rows(path: Path, wanted: Sequence[str]) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an optional extra

    number = 1
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(wanted)):
                table: Mapping[str, Sequence[object]] = batch.to_pydict()
                for row in zip(*(table[name] for name in wanted), strict=True):
                    number += 1
                    values = [str(value) for value in row]
                    yield number, values, ",".join(values)
    # Values that Python cannot represent: years out of range, unknown zones or encodings.
    except (ArrowException, ValueError, OverflowError, KeyError) as error:
        words = str(error) or type(error).__name__
        raise FileFlawError(f"unreadable after row {number}: {words}") from error
