"""Pivot levels of the session that a candle belongs to, read once per session."""

from collections.abc import Mapping
from datetime import date, datetime

from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.levels import PivotLevels
from tradebotd.market.calendars import Calendar
from tradebotd.storage import levels
from tradebotd.storage.postgres.database import Database


class SessionLevels:
    def __init__(self, database: Database, calendars: Mapping[str, Calendar]) -> None:
        self._database = database
        self._calendars = calendars
        self._cached: dict[str, tuple[date, PivotLevels]] = {}

    async def of(self, symbol: MarketSymbol, ts: datetime) -> PivotLevels | None:
        """Return the levels; None outside a session, or until they are calculated.

        In the latter case they are read again.
        """
        session = self._calendars[symbol.calendar].session_at(ts)
        if session is None:
            return None
        cached = self._cached.get(symbol.symbol)
        if cached is not None and cached[0] == session.date:
            return cached[1]
        async with self._database.connection() as connection:
            pivots = await levels.select_pivots(connection, symbol.symbol, session.date)
        if pivots is not None:
            self._cached[symbol.symbol] = (session.date, pivots)
        return pivots
