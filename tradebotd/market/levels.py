"""Daily levels: a completed session's high, low and close, then the next session's pivots."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from tradebotd.domain.errors import FeedError
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.levels import PivotLevels, pivot_levels
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.ingest import Ingest
from tradebotd.market.sessions import Session
from tradebotd.storage import levels, ohlc
from tradebotd.storage.levels import LevelsRow
from tradebotd.storage.postgres.database import Database

TOLERANCE: Final = 1e-9  # relative; the formula is recomputed in the same arithmetic


@dataclass(slots=True)
class LevelsWritten:
    """Result for one symbol; `uncovered` sessions lack data from their open and get no row."""

    written: int = 0
    uncovered: int = 0
    waiting: int = 0  # sessions whose candles are incomplete
    newest: date | None = None


@dataclass(slots=True)
class DailyLevels:
    """Levels; each step handles a (symbol, session) once, so a second call has nothing to do."""

    database: Database
    ingest: Ingest
    _done: dict[str, date] = field(default_factory=dict)  # the newest session processed

    async def close_sessions(self, symbol: MarketSymbol, now: datetime) -> LevelsWritten:
        """Write the row of the session after each completed one that has none yet.

        Raises FeedError when the sessions' candles cannot be fetched.
        """
        result = LevelsWritten()
        for session in await self._due(symbol, now):
            until = self.ingest.pulled_until(symbol)
            if until is None or until < session.close:
                pulled = await self.ingest.pull(now, [symbol])
                if symbol.symbol in pulled.errors:
                    raise FeedError(pulled.errors[symbol.symbol])
                until = self.ingest.pulled_until(symbol)
            if until is None or until < session.close:
                result.waiting += 1
                break
            if await self._write(symbol, session):
                result.written += 1
                result.newest = session.date
            else:
                result.uncovered += 1
            self._done[symbol.symbol] = session.date
        return result

    async def missing(self, symbol: MarketSymbol, now: datetime) -> list[Session]:
        """Return completed sessions with stored candles that have no row."""
        due = await self._due(symbol, now)
        if not due:
            return []
        return [session for session in due if await self._extremes(symbol, session) is not None]

    async def calculate_pivots(self, symbols: list[MarketSymbol]) -> list[LevelsRow]:
        """Calculate the pivots of every row that lacks them; return those rows."""
        ids = [self.ingest.symbol_id(symbol) for symbol in symbols]
        async with self.database.connection() as connection:
            rows = await levels.uncalculated(connection, ids)
        for row in rows:
            pivots = pivot_levels(row.y_high, row.y_low, row.y_close)
            async with self.database.connection() as connection:
                await levels.set_pivots(connection, row.trade_date, row.symbol_id, pivots)
        return rows

    async def wrong_pivots(self, symbols: list[MarketSymbol]) -> tuple[int, list[str]]:
        """Return the number of latest rows, and those whose pivots differ from the formula."""
        names = {self.ingest.symbol_id(symbol): symbol.symbol for symbol in symbols}
        async with self.database.connection() as connection:
            rows = await levels.latest(connection, list(names))
        wrong = []
        for row in rows:
            expected = pivot_levels(row.y_high, row.y_low, row.y_close)
            if row.pivots is not None and not _agree(row.pivots, expected):
                wrong.append(f"{names[row.symbol_id]} {row.trade_date}")
        return len(rows), wrong

    async def _due(self, symbol: MarketSymbol, now: datetime) -> list[Session]:
        """Return completed sessions after the newest one with a row, oldest first."""
        calendar = self.ingest.calendar(symbol)
        last = calendar.last_completed(now)
        if last is None or self._done.get(symbol.symbol, date.min) >= last.date:
            return []
        symbol_id, base = self.ingest.symbol_id(symbol), self.ingest.base(symbol)
        async with self.database.connection() as connection:
            bounds = await ohlc.bounds(connection, symbol_id, base)
            written = await levels.newest_session(connection, symbol_id)
        if bounds is None:
            return []
        after = max(written or date.min, self._done.get(symbol.symbol, date.min))
        sessions = calendar.sessions(bounds[0], last.close)
        return [session for session in sessions if after < session.date <= last.date]

    async def _write(self, symbol: MarketSymbol, session: Session) -> bool:
        extremes = await self._extremes(symbol, session)
        if extremes is None:
            return False
        high, low, close = extremes
        row = LevelsRow(
            trade_date=self.ingest.calendar(symbol).next_session_after(session.date).date,
            symbol_id=self.ingest.symbol_id(symbol),
            y_date=session.date,
            y_high=high,
            y_low=low,
            y_close=close,
        )
        async with self.database.connection() as connection:
            return await levels.insert(connection, row)

    async def _extremes(
        self, symbol: MarketSymbol, session: Session
    ) -> tuple[float, float, float] | None:
        """Return high, low, close of the session; None if its first candles are missing."""
        symbol_id, base = self.ingest.symbol_id(symbol), self.ingest.base(symbol)
        async with self.database.connection() as connection:
            bounds = await ohlc.bounds(connection, symbol_id, base)
            if bounds is None or bounds[0] > session.open:
                return None
            found = [
                of_hours
                for start, end in _spans(session, base)
                if (of_hours := await ohlc.extremes(connection, symbol_id, base, start, end))
            ]
        if not found:
            return None
        return max(high for high, _, _ in found), min(low for _, low, _ in found), found[-1][2]


def _spans(session: Session, base: Timeframe) -> list[tuple[datetime, datetime]]:
    """Return the ranges of candle open times that cover the session's hours.

    A candle in which a break ends contains the trading after the break.
    """
    first, *others = session.hours
    return [
        (first.open, first.close),
        *((base.floor(hours.open), hours.close) for hours in others),
    ]


def _agree(stored: PivotLevels, expected: PivotLevels) -> bool:
    pairs = (
        (stored.pp, expected.pp),
        (stored.r1, expected.r1),
        (stored.r2, expected.r2),
        (stored.s1, expected.s1),
        (stored.s2, expected.s2),
    )
    return all(abs(a - b) <= TOLERANCE * max(abs(b), 1.0) for a, b in pairs)
