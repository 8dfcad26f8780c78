"""One recorded file in words: what of it is loaded, and what is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tradebotd.domain.candle import RejectedCandle
from tradebotd.feeds.recording import Recording, ReplacedCandle

# If a file loses this share of its rows, its layout is wrong, not some rows.
LARGEST_LOSS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """A file that is loaded. `lost`: rows that are no candles, or wrongly dated.

    `doubled`: sound rows, of whose time a later row of the same file counts. Those of whose time
    another file counts stand in `notes`: nothing is wrong with them.
    """

    source: str
    rows: int
    lost: Sequence[RejectedCandle]
    doubled: Sequence[RejectedCandle]
    notes: Sequence[str]

    @property
    def is_useless(self) -> bool:
        """Return whether half of it cannot be used.

        One time that was written more than once is a candle that was not finished at first; many
        of them are another instrument's rows.
        """
        return len(self._against()) >= LARGEST_LOSS * self.rows

    def _against(self) -> Sequence[RejectedCandle]:
        times = {row.ts for row in self.doubled}
        return [*self.lost, *self.doubled] if len(times) > 1 else self.lost

    def why_useless(self) -> str:
        words = self._told(self._against(), "left out")
        if len(self.doubled) > len(self.lost):
            words += "; so many may be another instrument's rows"
        return words

    def loss(self) -> str:
        return self._told(self.lost, "left out")

    def doubles(self) -> str:
        return self._told(self.doubled, "replaced")

    def _told(self, rows: Sequence[RejectedCandle], what: str) -> str:
        first = min(rows, key=lambda row: row.line or 0)
        count = f"{len(rows)} of {self.rows} rows are {what}"
        return f"{self.source}: {count}; the first, line {first.line}: {first.reason}"


def report_of(source: str, recording: Recording) -> FileReport:
    """The report of a file that is loaded."""
    lost: list[RejectedCandle] = []
    doubled: list[RejectedCandle] = []
    for _, row in recording.rejected:
        if not isinstance(row, ReplacedCandle):
            lost.append(row)
        elif not row.by_another_file:
            doubled.append(row)
    return FileReport(
        source=source,
        rows=recording.rows,
        lost=lost,
        doubled=doubled,
        notes=tuple(recording.notes),
    )
