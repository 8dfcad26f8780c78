"""Idempotent writes of candles: COPY for many rows, one statement for few."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Final, Generic, TypeVar

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import FeedName, SymbolId
from tradebotd.domain.timeframe import Timeframe
from tradebotd.ports.clock import Clock
from tradebotd.storage import corrections as correction_log
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Database, Lane

BULK_ROWS: Final = 500
CHUNK_ROWS: Final = 2_000
COPY_ROWS: Final = 50_000  # fewer COPYs cost less; more rows would stall the loop

_Item = TypeVar("_Item")
_TS_OF_CANDLE: Final = attrgetter("ts")
_TS_OF_ROW: Final = itemgetter(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCounts:
    """Counts of a write. `skipped`: rows already present, equal or not; `updated`: corrections."""

    attempted: int = 0
    inserted: int = 0
    updated: int = 0
    skipped: int = 0

    def __add__(self, other: "WriteCounts") -> "WriteCounts":
        return WriteCounts(
            attempted=self.attempted + other.attempted,
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            skipped=self.skipped + other.skipped,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group(Generic[_Item]):
    """Candles of one symbol and timeframe, and how rows are made of a chunk of them."""

    timeframe: str
    items: Sequence[_Item]
    ts_of: Callable[[_Item], datetime]
    rows_of: Callable[[Sequence[_Item]], Sequence[ohlc.CandleRow]]


class CandleWriter:
    """Writer of candles, the only one to write to `ohlc`."""

    def __init__(
        self, database: Database, symbol_ids: Mapping[str, SymbolId], clock: Clock
    ) -> None:
        self._database = database
        self._symbol_ids = symbol_ids
        self._clock = clock
        self._months: set[tuple[int, int]] = set()

    async def write(
        self,
        symbol: str,
        timeframe: Timeframe,
        candles: Sequence[Candle],
        feed: FeedName,
        *,
        corrections: bool = False,
    ) -> WriteCounts:
        """Write candles; `corrections`: differing stored values are replaced and recorded."""
        symbol_id = self._symbol_ids[symbol]
        group = _Group(
            timeframe=timeframe,
            items=candles,
            ts_of=_TS_OF_CANDLE,
            rows_of=lambda chunk: candle_rows(symbol_id, timeframe, chunk, feed),
        )
        return await self._write_group(group, apply=corrections)

    async def write_rows(
        self, rows: Sequence[ohlc.CandleRow], *, corrections: bool = False
    ) -> WriteCounts:
        """Write rows of any symbols and timeframes, each key at most once."""
        if not rows:
            return WriteCounts()
        if len(rows) < BULK_ROWS:
            await self._ensure_months([row[2] for row in rows if row[1] == Timeframe.M1])
            return await self._insert_few(rows, apply=corrections)
        counts = WriteCounts()
        grouped: dict[tuple[int, str], list[ohlc.CandleRow]] = defaultdict(list)
        for row in rows:
            grouped[row[0], row[1]].append(row)
        for (_, timeframe), of_one in grouped.items():
            group = _Group(
                timeframe=timeframe, items=of_one, ts_of=_TS_OF_ROW, rows_of=lambda chunk: chunk
            )
            counts += await self._write_group(group, apply=corrections)
        return counts

    def forget_months(self) -> None:
        """Forget the months, since retention dropped partitions; they are made again on demand."""
        self._months.clear()

    async def _write_group(self, group: "_Group[_Item]", *, apply: bool) -> WriteCounts:
        """Write the candles of one symbol and timeframe.

        Those of many chunks go by one COPY, in which PostgreSQL is busy while the next rows are
        made. Where one of them is stored already, chunk follows chunk, and COPY is not tried behind
        one of which all was stored.
        """
        counts, copies = WriteCounts(), True
        for block in _chunks(group.items, COPY_ROWS):
            if group.timeframe == Timeframe.M1:
                await self._ensure_months(list(map(group.ts_of, block)))
            chunks = list(_chunks(block, CHUNK_ROWS))
            if copies and len(chunks) > 1:
                copies = await self._copied(map(group.rows_of, chunks))
                if copies:
                    counts += WriteCounts(attempted=len(block), inserted=len(block))
                    continue
            for chunk in chunks:
                done = await self._write_chunk(group.rows_of(chunk), copies=copies, apply=apply)
                copies = done.inserted > 0
                counts += done
        return counts

    async def _write_chunk(
        self, rows: Sequence[ohlc.CandleRow], *, copies: bool, apply: bool
    ) -> WriteCounts:
        if len(rows) < BULK_ROWS:
            return await self._insert_few(rows, apply=apply)
        if copies and await self._copied([rows]):
            return WriteCounts(attempted=len(rows), inserted=len(rows))
        async with self._database.connection(Lane.BULK) as connection:
            found = await ohlc.compare(connection, rows)
        if found is None:
            return await self._insert_few(rows, apply=apply, lane=Lane.BULK)
        done = await self._insert_few(found.missing, apply=apply, lane=Lane.BULK)
        present = len(rows) - len(found.missing)
        return done + await self._counted(present, 0, found.different, apply=apply)

    async def _copied(self, chunks: Iterable[Sequence[ohlc.CandleRow]]) -> bool:
        async with self._database.connection(Lane.BULK) as connection:
            return await ohlc.copy_new(connection, chunks)

    async def _insert_few(
        self, rows: Sequence[ohlc.CandleRow], *, apply: bool, lane: Lane = Lane.WORK
    ) -> WriteCounts:
        if not rows:
            return WriteCounts()
        async with self._database.connection(lane) as connection:
            inserted = await ohlc.insert(connection, rows)
            different = await ohlc.differences(connection, rows) if inserted < len(rows) else []
        return await self._counted(len(rows), inserted, different, apply=apply)

    async def _counted(
        self,
        attempted: int,
        inserted: int,
        different: Sequence[ohlc.Difference],
        *,
        apply: bool,
    ) -> WriteCounts:
        if different:
            async with self._database.transaction() as connection:
                await correction_log.record(
                    connection, different, apply=apply, seen_at=self._clock.now()
                )
        updated = len(different) if apply else 0
        return WriteCounts(
            attempted=attempted,
            inserted=inserted,
            updated=updated,
            skipped=attempted - inserted - updated,
        )

    async def _ensure_months(self, minutes: Sequence[datetime]) -> None:
        """Create the partitions of 1m, each checked once per process."""
        if not minutes:
            return
        earliest, latest = min(minutes), max(minutes)  # of two months at most, mostly
        ends = _number_of(latest) - _number_of(earliest) <= 1
        for instant in (earliest, latest) if ends else minutes:
            month = _month_of(instant)
            if month not in self._months:
                async with self._database.connection() as connection:
                    await ohlc.ensure_month(connection, instant)
                self._months.add(month)


def candle_rows(
    symbol_id: SymbolId, timeframe: Timeframe, candles: Sequence[Candle], feed: str
) -> list[ohlc.CandleRow]:
    name = timeframe.value
    return [
        (symbol_id, name, c.ts, c.open, c.high, c.low, c.close, c.volume, feed) for c in candles
    ]


def _month_of(ts: datetime) -> tuple[int, int]:
    return ts.year, ts.month


def _number_of(ts: datetime) -> int:
    """Return the number of its month; those that follow each other differ by one."""
    return ts.year * 12 + ts.month


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
