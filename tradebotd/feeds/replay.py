"""Feed of recorded candles, played back as if they happened now."""

import glob
import heapq
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal, NamedTuple

from tradebotd.domain.candle import Candle, RejectedCandle, Tick, path_through, ticks_of
from tradebotd.domain.decimals import from_float
from tradebotd.domain.errors import ConfigError, FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.csv_candles import load_recording, parse_name
from tradebotd.feeds.file_report import FileReport, report_of
from tradebotd.feeds.merging import merge
from tradebotd.feeds.other_formats import by_name
from tradebotd.feeds.recording import Recording
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import FetchedCandles
from tradebotd.storage.held import assert_no_connection_held

_NAMED: Final = 5  # other symbols that have files, told where one has none


@dataclass(slots=True)
class _Series:
    """The recording of one symbol at one timeframe, with its open times for bisection."""

    timeframe: Timeframe
    recording: Recording
    times: list[datetime]
    rejected_at: list[datetime]


# All recordings of one symbol, finest first: one at least.
_Shelf = dict[Timeframe, _Series]


class Recordings:
    """Candles of the recorded files. Read before the loop starts: it takes 0.2 s for 45,000 rows.

    *shelves*: by symbol, none of them empty. `unread`: files of the pattern that are passed over,
    and why.
    """

    def __init__(
        self,
        shelves: Mapping[str, _Shelf],
        reports: Sequence[FileReport] = (),
        unread: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.shelves = shelves
        self.reports = reports
        self.unread = unread

    def span(self) -> tuple[datetime, datetime]:
        """The begin and end of what is played: of the finest recording of each symbol."""
        return _span(_finest(shelf) for shelf in self.shelves.values())

    def span_of(self, symbol: str) -> tuple[datetime, datetime] | None:
        """The begin and end of all recordings of one symbol; None where this feed has none."""
        shelf = self.shelves.get(symbol)
        return None if shelf is None else _span(shelf.values())

    def last_closes(self) -> dict[str, Decimal]:
        """Return each symbol's last close, from its finest recording."""
        return {
            symbol: from_float(_finest(shelf).recording.candles[-1].close)
            for symbol, shelf in self.shelves.items()
        }


class _Found(NamedTuple):
    """File with its parsed name; `source` is its name in messages, unique within the feed."""

    path: Path
    source: str
    timeframe: Timeframe


def _finest(shelf: _Shelf) -> _Series:
    return next(iter(shelf.values()))


def _span(recorded: Iterable[_Series]) -> tuple[datetime, datetime]:
    """Return the span from the first open to the last close."""
    ends = [(series.times[0], _close(series)) for series in recorded]
    return min(begin for begin, _ in ends), max(end for _, end in ends)


def _close(series: _Series) -> datetime:
    """Return the last candle's close, or its open where no later date exists."""
    try:
        return series.times[-1] + series.timeframe.duration
    except OverflowError:
        return series.times[-1]


def load_recordings(name: FeedName, pattern: str, symbols: Sequence[MarketSymbol]) -> Recordings:
    """Files matching *pattern* (a glob, or a directory) of the symbols that use this feed.

    Raises ConfigError naming each symbol without a file, and each file of a symbol of which nothing
    or half can be used.
    """
    paths = sorted(Path(found) for found in glob.glob(_all_in(pattern), recursive=True))  # noqa: PTH207 - an absolute pattern
    of_names: dict[str, list[_Found]] = {}
    unread: list[tuple[str, str]] = []
    common = os.path.commonpath([path.parent for path in paths]) if paths else ""
    for path in paths:
        parsed = parse_name(path)
        source = str(path.relative_to(common))
        if parsed is not None:
            of_names.setdefault(parsed[0], []).append(_Found(path, source, parsed[1]))
        elif (why := by_name(path.name)) is not None:
            unread.append((source, why))
    shelves: dict[str, _Shelf] = {}
    reports: list[FileReport] = []
    problems: list[str] = []
    for symbol in symbols:
        if name not in symbol.feeds:
            continue
        outside = symbol.name_at(name)
        if outside not in of_names:
            problems.append(
                f"feeds.{name}: no file {outside}_TIMEFRAME.csv for symbol {symbol.symbol}"
                f" matches {pattern}{_instead(name, outside, sorted(of_names), unread)}"
            )
            continue
        shelf, of_files, flaws = _shelve(of_names[outside], outside)
        problems += [f"feeds.{name}: {flaw}" for flaw in flaws]
        shelves[symbol.symbol] = shelf
        reports += of_files
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))  # two symbols may share a file
    return Recordings(shelves, reports, unread)


def _all_in(pattern: str) -> str:
    return f"{glob.escape(pattern)}/*" if Path(pattern).is_dir() else pattern


