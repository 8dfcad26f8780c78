"""Recorded candles played as if they happened now."""

import glob
import heapq
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
from tradebotd.feeds.csv_candles import SUFFIXES, Recording, load_recording, parse_name
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import FetchedCandles
from tradebotd.storage.held import assert_no_connection_held

_NOTHING_RECORDED: Final = datetime(2000, 1, 1, tzinfo=UTC)  # where time stands without any data


@dataclass(slots=True)
class _Series:
    """The recording of one symbol at one timeframe, with its open times for bisection."""

    timeframe: Timeframe
    recording: Recording
    times: list[datetime]
    rejected_at: list[datetime]


@dataclass(slots=True)
class _Shelf:
    """All recordings of one symbol, finest first; files that are none as a whole."""

    series: dict[Timeframe, _Series] = field(default_factory=dict)
    flaws: list[RejectedCandle] = field(default_factory=list)

    def finest(self) -> _Series | None:
        return next(iter(self.series.values()), None)


class Recordings:
    """What the files hold. Read before the loop starts: it takes 0.2 s for 45,000 rows."""

    def __init__(self, shelves: dict[str, _Shelf]) -> None:
        self.shelves = shelves

    def span(self) -> tuple[datetime, datetime]:
        found = [series for shelf in self.shelves.values() if (series := shelf.finest())]
        if not found:
            return _NOTHING_RECORDED, _NOTHING_RECORDED
        return (
            min(series.times[0] for series in found),
            max(series.times[-1] + series.timeframe.duration for series in found),
        )

    def span_of(self, symbol: str) -> tuple[datetime, datetime] | None:
        """Over all its timeframes, close of the last candle; None: nothing of it can be read."""
        shelf = self.shelves.get(symbol)
        if shelf is None or not shelf.series:
            return None
        found = shelf.series.values()
        return (
            min(series.times[0] for series in found),
            max(series.times[-1] + series.timeframe.duration for series in found),
        )

    def last_closes(self) -> dict[str, Decimal]:
        """By symbol, of the finest recording there is."""
        found = {symbol: shelf.finest() for symbol, shelf in self.shelves.items()}
        return {
            symbol: from_float(series.recording.candles[-1].close)
            for symbol, series in found.items()
            if series is not None and series.recording.candles
        }


def load_recordings(name: FeedName, pattern: str, symbols: Sequence[MarketSymbol]) -> Recordings:
    """Files matching *pattern* (a glob, or a directory) of the symbols that use this feed.

    Raises ConfigError naming each symbol without a file.
    """
    paths = sorted(Path(found) for found in glob.glob(_all_in(pattern)))  # noqa: PTH207 - an absolute pattern
    by_name: dict[str, list[tuple[Timeframe, Path]]] = {}
    for path in paths:
        parsed = parse_name(path)
        if parsed is not None:
            by_name.setdefault(parsed[0], []).append((parsed[1], path))
    shelves: dict[str, _Shelf] = {}
    problems: list[str] = []
    for symbol in symbols:
        if name not in symbol.feeds:
            continue
        outside = symbol.name_at(name)
        if outside not in by_name:
            problems.append(
                f"feeds.{name}: no file {outside}_TIMEFRAME.csv for symbol {symbol.symbol}"
                f" matches {pattern}"
            )
            continue
        shelves[symbol.symbol] = _shelve(by_name[outside])
    if problems:
        raise ConfigError(problems)
    return Recordings(shelves)


def _all_in(pattern: str) -> str:
    return f"{glob.escape(pattern)}/*" if Path(pattern).is_dir() else pattern


def _shelve(files: Sequence[tuple[Timeframe, Path]]) -> _Shelf:
    shelf = _Shelf()
    for timeframe, path in sorted(files, key=lambda each: each[0].seconds):
        recording = load_recording(path, timeframe)
        if recording.flaw is not None:
            shelf.flaws.append(recording.flaw)
        elif timeframe not in shelf.series:
            shelf.series[timeframe] = _Series(
                timeframe,
                recording,
                [candle.ts for candle in recording.candles],
                [at for at, _ in recording.rejected],
            )
        else:
            reason = f"another file of the same timeframe comes before it ({', '.join(SUFFIXES)})"
            shelf.flaws.append(RejectedCandle(path.name, None, None, reason, ""))
    return shelf


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
