"""Result of reading one recorded file: its candles, and what was left out of it and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.timeframe import Timeframe

COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume")


class FileFlawError(Exception):
    """Flaw of a file as a whole; the message says why it is no recording."""


@dataclass(frozen=True, slots=True)
class ReplacedCandle(RejectedCandle):
    """A sound row: another one of its time counts, so that nothing is missing for it."""

    by_another_file: bool


@dataclass(slots=True)
class Recording:
    """One file. `rejected` and `duplicates` carry the time at which they count, both ascending.

    `rows`: those of the file, good or bad. Among `rejected` are those that are replaced. `notes`:
    what was done to the rows, in words. `flaw` is set when the file as a whole is no recording:
    then there are no candles.
    """

    candles: list[Candle] = field(default_factory=list)
    rejected: list[tuple[datetime, RejectedCandle]] = field(default_factory=list)
    duplicates: list[datetime] = field(default_factory=list)
    flaw: RejectedCandle | None = None
    rows: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def replaced(self) -> int:
        """Count the rejected rows that are there again, with other values."""
        return sum(isinstance(row, ReplacedCandle) for _, row in self.rejected)


def flawed(source: str, reason: str) -> Recording:
    return Recording(flaw=RejectedCandle(source, None, None, reason, ""))


def as_row(candle: Candle) -> str:
    """Format a candle as a CSV line, where the original line is not at hand."""
    values = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return ",".join([candle.ts.isoformat(), *map(str, values)])


def placed(
    loose: Sequence[tuple[datetime | None, RejectedCandle]],
    timeframe: Timeframe,
    first: datetime,
    last: datetime,
) -> list[tuple[datetime, RejectedCandle]]:
    """Assign each invalid row a grid time at which readers of the valid ones will pass it.

    A time between grid times would be skipped: the next read starts at the following one.
    """
    found = [
        (min(max(timeframe.floor(at) if at else first, first), last), row) for at, row in loose
    ]
    return sorted(found, key=lambda row: row[0])
