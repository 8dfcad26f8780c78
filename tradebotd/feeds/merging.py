"""Merge of several files of one symbol and timeframe: months, or overlapping downloads."""

import heapq
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.recording import Recording, ReplacedCandle, as_row, flawed, placed

# One in so many common times may differ, at least one: the row that was incomplete.
_FEW: Final = 10

Named = tuple[str, Recording]  # what the file is called


def merge(files: Sequence[Named], timeframe: Timeframe) -> tuple[Recording, list[Named]]:
    """Return one recording of all valid files, and each file's own count.

    For a time in two files, the file that ends later counts: it was written later, and its row is
    complete. A file that contradicts later ones in more than a few rows is another recording and is
    refused as a whole. So is one that differs from a file with the same end: nothing says which of
    them is complete.
    """
    order = sorted(files, key=_end, reverse=True)
    if _follow_each_other(order):
        return _joined([recording for _, recording in reversed(order)]), list(files)
    counted: dict[str, Recording] = {}
    held: dict[datetime, Candle] = {}
    holder: dict[datetime, str] = {}
    ends = {source: recording.candles[-1].ts for source, recording in order}
    for source, recording in order:
        overlap = [candle for candle in recording.candles if candle.ts in held]
        differing = [candle for candle in overlap if held[candle.ts] != candle]
        tied = [candle for candle in differing if ends[holder[candle.ts]] == ends[source]]
        if tied or len(differing) > max(1, len(overlap) // _FEW):
            other = holder[(tied or differing)[0].ts]
            when = "ends at the same time" if tied else "ends later"
            reason = (
                f"contradicts {other}, which {when}: {len(differing)} of {len(overlap)} common"
                f" times differ, the first at {(tied or differing)[0].ts.isoformat()}"
            )
            counted[source] = flawed(source, reason)
            continue
        counted[source] = _without(source, recording, overlap, differing, timeframe)
        for candle in recording.candles:
            if candle.ts not in held:
                held[candle.ts], holder[candle.ts] = candle, source
    parts = [counted[source] for source, _ in files if counted[source].flaw is None]
    merged = _joined(parts)
    merged.candles = [held[ts] for ts in sorted(held)]
    return merged, [(source, counted[source]) for source, _ in files]


def _end(file: Named) -> tuple[datetime, datetime, str]:
    source, recording = file
    return recording.candles[-1].ts, recording.candles[0].ts, source


def _follow_each_other(order: Sequence[Named]) -> bool:
    return all(
        earlier.candles[-1].ts < later.candles[0].ts for (_, later), (_, earlier) in pairwise(order)
    )


def _without(
    source: str,
    recording: Recording,
    overlap: Sequence[Candle],
    differing: Sequence[Candle],
    timeframe: Timeframe,
) -> Recording:
    """Return the count of *recording* without the *overlap*; its candles stay in place."""
    if not overlap:
        return recording
    reason = "another file, which ends later, has this time with other values"
    rows = [
        (
            candle.ts,
            ReplacedCandle(source, None, candle.ts, reason, as_row(candle), by_another_file=True),
        )
        for candle in differing
    ]
    begin, end = recording.candles[0].ts, recording.candles[-1].ts
    equal = {candle.ts for candle in overlap}.difference(candle.ts for candle in differing)
    note = f"{len(overlap)} of its times are in a file that ends later, too"
    if differing:
        first = differing[0].ts.isoformat()
        note += f"; {len(differing)} with other values, the first at {first}: that file counts"
    return Recording(
        candles=recording.candles,
        rejected=_in_order([*recording.rejected, *placed(rows, timeframe, begin, end)]),
        duplicates=sorted([*recording.duplicates, *equal]),
        rows=recording.rows,
        notes=[*recording.notes, note],
    )


def _joined(parts: Sequence[Recording]) -> Recording:
    """Join *parts* in time order; copies the lists, not their elements."""
    if len(parts) == 1:
        return parts[0]
    return Recording(
        candles=[candle for part in parts for candle in part.candles],
        rejected=_in_order([row for part in parts for row in part.rejected]),
        duplicates=list(heapq.merge(*(part.duplicates for part in parts))),
        rows=sum(part.rows for part in parts),
        notes=[note for part in parts for note in part.notes],
    )


def _in_order(
    rows: Sequence[tuple[datetime, RejectedCandle]],
) -> list[tuple[datetime, RejectedCandle]]:
    return sorted(rows, key=lambda row: row[0])