def _instead(
    feed: FeedName, outside: str, names: Sequence[str], unread: Sequence[tuple[str, str]]
) -> str:
    """Words on the files in place of a symbol's, as far as they may be meant."""
    alike = [name for name in names if _plain(name) == _plain(outside)]
    if alike:
        return f'; there is one of {alike[0]}: names = {{ {feed} = "{alike[0]}" }} of the symbol'
    first = sorted(unread, key=lambda each: not _plain(each[0]).startswith(_plain(outside)))
    if first:
        others = f", and so are {len(unread) - 1} more" if len(unread) > 1 else ""
        return f"; {first[0][0]} is named otherwise{others}: {first[0][1]}"
    return (
        f"; there are files of {', '.join(names[:_NAMED])}" if names else "; there are none at all"
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _shelve(
    files: Sequence[_Found], outside: str
) -> tuple[_Shelf, Sequence[FileReport], Sequence[str]]:
    """The recordings, a report of each file, and why some cannot be used; perhaps no recording."""
    shelf: _Shelf = {}
    reports: list[FileReport] = []
    flaws: list[str] = []
    by_timeframe: dict[Timeframe, list[tuple[str, Recording]]] = {}
    for file in sorted(files, key=lambda each: each.timeframe.seconds):
        recording = load_recording(file.path, file.timeframe, symbol=outside, source=file.source)
        by_timeframe.setdefault(file.timeframe, []).append((file.source, recording))
    for timeframe, loaded in by_timeframe.items():
        counted = [each for each in loaded if each[1].flaw is not None]
        if sound := [each for each in loaded if each[1].flaw is None]:
            merged, of_files = merge(sound, timeframe)
            counted += of_files
            shelf[timeframe] = _Series(
                timeframe,
                merged,
                [candle.ts for candle in merged.candles],
                [at for at, _ in merged.rejected],
            )
        for source, recording in counted:
            if recording.flaw is not None:
                flaws.append(f"{source}: {recording.flaw.reason}")
                continue
            report = report_of(source, recording)
            reports.append(report)
            if report.is_useless:
                flaws.append(report.why_useless())
    return shelf, reports, flaws


class ReplayFeed:
    """Feed of recordings; a candle is visible once it has closed by the clock."""

    kind: Literal["replay"] = "replay"
    price_kinds: Final = frozenset({PriceKind.LAST})

    def __init__(self, name: FeedName, recordings: Recordings, clock: Clock) -> None:
        self.name = name
        self._recordings = recordings
        self._clock = clock

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        assert_no_connection_held("a feed call")
        series = self._shelf(symbol).get(timeframe)
        if series is None:
            raise FeedError(f"{self.name} has no {timeframe} candles of {symbol.symbol}")
        closed = self._clock.now() - timeframe.duration
        times, recording = series.times, series.recording
        first = bisect_left(times, start)
        last = min(bisect_left(times, end), bisect_right(times, closed))
        rejected: Sequence[RejectedCandle] = ()
        if series.rejected_at:
            low = bisect_left(series.rejected_at, start)
            high = min(
                bisect_left(series.rejected_at, end), bisect_right(series.rejected_at, closed)
            )
            rejected = [row for _, row in recording.rejected[low:high]]
        duplicates = 0
        if recording.duplicates:
            duplicates = min(
                bisect_left(recording.duplicates, end), bisect_right(recording.duplicates, closed)
            ) - bisect_left(recording.duplicates, start)
        return FetchedCandles(
            candles=recording.candles[first:last],
            rejected=rejected,
            duplicates=max(0, duplicates),
        )

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        assert_no_connection_held("a feed call")
        now = self._clock.now()
        found: dict[str, Decimal] = {}
        for symbol in symbols:
            shelf = self._recordings.shelves.get(symbol.symbol)
            if shelf is None:
                continue
            series = _finest(shelf)
            place = bisect_right(series.times, now) - 1
            if place >= 0:
                points = path_through(series.recording.candles[place], series.timeframe)
                found[symbol.symbol] = from_float([p for at, p in points if at <= now][-1])
        return found

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:
        return tuple(self._shelf(symbol))

    def span(self) -> tuple[datetime, datetime]:
        return self._recordings.span()

    def path(self, after: datetime | None) -> Iterator[Tick]:
        walks = [
            _walk(symbol, _finest(shelf), after)
            for symbol, shelf in sorted(self._recordings.shelves.items())
        ]
        if len(walks) == 1:
            return walks[0]
        return heapq.merge(*walks, key=attrgetter("at", "symbol"))

    def _shelf(self, symbol: MarketSymbol) -> _Shelf:
        shelf = self._recordings.shelves.get(symbol.symbol)
        if shelf is None:
            raise FeedError(f"{self.name} holds no recording of {symbol.symbol}")
        return shelf


def _walk(symbol: str, series: _Series, after: datetime | None) -> Iterator[Tick]:
    candles: Sequence[Candle] = series.recording.candles
    start = 0 if after is None else max(0, bisect_right(series.times, after) - 1)
    for place in range(start, len(candles)):
        for tick in ticks_of(symbol, candles[place], series.timeframe):
            if after is None or tick.at > after:
                yield tick
