"""Last closed candles of a symbol, cached in memory; PostgreSQL is authoritative."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import SymbolId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Database

_MIN_WINDOW: Final = 128


@dataclass(slots=True)
class _Window:
    capacity: int
    candles: list[Candle]


class CandleReader:
    """Reader whose windows are loaded once and grow by what `Ingest` writes."""

    def __init__(self, database: Database, symbol_ids: Mapping[str, SymbolId]) -> None:
        self._database = database
        self._symbol_ids = symbol_ids
        self._windows: dict[tuple[str, Timeframe], _Window] = {}
        self._writes = 0

    async def closed(
        self, symbol: MarketSymbol, timeframe: Timeframe, count: int, now: datetime
    ) -> Sequence[Candle]:
        """Return the last *count* closed candles, oldest first; fewer if there are fewer."""
        # A session's 1d candle is stored when the session has closed, hours before its UTC day has.
        latest = now if timeframe is Timeframe.D1 else now - timeframe.duration
        window = self._windows.get((symbol.symbol, timeframe))
        if window is None or window.capacity < count:
            window = await self._load(symbol.symbol, timeframe, count, latest)
        candles = window.candles
        end = len(candles)
        while end and candles[end - 1].ts > latest:
            end -= 1
        return candles[max(0, end - count) : end]

    def append(self, symbol: str, timeframe: Timeframe, candles: Sequence[Candle]) -> None:
        """Append stored *candles*; called by `Ingest`."""
        self._writes += 1
        window = self._windows.get((symbol, timeframe))
        if window is None:
            return
        held = window.candles
        for candle in candles:
            if held and candle.ts <= held[-1].ts:
                del self._windows[symbol, timeframe]  # not the newest: read again
                return
            held.append(candle)
        if len(held) > 2 * window.capacity:
            del held[: len(held) - window.capacity]

    def forget(self, symbol: str) -> None:
        """Drop the symbol's windows: stored candles changed other than at the end."""
        self._writes += 1
        for key in [key for key in self._windows if key[0] == symbol]:
            del self._windows[key]

    async def _load(
        self, symbol: str, timeframe: Timeframe, count: int, latest: datetime
    ) -> _Window:
        writes = self._writes
        capacity = max(count, _MIN_WINDOW)
        async with self._database.connection() as connection:
            candles = await ohlc.last(
                connection, self._symbol_ids[symbol], timeframe, latest, capacity
            )
        window = _Window(capacity, candles)
        if writes == self._writes:  # else a write meanwhile may be missing here
            self._windows[symbol, timeframe] = window
        return window
