"""Which rows of a file stand at a wrong place: as few as possible, so that the rest is loaded."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe

# Longer than any holiday of an exchange: beyond such a hole a few rows are wrongly dated ones.
_SHORTEST_HOLE: Final = timedelta(days=31)
_HOLE_CANDLES: Final = 1_000
_FEW: Final = 100  # one row in so many, at least one


class RowCandle(NamedTuple):
    """A sound row: its line, what it says, and how it was written."""

    line: int
    candle: Candle
    row: Sequence[str]


def in_order(
    rows: Sequence[RowCandle], timeframe: Timeframe
) -> tuple[list[RowCandle], list[tuple[RowCandle, str]]]:
    """Rows as the file has them, each time once: those to keep, and the others with the reason."""
    far = _strays(rows, timeframe)
    near = [row for place, row in enumerate(rows) if place not in far]
    odd = _misplaced(near)
    kept = [row for place, row in enumerate(near) if place not in odd]
    wrong = [(rows[place], "far from the times of the other rows") for place in sorted(far)]
    wrong += [(near[place], "out of order") for place in sorted(odd)]
    return kept, wrong


def _strays(rows: Sequence[RowCandle], timeframe: Timeframe) -> set[int]:
    """Places of rows whose times lie so far from the others that they would stretch the recording.

    A group of rows before or behind a hole is astray when it is small beside the rest. Where the
    groups are of one size nobody can say which is right, and all stay.
    """
    hole = max(_SHORTEST_HOLE, _HOLE_CANDLES * timeframe.duration)
    if not rows or _latest(rows) - _earliest(rows) <= hole:
        return set()
    ordered = sorted(range(len(rows)), key=lambda place: rows[place].candle.ts)
    groups: list[list[int]] = [[ordered[0]]]
    for before, place in pairwise(ordered):
        if rows[place].candle.ts - rows[before].candle.ts > hole:
            groups.append([])
        groups[-1].append(place)
    largest = max(len(group) for group in groups)
    small = min(max(1, len(rows) // _FEW), largest - 1)
    return {place for group in groups if len(group) <= small for place in group}


def _misplaced(rows: Sequence[RowCandle]) -> set[int]:
    """Places of rows that break the order of time.

    Rows are taken as they come, each later than the one before it, unless another choice keeps
    more of them: one row that is dated ahead must not make all that follow it wrong.
    """
    times = [row.candle.ts for row in rows]
    if all(before < after for before, after in pairwise(times)):
        return set()
    as_they_come: list[int] = []
    for place, ts in enumerate(times):
        if not as_they_come or ts > times[as_they_come[-1]]:
            as_they_come.append(place)
    most = _longest_ascent(times)
    kept = most if len(most) > len(as_they_come) else as_they_come
    return set(range(len(times))).difference(kept)


def _longest_ascent(times: Sequence[datetime]) -> list[int]:
    """Places of a longest strictly ascending choice, by patience sorting."""
    tails: list[datetime] = []  # the earliest end of an ascent of each length
    places: list[int] = []
    before: list[int] = []
    for place, ts in enumerate(times):
        length = bisect_left(tails, ts)
        before.append(places[length - 1] if length else -1)
        if length == len(tails):
            tails.append(ts)
            places.append(place)
        else:
            tails[length], places[length] = ts, place
    ascent = []
    place = places[-1] if places else -1
    while place >= 0:
        ascent.append(place)
        place = before[place]
    return ascent[::-1]


def _earliest(rows: Sequence[RowCandle]) -> datetime:
    return min(row.candle.ts for row in rows)


def _latest(rows: Sequence[RowCandle]) -> datetime:
    return max(row.candle.ts for row in rows)
