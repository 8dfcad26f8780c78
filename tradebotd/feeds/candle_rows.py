"""Rows of an answer as candles: one of each time, and why the others are none."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.net.answers import Value

_SHOWN: Final = 200  # characters of a row


class Rows(NamedTuple):
    """Candles by their time, rows that are none, and how many came twice, the same."""

    candles: Sequence[Candle]
    rejected: Sequence[RejectedCandle]
    duplicates: int


def rows_of(read: Iterable[tuple[Value, Candle | RejectedCandle]], feed: str) -> Rows:
    """Collect rows, each with what was read from it; of two of a time that differ the first is."""
    found: dict[datetime, Candle] = {}
    rejected: list[RejectedCandle] = []
    duplicates = 0
    for row, candle in read:
        if isinstance(candle, RejectedCandle):
            rejected.append(candle)
        elif found.setdefault(candle.ts, candle) is not candle:
            if found[candle.ts] == candle:
                duplicates += 1
            else:
                reason = "another row of that time differs"
                rejected.append(rejected_row(row, feed, reason, candle.ts))
    return Rows([found[ts] for ts in sorted(found)], rejected, duplicates)


def rejected_row(row: Value, feed: str, reason: str, ts: datetime | None) -> RejectedCandle:
    return RejectedCandle(feed, None, ts, reason, repr(row.raw)[:_SHOWN])
