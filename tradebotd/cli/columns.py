# ruff: noqa: ARG002 - each kind of column uses its own of what all are given
"""Columns of a table, and the order in which they are dropped on a narrow terminal.

Dates are dropped first, then ids and figures (as whole columns: a truncated figure misleads);
names, types and reasons go last. Piped output is never shortened.
"""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tradebotd.cli.formatting import NOTHING, ago, ago_short, even_figures, even_money, fit

Json = dict[str, Any]
Cell = Callable[[Json, datetime | None], str]
Value = Callable[[Json], str | None]

GAP = 2
WORDS = 24  # width that a longer text keeps before columns are dropped


class Column:
    """Column of a table. `right`: right-aligned. `drop`: drop order, lowest first; 0: never.

    `host`: holds host time, which the heading says when the daemon's clock is simulated.
    """

    def __init__(
        self,
        head: str,
        cell: str | Cell,
        *,
        right: bool = False,
        drop: int = 0,
        host: bool = False,
    ) -> None:
        self.head = head
        self.cell: Cell = cell if callable(cell) else _plainly(cell)
        self.right = right
        self.drop = drop
        self.host = host

    def texts(self, rows: Sequence[Json], now: datetime | None, *, short: bool) -> list[str]:
        return [flat(self.cell(row, now)) for row in rows]


def flat(text: str) -> str:
    return " ".join(text.split())


def _plainly(key: str) -> Cell:
    def cell(row: Json, _now: datetime | None) -> str:
        value = row[key]
        return NOTHING if value is None else str(value)

    return cell


class Times(Column):
    """Column of relative times: `3 min ago`, or `3m` where space is short."""

    def __init__(self, head: str, key: str, *, drop: int = 0) -> None:
        super().__init__(head, key, drop=drop)
        self._key = key

    def texts(self, rows: Sequence[Json], now: datetime | None, *, short: bool) -> list[str]:
        tell = ago_short if short else ago
        return [tell(row[self._key], now) for row in rows]


class Figures(Column):
    """Column of figures, all with the same number of decimals so that they can be compared."""

    def __init__(self, head: str, value: str | Value, *, drop: int = 0) -> None:
        super().__init__(head, "", right=True, drop=drop)
        self.value: Value = value if callable(value) else lambda row: row[value]

    def texts(self, rows: Sequence[Json], now: datetime | None, *, short: bool) -> list[str]:
        return even_figures([self.value(row) for row in rows])


class Money(Figures):
    """Column of amounts with their asset, if it is known: one table may hold several assets."""

    def __init__(
        self,
        head: str,
        value: str | Value,
        *,
        asset: str = "quote_asset",
        signed: bool = True,
        drop: int = 0,
    ) -> None:
        super().__init__(head, value, drop=drop)
        self._asset = asset
        self._signed = signed

    def texts(self, rows: Sequence[Json], now: datetime | None, *, short: bool) -> list[str]:
        values = [self.value(row) for row in rows]
        assets = [row.get(self._asset) for row in rows]
        return [
            text if asset is None or text == NOTHING else f"{text} {asset}"
            for text, asset in zip(even_money(values, signed=self._signed), assets, strict=True)
        ]


class Fitted(NamedTuple):
    """Columns fitted to a width; `left_out` holds the headings of the columns that had no room."""

    columns: list[Column]
    heads: list[str]
    cells: list[list[str]]
    widths: list[int]
    left_out: list[str]


def terminal_width() -> int | None:
    """Return the terminal's width; None off a terminal: piped output is not shortened."""
    if not sys.stdout.isatty():
        return None
    import shutil  # noqa: PLC0415 - paid for where there is a terminal

    return shutil.get_terminal_size().columns


def fitted(
    columns: Sequence[Column],
    rows: Sequence[Json],
    now: datetime | None,
    width: int | None,
    *,
    simulated: bool = False,
) -> Fitted:
    """Fit the columns to *width*; None leaves them at their natural width."""
    shown = list(columns)
    heads = [
        f"{column.head} (host)" if column.host and simulated else column.head for column in shown
    ]
    texts = [column.texts(rows, now, short=False) for column in shown]
    left_out: list[str] = []
    if width is not None and _needed(shown, heads, texts, whole=True) > width:
        texts = [column.texts(rows, now, short=True) for column in shown]
        while _needed(shown, heads, texts) > width:
            droppable = [column for column in shown if column.drop]
            if not droppable:
                break
            at = shown.index(min(droppable, key=lambda one: one.drop))
            left_out.append(heads[at])
            del shown[at], heads[at], texts[at]
    cells = [list(row) for row in zip(*texts, strict=True)]
    right = {index for index, column in enumerate(shown) if column.right}
    room = _needed(shown, heads, texts, whole=True) if width is None else width
    return Fitted(shown, heads, cells, fit([heads, *cells], room, right, GAP), left_out)


def _needed(
    columns: Sequence[Column],
    heads: Sequence[str],
    texts: Sequence[Sequence[str]],
    *,
    whole: bool = False,
) -> int:
    widths = []
    for column, head, cells in zip(columns, heads, texts, strict=True):
        longest = max(map(len, cells), default=0)
        widths.append(max(len(head), longest if whole or column.right else min(longest, WORDS)))
    return sum(widths) + GAP * (len(widths) - 1)
