"""Order of one file's rows: ascending, each time once; misplaced rows are left out."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from tradebotd.domain.candle import Candle
from tradebotd.domain.durations import spoken
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.recording import FileFlawError

# Longer than any holiday of an exchange: beyond such a hole a few rows are wrongly dated ones.
_SHORTEST_HOLE: Final = timedelta(days=31)
_HOLE_CANDLES: Final = 1_000
_FEW: Final = 100  # one row in so many, at least one
_ALONE_CANDLES: Final = 60  # a misplaced row this far from all others is misdated

_STEPS_LOOKED_AT: Final = 1_000
_FEWEST_STEPS: Final = 9  # fewer rows do not say how far apart they should be
_MOST_OF_ALL: Final = 0.95

OUT_OF_ORDER: Final = "out of order"
FAR_OFF: Final = "far from the times of the other rows"


@dataclass(slots=True)
class Arranged:
    """`candles` ascend; `left_out`: line, candle and reason; `replaced`: the same of those whose

    time a later row has, too. `note`: whether rows were moved, in words.
    """

    candles: list[Candle]
    left_out: list[tuple[int, Candle, str]] = field(default_factory=list)
    replaced: list[tuple[int, Candle, str]] = field(default_factory=list)
    duplicates: list[datetime] = field(default_factory=list)
    note: str | None = None


def arrange(
    candles: list[Candle], lines: Sequence[int], timeframe: Timeframe, *, ascends: bool
) -> Arranged:
    """Arrange a file's valid rows; *lines*: their numbers; *ascends*: each is later than the last.

    For two rows of one time the later row counts. Rows in any order are sorted, except the few that
    are both misplaced and far from all others: those have a wrong date. Raises FileFlawError where
    rows of one time differ and the order does not say which is the later one.
    """
    if ascends and not _has_hole(candles, timeframe):
        return Arranged(candles)
    found = Arranged([])
    numbers: Sequence[int] = lines
    if not ascends:
        candles, numbers = _each_time_once(candles, lines, found)
    far = _strays(candles, timeframe)
    kept = [place for place in range(len(candles)) if place not in far]
    odd = _misplaced([candles[place].ts for place in kept])
    moved = False
    if odd:
        wrong = {kept[place] for place in odd}
        alone = _alone(candles, kept, wrong, timeframe)
        moved = len(alone) < len(wrong)
        kept = [place for place in kept if place not in alone]
        found.left_out += [(numbers[p], candles[p], OUT_OF_ORDER) for p in sorted(alone)]
    if moved:
        if found.replaced:
            line, _, reason = found.replaced[0]
            raise FileFlawError(
                f"line {line} {reason}, and the rows are in no order that says"
                " which of them is right"
            )
        newest_first = len(odd) == len(kept) - 1
        found.note = "the newest row stood first" if newest_first else "rows stood in no order"
        kept.sort(key=lambda place: candles[place].ts)
    found.left_out += [(numbers[place], candles[place], FAR_OFF) for place in sorted(far)]
    found.candles = [candles[place] for place in kept]
    if found.duplicates:
        held = {candle.ts for candle in found.candles}
        found.duplicates = sorted(ts for ts in found.duplicates if ts in held)
    return found


def refuse_another_timeframe(candles: Sequence[Candle], timeframe: Timeframe) -> None:
    """Raises FileFlawError where rows stand so far apart that they are candles of a longer time.

    Each of them would be played within *timeframe*, and its high and low with it. Candles that are
    missing, be it most of them, leave distances of all kinds.
    """
    times = [candle.ts for candle in candles[: _STEPS_LOOKED_AT + 1]]
    steps = Counter(after - before for before, after in pairwise(times))
    if not steps or steps.total() < _FEWEST_STEPS:
        return
    usual = steps.most_common(1)[0][0]
    fitting = sum(count for step, count in steps.items() if not step % usual)
    if usual <= timeframe.duration or fitting < _MOST_OF_ALL * steps.total():
        return
    named = next((timeframe for timeframe in Timeframe if timeframe.duration == usual), None)
    way = f"name it {named}" if named else f"candles are of {', '.join(Timeframe)}"
    raise FileFlawError(
        f"its rows are {spoken(usual)} apart, and by its name they are of {timeframe}: {way}"
    )


def _each_time_once(
    candles: list[Candle], lines: Sequence[int], found: Arranged
) -> tuple[list[Candle], Sequence[int]]:
    """Keep each time once: its last row, at the place of its first."""
    place_of: dict[datetime, int] = {}
    once: list[Candle] = []
    numbers = array("L")
    for candle, line in zip(candles, lines, strict=True):
        place = place_of.setdefault(candle.ts, len(once))
        if place == len(once):
            once.append(candle)
            numbers.append(line)
        elif once[place] == candle:
            found.duplicates.append(candle.ts)
        else:
            reason = f"differs from line {line}, a later row of the same time"
            found.replaced.append((numbers[place], once[place], reason))
            once[place], numbers[place] = candle, line
    return once, numbers


def _has_hole(candles: Sequence[Candle], timeframe: Timeframe) -> bool:
    """Return whether ascending rows have a gap so long that some may be misdated."""
    hole = _hole(timeframe)
    if not candles or candles[-1].ts - candles[0].ts <= hole:
        return False
    return any(after.ts - before.ts > hole for before, after in pairwise(candles))


def _hole(timeframe: Timeframe) -> timedelta:
    return max(_SHORTEST_HOLE, _HOLE_CANDLES * timeframe.duration)


def _strays(candles: Sequence[Candle], timeframe: Timeframe) -> set[int]:
    """Return rows whose times are so far from the others that they would stretch the recording.

    A group of rows before or after a gap is misdated if it is small compared to the rest. If the
    groups are of equal size it is unclear which is right, and all stay.
    """
    hole = _hole(timeframe)
    ordered = sorted(range(len(candles)), key=lambda place: candles[place].ts)
    if not ordered or candles[ordered[-1]].ts - candles[ordered[0]].ts <= hole:
        return set()
    groups: list[list[int]] = [[ordered[0]]]
    for before, place in pairwise(ordered):
        if candles[place].ts - candles[before].ts > hole:
            groups.append([])
        groups[-1].append(place)
    largest = max(len(group) for group in groups)
    small = min(_few(candles), largest - 1)
    return {place for group in groups if len(group) <= small for place in group}


def _alone(
    candles: Sequence[Candle], kept: Sequence[int], wrong: set[int], timeframe: Timeframe
) -> set[int]:
    """Return the rows out of order that are misdated: few, and far from all others.

    If many are misplaced the file has another order, and misdated rows cannot be identified.
    """
    if len(wrong) > _few(candles):
        return set()
    most = _ALONE_CANDLES * timeframe.duration
    times = sorted(candles[place].ts for place in kept if place not in wrong)

    def is_alone(ts: datetime) -> bool:
        at = bisect_left(times, ts)
        near = times[max(0, at - 1) : at + 1]
        return all(abs(other - ts) > most for other in near)

    return {place for place in wrong if is_alone(candles[place].ts)}


def _few(candles: Sequence[Candle]) -> int:
    return max(1, len(candles) // _FEW)


def _misplaced(times: Sequence[datetime]) -> set[int]:
    """Return the places of rows that break the ascending order.

    Rows are taken as they come, each later than the previous, unless another choice keeps more of
    them: one row dated ahead must not invalidate all that follow.
    """
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
    """Return the places of a longest strictly ascending subsequence, by patience sorting."""
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
