"""Idempotent writes of candles: COPY for many rows, one statement for few."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final, TypeVar

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import FeedName, SymbolId
from tradebotd.domain.timeframe import Timeframe
from tradebotd.ports.clock import Clock
from tradebotd.storage import corrections as correction_log
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Database, Lane

BULK_ROWS: Final = 500
CHUNK_ROWS: Final = 2_000

_Item = TypeVar("_Item")


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
        counts = WriteCounts()
        for chunk in _chunks(candles, CHUNK_ROWS):
            rows = candle_rows(symbol_id, timeframe, chunk, feed)
            await self._ensure_months(rows)
            counts += await self._write_chunk(rows, counts, apply=corrections)
        return counts

    async def write_rows(
        self, rows: Sequence[ohlc.CandleRow], *, corrections: bool = False
    ) -> WriteCounts:
        """Write rows of any symbols and timeframes, each key at most once."""
        if not rows:
            return WriteCounts()
        await self._ensure_months(rows)
        if len(rows) < BULK_ROWS:
            return await self._insert_few(rows, apply=corrections)
        counts = WriteCounts()
        grouped: dict[tuple[int, str], list[ohlc.CandleRow]] = defaultdict(list)
        for row in rows:
            grouped[row[0], row[1]].append(row)
        for group in grouped.values():
            done = WriteCounts()
            for chunk in _chunks(group, CHUNK_ROWS):
                done += await self._write_chunk(chunk, done, apply=corrections)
            counts += done
        return counts

    def forget_months(self) -> None:
        """Forget the months, since retention dropped partitions; they are made again on demand."""
        self._months.clear()

    async def _write_chunk(
        self, rows: Sequence[ohlc.CandleRow], before: WriteCounts, *, apply: bool
    ) -> WriteCounts:
        """Write a chunk; *before*: counts of the previous ones.

        If all of those rows were present, COPY would only fail and is not tried.
        """
        if len(rows) < BULK_ROWS:
            return await self._insert_few(rows, apply=apply)
        if before.inserted or not before.attempted:
            async with self._database.connection(Lane.BULK) as connection:
                if await ohlc.copy_new(connection, rows):
                    return WriteCounts(attempted=len(rows), inserted=len(rows))
        async with self._database.transaction(Lane.BULK) as connection:
            merged = await ohlc.merge(connection, rows)
        return await self._counted(rows, merged.inserted, merged.differences, apply=apply)

    async def _insert_few(self, rows: Sequence[ohlc.CandleRow], *, apply: bool) -> WriteCounts:
        async with self._database.connection() as connection:
            inserted = await ohlc.insert(connection, rows)
            different = await ohlc.differences(connection, rows) if inserted < len(rows) else []
        return await self._counted(rows, inserted, different, apply=apply)

    async def _counted(
        self,
        rows: Sequence[ohlc.CandleRow],
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
            attempted=len(rows),
            inserted=inserted,
            updated=updated,
            skipped=len(rows) - inserted - updated,
        )

    async def _ensure_months(self, rows: Sequence[ohlc.CandleRow]) -> None:
        """Create the partitions of 1m, each checked once per process."""
        for (year, month), found in groupby(
            (row[2] for row in rows if row[1] == Timeframe.M1), key=_month_of
        ):
            if (year, month) not in self._months:
                async with self._database.connection() as connection:
                    await ohlc.ensure_month(connection, next(found))
                self._months.add((year, month))


def candle_rows(
    symbol_id: SymbolId, timeframe: Timeframe, candles: Sequence[Candle], feed: str
) -> list[ohlc.CandleRow]:
    name = timeframe.value
    return [
        (symbol_id, name, c.ts, c.open, c.high, c.low, c.close, c.volume, feed) for c in candles
    ]


def _month_of(ts: datetime) -> tuple[int, int]:
    return ts.year, ts.month


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
