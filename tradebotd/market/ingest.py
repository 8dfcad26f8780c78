"""Ingest: feeds → validation → storage → roll-up. All candles are stored through it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final, NamedTuple

import anyio
import structlog

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import FeedName, SymbolId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market import ingest_state
from tradebotd.market.calendars import Calendar
from tradebotd.market.candles import CandleReader
from tradebotd.market.ingest_state import SymbolState
from tradebotd.market.pull_result import PullResult
from tradebotd.market.roll_up import period_at, roll_up
from tradebotd.market.validate import outliers, validate
from tradebotd.market.writer import CandleWriter, WriteCounts, candle_rows
from tradebotd.ports.clock import Clock
from tradebotd.ports.feed import Feed, PolledFeed
from tradebotd.storage import ohlc, quarantine
from tradebotd.storage.postgres.database import Database

MAX_CANDLES_A_PULL: Final = 10_000  # a week of minutes; the next pull continues
LIVE_LOOKBACK: Final = timedelta(days=1)  # how far back the first pull of a live feed goes
CONCURRENT_FETCHES: Final = 4
TOLD_LATE: Final = timedelta(minutes=5)  # the last candles of a session may come behind its close
_REMEMBERED_REJECTS: Final = 10_000

_log = structlog.get_logger(__name__)


class _Fetched(NamedTuple):
    feed: FeedName
    candles: Sequence[Candle]
    rejected: Sequence[RejectedCandle]
    duplicates: int
    corrects: bool = False


class Ingest:
    """Ingest of all symbols; `since`: start of a simulated feed's data, None for live ones.

    States and windows are caches of what is stored: any failure drops them.
    """

    def __init__(
        self,
        *,
        database: Database,
        symbols: Sequence[MarketSymbol],
        symbol_ids: Mapping[str, SymbolId],
        feeds: Mapping[FeedName, Feed],
        calendars: Mapping[str, Calendar],
        writer: CandleWriter,
        reader: CandleReader,
        clock: Clock,
        since: datetime | None = None,
    ) -> None:
        self.symbols = tuple(sorted(symbols, key=lambda symbol: symbol.symbol))
        self._database = database
        self._symbol_ids = symbol_ids
        self._feeds = feeds
        self._polled = {n: each for n, each in feeds.items() if isinstance(each, PolledFeed)}
        self._calendars = calendars
        self._writer = writer
        self._reader = reader
        self._clock, self.since = clock, since
        self._tracks: dict[str, SymbolState] = {}
        self._seen_rejects: set[tuple[str, RejectedCandle]] = set()
        self._lock = anyio.Lock()

    def calendar(self, symbol: MarketSymbol) -> Calendar:
        return self._calendars[symbol.calendar]

    def symbol_id(self, symbol: MarketSymbol) -> SymbolId:
        return self._symbol_ids[symbol.symbol]

    def base(self, symbol: MarketSymbol) -> Timeframe:
        """Return the finest timeframe: it is pulled, and higher ones are derived from it.

        Raises FeedError when no feed has the symbol.
        """
        for name in symbol.feeds:
            feed = self._feeds.get(name)
            if feed is not None:
                return min(feed.timeframes(symbol), key=lambda timeframe: timeframe.seconds)
        raise FeedError(f"{symbol.symbol}: none of its feeds is there")

    def fetchable(self, symbol: MarketSymbol) -> frozenset[Timeframe]:
        found: set[Timeframe] = set()
        for name in symbol.feeds:
            if name in self._feeds:
                found.update(self._feeds[name].timeframes(symbol))
        return frozenset(found)

    def pulled_until(self, symbol: MarketSymbol) -> datetime | None:
        """Return the time up to which the feed's candles are stored; None before a pull."""
        return None if (state := self._tracks.get(symbol.symbol)) is None else state.until

    async def pull(
        self, now: datetime, symbols: Sequence[MarketSymbol] | None = None
    ) -> PullResult:
        """Store candles newer than the newest stored one, and roll up completed periods."""
        wanted = self.symbols if symbols is None else symbols
        result = PullResult()
        async with self._lock:
            try:
                tracks_of = {symbol.symbol: await self._state(symbol, result) for symbol in wanted}
                ready = [state for state in tracks_of.values() if state is not None]
                fetched = await self._fetch_all(ready, now, result)
                result.answered = len(fetched)
                await self._store(fetched, result)
            except BaseException:
                self.reset(wanted)  # the others' caches are whole
                raise
        return result

    async def pull_range(
        self,
        symbol: MarketSymbol,
        start: datetime,
        end: datetime,
        *,
        timeframe: Timeframe | None = None,
    ) -> PullResult:
        """Store what the feed has of [start, end), and redo the roll-ups that it affects.

        Raises FeedError when no feed answers.
        """
        base = self.base(symbol)
        taken = base if timeframe is None or timeframe not in self.fetchable(symbol) else timeframe
        result = PullResult()
        now = self._clock.now()
        fetched = await self._fetch(symbol, taken, start, end, now)
        async with self._lock:
            await self._take(symbol, taken, fetched, result, timeframe)
        return result

    async def correct(
        self, symbol: MarketSymbol, candles: Sequence[Candle], feed: FeedName
    ) -> PullResult:
        """Take minutes that *feed* has told anew: stored ones get their values, and so do the
        periods made of them. Those that were not pulled yet are left to the pull.
        """
        result = PullResult()
        if self.base(symbol) is not Timeframe.M1:
            return result
        async with self._lock:
            async with self._database.connection() as connection:
                bounds = await ohlc.bounds(connection, self.symbol_id(symbol), Timeframe.M1)
            known = [each for each in candles if bounds and bounds[0] <= each.ts <= bounds[1]]
            checked = validate(known, Timeframe.M1, feed, self._clock.now())
            told = _Fetched(feed, checked.good, checked.rejected, 0, corrects=True)
            await self._take(symbol, Timeframe.M1, told, result)
        return result

    async def _take(
        self,
        symbol: MarketSymbol,
        timeframe: Timeframe,
        fetched: _Fetched,
        result: PullResult,
        extra: Timeframe | None = None,
    ) -> None:
        """Store candles of any time, and redo the roll-ups that they affect, *extra* among them."""
        await self._quarantine(symbol, timeframe, fetched, result)
        counts = await self._writer.write(
            symbol.symbol,
            timeframe,
            fetched.candles,
            fetched.feed,
            corrections=fetched.corrects,
        )
        result.counts += counts + WriteCounts(
            attempted=fetched.duplicates, skipped=fetched.duplicates
        )
        if fetched.candles:
            result.feeds[symbol.symbol] = fetched.feed
        changed = counts.inserted or counts.updated
        if timeframe is self.base(symbol) and changed:
            await self._rebuild_higher(symbol, fetched, extra, result)
        if changed or result.rolled_up:
            self._reader.forget(symbol.symbol)
            self._tracks.pop(symbol.symbol, None)

    def reset(self, symbols: Sequence[MarketSymbol] | None = None) -> None:
        """Drop the caches of *symbols*, else all, after a failure or retention: storage has it."""
        told = self.symbols if symbols is None else symbols
        for name in {each.symbol for each in told} | set(self._tracks if symbols is None else ()):
            self._tracks.pop(name, None)
            self._reader.forget(name)
        self._seen_rejects.clear()

    async def _state(self, symbol: MarketSymbol, result: PullResult) -> SymbolState | None:
        known = self._tracks.get(symbol.symbol)
        if known is not None:
            return known
        try:
            base = self.base(symbol)
        except FeedError as error:
            result.errors[symbol.symbol] = str(error)
            return None
        async with self._database.connection() as connection:
            state = await ingest_state.load(
                connection, symbol, self.symbol_id(symbol), base, self.calendar(symbol)
            )
        self._tracks[symbol.symbol] = state
        return state

    async def _fetch_all(
        self, ready: Sequence[SymbolState], now: datetime, result: PullResult
    ) -> list[tuple[SymbolState, _Fetched, datetime]]:
        """Fetch concurrently; the results are in the order of *ready*."""
        found: dict[str, tuple[SymbolState, _Fetched, datetime]] = {}
        limiter = anyio.CapacityLimiter(CONCURRENT_FETCHES)

        async def fetch_one(state: SymbolState) -> None:
            start = self._start(state, now)
            end = min(state.base.floor(now), start + MAX_CANDLES_A_PULL * state.base.duration)
            if (name := self._not_to_ask(state, start, end)) is not None:
                found[state.symbol.symbol] = (state, _Fetched(name, (), (), 0), end)
                return
            try:
                fetched = await self._fetch(state.symbol, state.base, start, end, now)
            except FeedError as error:
                result.errors[state.symbol.symbol] = str(error)
            else:
                found[state.symbol.symbol] = (state, fetched, end)

        async def fetch_in_turn(state: SymbolState) -> None:
            async with limiter:
                await fetch_one(state)

        if len(ready) == 1 or self._clock.speed == 0:
            for state in ready:
                await fetch_one(state)
        else:
            async with anyio.create_task_group() as group:
                for state in ready:
                    group.start_soon(fetch_in_turn, state)
        return [found[t.symbol.symbol] for t in ready if t.symbol.symbol in found]

    def _not_to_ask(self, state: SymbolState, start: datetime, end: datetime) -> FeedName | None:
        """Return the feed whose credits would be spent on a market that was shut; else None."""
        name = next((name for name in state.symbol.feeds if name in self._feeds), None)
        feed = None if name is None else self._polled.get(name)
        if feed is None or feed.budget() is None:
            return None
        since = start if state.until is None else max(start, state.until - TOLD_LATE)
        return None if self.calendar(state.symbol).hours(since, end) else name

    def _start(self, state: SymbolState, now: datetime) -> datetime:
        if state.newest is not None:
            after = state.newest + state.base.duration
        else:
            after = self.since or state.base.floor(now - LIVE_LOOKBACK)
        # Far behind after a long empty stretch: go on from where the last pull ended.
        if state.until is not None and now - after > MAX_CANDLES_A_PULL * state.base.duration:
            return max(after, state.until)
        return after

    async def _fetch(
        self,
        symbol: MarketSymbol,
        timeframe: Timeframe,
        start: datetime,
        end: datetime,
        now: datetime,
    ) -> _Fetched:
        """Return the first feed's answer. Raises FeedError with every feed's message."""
        failures: list[str] = []
        for name in symbol.feeds:
            feed = self._feeds.get(name)
            if feed is None:
                failures.append(f"{name}: not there")
                continue
            try:
                answer = await feed.fetch(symbol, timeframe, start, end)
            except FeedError as error:
                failures.append(f"{name}: {error}")
                continue
            checked = validate(answer.candles, timeframe, name, now)
            return _Fetched(
                feed=name,
                candles=checked.good,
                rejected=[*answer.rejected, *checked.rejected],
                duplicates=answer.duplicates,
                corrects=answer.corrects,
            )
        raise FeedError("; ".join(failures))

    async def _store(
        self,
        fetched: Sequence[tuple[SymbolState, _Fetched, datetime]],
        result: PullResult,
    ) -> None:
        rows: list[ohlc.CandleRow] = []
        made: list[tuple[str, Timeframe, Sequence[Candle]]] = []
        for state, answer, end in fetched:
            symbol = state.symbol.symbol
            if answer.rejected:
                await self._quarantine(state.symbol, state.base, answer, result)
            flagged = outliers(answer.candles, state.recent)
            if flagged:
                result.outliers[symbol] = len(flagged)
                _log.warning(
                    "outlier found", symbol=symbol, ts=flagged[0].ts, close=flagged[0].close,
                    count=len(flagged),
                )  # fmt: skip
            if answer.candles:
                result.feeds[symbol] = answer.feed
                rows += candle_rows(state.symbol_id, state.base, answer.candles, answer.feed)
                made.append((symbol, state.base, answer.candles))
            if answer.duplicates:
                result.counts += WriteCounts(attempted=answer.duplicates, skipped=answer.duplicates)
            for timeframe, higher in state.extend(answer.candles, end):
                result.rolled_up += len(higher)
                rows += candle_rows(state.symbol_id, timeframe, higher, answer.feed)
                made.append((symbol, timeframe, higher))
        if not rows:
            return
        counts = await self._writer.write_rows(rows)
        result.counts += counts
        for symbol, timeframe, candles in made:
            self._reader.append(symbol, timeframe, candles)
        if counts.skipped:
            self.reset()  # another writer was active: memory may differ from storage

    async def _quarantine(
        self, symbol: MarketSymbol, timeframe: Timeframe, answer: _Fetched, result: PullResult
    ) -> None:
        fresh = [r for r in answer.rejected if (symbol.symbol, r) not in self._seen_rejects]
        if not fresh:
            return
        async with self._database.connection() as connection:
            count = await quarantine.insert(
                connection, symbol.symbol, timeframe, fresh, self._clock.now()
            )
        if len(self._seen_rejects) > _REMEMBERED_REJECTS:
            self._seen_rejects.clear()
        self._seen_rejects.update((symbol.symbol, row) for row in fresh)
        if count:
            result.rejected[symbol.symbol] = result.rejected.get(symbol.symbol, 0) + count
            first = fresh[0]
            place = str(first.ts) if first.line is None else f"line {first.line}"
            result.reasons[symbol.symbol] = f"{first.source}, {place}: {first.reason}"

    async def _rebuild_higher(
        self,
        symbol: MarketSymbol,
        fetched: _Fetched,
        extra: Timeframe | None,
        result: PullResult,
    ) -> None:
        """Roll up again the periods that *fetched* touches, and correct stored ones."""
        base, calendar = self.base(symbol), self.calendar(symbol)
        wanted = {*symbol.timeframes, *([extra] if extra else ())}
        targets = [
            timeframe
            for timeframe in sorted(wanted, key=attrgetter("seconds"))
            if timeframe.seconds > base.seconds
        ]
        start, last = fetched.candles[0].ts, fetched.candles[-1].ts
        touched = [
            period
            for timeframe in targets
            for instant in (start, last)
            if (period := period_at(timeframe, calendar, instant)) is not None
        ]
        begin = min([start, *(period.start for period in touched)])
        end = max([last + base.duration, *(period.end for period in touched)])
        symbol_id = self.symbol_id(symbol)
        async with self._database.connection() as connection:
            bounds = await ohlc.bounds(connection, symbol_id, base)
        if bounds is None:
            return
        async with self._database.connection() as connection:
            candles = await ohlc.between(
                connection, symbol_id, base, begin, end, ingest_state.PAGE_ROWS * 100
            )
        until = min(end, max(bounds[1] + base.duration, self.pulled_until(symbol) or bounds[1]))
        for timeframe in targets:
            periods = roll_up(
                candles,
                timeframe,
                calendar,
                first=max(bounds[0], begin),
                until=until,
                base=base,
            )
            counts = await self._writer.write(
                symbol.symbol, timeframe, periods, fetched.feed, corrections=True
            )
            result.rolled_up += counts.inserted + counts.updated
