"""Several files of one symbol and timeframe as one recording: months, or one download a file."""

import heapq
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.recording import Recording, ReplacedCandle, as_row, flawed, placed

# One of so many common times may differ, and one at least: the row that was unfinished.
_FEW: Final = 10

Named = tuple[str, Recording]  # what the file is called


def merge(files: Sequence[Named], timeframe: Timeframe) -> tuple[Recording, list[Named]]:
    """One recording of all that are sound, and each file as it is counted.

    Where two have the same time, the file that ends later counts: it was written later, and its row
    is finished. A file that contradicts those that end later in more than a row or two is another
    recording; it is refused as a whole. So is one that differs from one that ends at the same time:
    nothing says which of them is finished.
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
    """What *recording* still counts for; its own candles stay where they are."""
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
    """*parts* in the order of time; what is in them is not copied but the lists themselves."""
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
    return sorted(rows, key=lambda each: each[0])
