"""Recorded candles played as if they happened now."""

import glob
import heapq
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Final, Literal

from tradebotd.domain.candle import Candle, RejectedCandle, Tick, path_through, points_of
from tradebotd.domain.decimals import from_float
from tradebotd.domain.errors import ConfigError, FeedError
from tradebotd.domain.ids import FeedName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.csv_candles import load_recording, parse_name
from tradebotd.feeds.merging import merge
from tradebotd.feeds.recording import Recording
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import FetchedCandles
from tradebotd.storage.held import assert_no_connection_held

_DATA_SUFFIXES: Final = (".csv", ".gz", ".parquet", ".txt", ".tsv", ".zip", ".json", ".feather")
_NOTHING_RECORDED: Final = datetime(2000, 1, 1, tzinfo=UTC)  # where time stands without any data


@dataclass(slots=True)
class _Series:
    """The recording of one symbol at one timeframe, with its open times for bisection."""

    timeframe: Timeframe
    recording: Recording
    times: list[datetime]
    rejected_at: list[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """One file of a symbol: what of it is loaded, and in words what is not.

    `left_out`: rows that are no candles, be it that another one of their time counts (`replaced`).
    `first`: the first of them, with its line. `flaw`: why nothing of the file is loaded.
    """

    symbol: str
    source: str
    rows: int
    left_out: int
    replaced: int
    first: str
    notes: Sequence[str]
    flaw: str | None

    @property
    def lost(self) -> int:
        """Rows of whose time nothing is loaded from this file."""
        return self.left_out - self.replaced


@dataclass(slots=True)
class _Shelf:
    """All recordings of one symbol, finest first; files that are none as a whole."""

    series: dict[Timeframe, _Series] = field(default_factory=dict)
    flaws: list[RejectedCandle] = field(default_factory=list)

    def finest(self) -> _Series | None:
        return next(iter(self.series.values()), None)


class Recordings:
    """What the files hold. Read before the loop starts: it takes 0.2 s for 45,000 rows.

    `unread`: files of the pattern whose names say neither symbol nor timeframe.
    """

    def __init__(
        self,
        shelves: dict[str, _Shelf],
        reports: Sequence[FileReport] = (),
        unread: Sequence[str] = (),
    ) -> None:
        self.shelves = shelves
        self.reports = reports
        self.unread = unread

    def span(self) -> tuple[datetime, datetime]:
        found = [series for shelf in self.shelves.values() if (series := shelf.finest())]
        if not found:
            return _NOTHING_RECORDED, _NOTHING_RECORDED
        return (
            min(series.times[0] for series in found),
            max(_close(series) for series in found),
        )

    def span_of(self, symbol: str) -> tuple[datetime, datetime] | None:
        """Over all its timeframes, close of the last candle; None: nothing of it can be read."""
        shelf = self.shelves.get(symbol)
        if shelf is None or not shelf.series:
            return None
        found = shelf.series.values()
        return (
            min(series.times[0] for series in found),
            max(_close(series) for series in found),
        )

    def last_closes(self) -> dict[str, Decimal]:
        """By symbol, of the finest recording there is."""
        found = {symbol: shelf.finest() for symbol, shelf in self.shelves.items()}
        return {
            symbol: from_float(series.recording.candles[-1].close)
            for symbol, series in found.items()
            if series is not None and series.recording.candles
        }


@dataclass(frozen=True, slots=True)
class _Found:
    """A file by its name. `source` is what it is called, unlike any other of its feed."""

    path: Path
    source: str
    timeframe: Timeframe


def _close(series: "_Series") -> datetime:
    """Of its last candle; there is none after the last minute that a date can name."""
    try:
        return series.times[-1] + series.timeframe.duration
    except OverflowError:
        return series.times[-1]


def load_recordings(name: FeedName, pattern: str, symbols: Sequence[MarketSymbol]) -> Recordings:
    """Files matching *pattern* (a glob, or a directory) of the symbols that use this feed.

    Raises ConfigError naming each symbol without a file.
    """
    paths = sorted(Path(found) for found in glob.glob(_all_in(pattern)))  # noqa: PTH207 - an absolute pattern
    by_name: dict[str, list[_Found]] = {}
    unread: list[str] = []
    common = os.path.commonpath([path.parent for path in paths]) if paths else ""
    for path in paths:
        parsed = parse_name(path)
        source = str(path.relative_to(common))
        if parsed is not None:
            by_name.setdefault(parsed[0], []).append(_Found(path, source, parsed[1]))
        elif path.suffix.lower() in _DATA_SUFFIXES:
            unread.append(source)
    shelves: dict[str, _Shelf] = {}
    reports: list[FileReport] = []
    problems: list[str] = []
    for symbol in symbols:
        if name not in symbol.feeds:
            continue
        outside = symbol.name_at(name)
        if outside not in by_name:
            problems.append(
                f"feeds.{name}: no file {outside}_TIMEFRAME.csv for symbol {symbol.symbol}"
                f" matches {pattern}{_named_otherwise(unread)}"
            )
            continue
        shelves[symbol.symbol] = _shelve(symbol.symbol, by_name[outside], outside, reports)
    if problems:
        raise ConfigError(problems)
    return Recordings(shelves, reports, unread)


def _all_in(pattern: str) -> str:
    return f"{glob.escape(pattern)}/*" if Path(pattern).is_dir() else pattern


def _named_otherwise(unread: Sequence[str]) -> str:
    if not unread:
        return ""
    others = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    return f"; {unread[0]}{others} is named otherwise"


def _shelve(
    symbol: str, files: Sequence[_Found], outside: str, reports: list[FileReport]
) -> _Shelf:
    """What was loaded of each file is added to *reports*."""
    shelf = _Shelf()
    by_timeframe: dict[Timeframe, list[tuple[str, Recording]]] = {}
    for file in sorted(files, key=lambda each: each.timeframe.seconds):
        recording = load_recording(file.path, file.timeframe, symbol=outside, source=file.source)
        by_timeframe.setdefault(file.timeframe, []).append((file.source, recording))
    for timeframe, loaded in by_timeframe.items():
        counted = [each for each in loaded if each[1].flaw is not None]
        if sound := [each for each in loaded if each[1].flaw is None]:
            merged, of_files = merge(sound, timeframe)
            counted += of_files
            shelf.series[timeframe] = _Series(
                timeframe,
                merged,
                [candle.ts for candle in merged.candles],
                [at for at, _ in merged.rejected],
            )
        shelf.flaws += [each.flaw for _, each in counted if each.flaw is not None]
        reports += [_report(symbol, source, each) for source, each in counted]
    return shelf


def _report(symbol: str, source: str, recording: Recording) -> FileReport:
    rejected = [row for _, row in recording.rejected]
    first = min(rejected, key=lambda row: row.line or 0, default=None)
    words = ""
    if first is not None:
        place = f"line {first.line}" if first.line else str(first.ts)
        words = f"{place}: {first.reason}"
    return FileReport(
        symbol=symbol,
        source=source,
        rows=recording.rows,
        left_out=len(rejected),
        replaced=recording.replaced,
        first=words,
        notes=tuple(recording.notes),
        flaw=None if recording.flaw is None else recording.flaw.reason,
    )


class ReplayFeed:
    """Shows a candle only once it has closed by the clock."""

    kind: Literal["replay"] = "replay"

    def __init__(self, name: FeedName, recordings: Recordings, clock: Clock) -> None:
        self.name = name
        self._recordings = recordings
        self._clock = clock

    async def fetch(
        self, symbol: MarketSymbol, timeframe: Timeframe, start: datetime, end: datetime
    ) -> FetchedCandles:
        assert_no_connection_held("a feed call")
        shelf = self._shelf(symbol)
        series = shelf.series.get(timeframe)
        if series is None:
            if shelf.series or not shelf.flaws:
                raise FeedError(f"{self.name} has no {timeframe} candles of {symbol.symbol}")
            return FetchedCandles(candles=(), rejected=tuple(shelf.flaws))
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
            rejected=(*shelf.flaws, *rejected) if shelf.flaws else rejected,
            duplicates=max(0, duplicates),
        )

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Decimal]:
        assert_no_connection_held("a feed call")
        now = self._clock.now()
        found: dict[str, Decimal] = {}
        for symbol in symbols:
            shelf = self._recordings.shelves.get(symbol.symbol)
            series = shelf.finest() if shelf else None
            if series is None:
                continue
            place = bisect_right(series.times, now) - 1
            if place >= 0:
                points = path_through(series.recording.candles[place], series.timeframe)
                found[symbol.symbol] = from_float([p for at, p in points if at <= now][-1])
        return found

    def timeframes(self, symbol: MarketSymbol) -> tuple[Timeframe, ...]:
        shelf = self._shelf(symbol)
        return tuple(shelf.series) or (Timeframe.M1,)

    def span(self) -> tuple[datetime, datetime]:
        return self._recordings.span()

    def path(self, after: datetime | None) -> Iterator[Tick]:
        walks = [
            _walk(symbol, series, after)
            for symbol, shelf in sorted(self._recordings.shelves.items())
            if (series := shelf.finest())
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
        for point in points_of(symbol, candles[place], series.timeframe):
            if after is None or point.at > after:
                yield point
