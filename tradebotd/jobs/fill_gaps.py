"""Gaps in the stored candles within sessions, filled with what the feed has."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import Outcome, Summary
from tradebotd.market.gap_plan import Gap, plan_gaps
from tradebotd.market.ingest import Ingest
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("fill_gaps")
MAX_ASKED: Final = 200  # gaps per symbol and run; the rest follows an hour later
MAX_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FillGaps:
    """Gap-filling job; `_unfetchable`: gaps the feed does not fill. A restart asks again."""

    database: Database
    ingest: Ingest
    _unfetchable: dict[str, set[Gap]] = field(default_factory=dict)
    _looked_until: dict[str, datetime] = field(default_factory=dict)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary()
        for symbol in self.ingest.symbols:
            if not context.wants(symbol.symbol):
                continue
            try:
                await self._fill(symbol, summary)
            except FeedError as error:
                summary.attempted += 1
                summary.fail(symbol.symbol, error)
        return summary

    async def outcome(self) -> Outcome:
        """Check that no gap is left that has not been asked for."""
        unfilled: list[str] = []
        for symbol in self.ingest.symbols:
            gaps, _ = await self._gaps(symbol)
            if gaps:
                unfilled.append(f"{symbol.symbol}: {len(gaps)}")
        if unfilled:
            return Outcome(ok=False, message="holes not asked for yet: " + ", ".join(unfilled))
        empty = sum(len(gaps) for gaps in self._unfetchable.values())
        return Outcome(ok=True, message=f"no fillable hole, {empty} without data at the feed")

    async def _fill(self, symbol: MarketSymbol, summary: Summary) -> None:
        gaps, newest = await self._gaps(symbol)
        for start, end in gaps[:MAX_ASKED]:
            pulled = await self.ingest.pull_range(symbol, start, end)
            summary.attempted += 1
            summary.inserted += pulled.counts.inserted
            if pulled.counts.inserted:
                summary.acted += 1
            else:
                summary.skipped += 1
                self._remember(symbol.symbol, (start, end))
        if newest is not None and len(gaps) <= MAX_ASKED:
            self._looked_until[symbol.symbol] = newest

    async def _gaps(self, symbol: MarketSymbol) -> tuple[list[Gap], datetime | None]:
        """Return gaps since the last check, and the newest candle's open time."""
        base, symbol_id = self.ingest.base(symbol), self.ingest.symbol_id(symbol)
        async with self.database.connection() as connection:
            bounds = await ohlc.bounds(connection, symbol_id, base)
            if bounds is None:
                return [], None
            start = self._looked_until.get(symbol.symbol, bounds[0])
            holes = await ohlc.gaps(connection, symbol_id, base, start, bounds[1])
        known = self._unfetchable.get(symbol.symbol, set())
        return plan_gaps(holes, self.ingest.calendar(symbol), known), bounds[1]

    def _remember(self, symbol: str, gap: Gap) -> None:
        known = self._unfetchable.setdefault(symbol, set())
        if len(known) >= MAX_REMEMBERED:
            known.remove(min(known))
        known.add(gap)
