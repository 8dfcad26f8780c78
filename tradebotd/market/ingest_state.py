"""State of one symbol's ingest, restored from what is stored."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tradebotd.domain.candle import Candle
from tradebotd.domain.ids import SymbolId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.market.calendars import Calendar
from tradebotd.market.roll_up import RollUp
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Connection

PAGE_ROWS: Final = 5_000
RECENT: Final = 60  # candles that define the usual range


@dataclass(slots=True)
class SymbolState:
    """State of a symbol. `until`: data before it has been asked for. `pending`: not yet stored."""

    symbol: MarketSymbol
    symbol_id: SymbolId
    base: Timeframe
    roll_ups: list[RollUp]
    newest: datetime | None = None
    until: datetime | None = None
    recent: deque[Candle] = field(default_factory=lambda: deque(maxlen=RECENT))
    pending: list[tuple[Timeframe, Candle]] = field(default_factory=list)

    def extend(
        self, candles: Sequence[Candle], until: datetime
    ) -> list[tuple[Timeframe, list[Candle]]]:
        """Add *candles*, complete up to *until*; return the higher candles completed."""
        for candle in candles:
            self.add(candle)
        for builder in self.roll_ups:
            finished = builder.close_until(until)
            if finished is not None:
                self.pending.append((builder.timeframe, finished))
        self.until = until if self.until is None else max(self.until, until)
        if not self.pending:
            return []
        made: dict[Timeframe, list[Candle]] = {}
        for timeframe, candle in self.pending:
            made.setdefault(timeframe, []).append(candle)
        self.pending.clear()
        return list(made.items())

    def add(self, candle: Candle) -> None:
        self.newest = candle.ts
        self.recent.append(candle)
        for builder in self.roll_ups:
            finished = builder.add(candle)
            if finished is not None:
                self.pending.append((builder.timeframe, finished))


async def load(
    connection: Connection,
    symbol: MarketSymbol,
    symbol_id: SymbolId,
    base: Timeframe,
    calendar: Calendar,
) -> SymbolState:
    """Load the state; roll-ups continue after the last stored one, which closes a crash's gaps."""
    state = SymbolState(symbol, symbol_id, base, [])
    stored = await ohlc.bounds(connection, symbol_id, base)
    first = None if stored is None else stored[0]
    begins: list[datetime] = []
    for timeframe in sorted(symbol.timeframes, key=lambda higher: higher.seconds):
        if timeframe.seconds <= base.seconds:
            continue
        made = await ohlc.bounds(connection, symbol_id, timeframe)
        newest = None if made is None else made[1]
        state.roll_ups.append(RollUp(timeframe, calendar, first=first, made=newest, base=base))
        if first is not None:
            begins.append(
                first if newest is None else max(first, _after(newest, timeframe, calendar))
            )
    if stored is None:
        return state
    recent = await ohlc.last(connection, symbol_id, base, stored[1], RECENT)
    cursor = min([recent[0].ts, *begins])
    while True:
        page = await ohlc.between(
            connection, symbol_id, base, cursor, stored[1] + base.duration, PAGE_ROWS
        )
        for candle in page:
            state.add(candle)
        if len(page) < PAGE_ROWS:
            return state
        cursor = page[-1].ts + base.duration


def _after(newest: datetime, timeframe: Timeframe, calendar: Calendar) -> datetime:
    if timeframe is Timeframe.D1:
        return calendar.next_session_after(newest.date()).open
    return newest + timeframe.duration
