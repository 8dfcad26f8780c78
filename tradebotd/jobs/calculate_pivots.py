"""Pivot levels PP, R1, R2, S1, S2 of the session after each symbol's last completed one."""

from dataclasses import dataclass
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.market.ingest import Ingest
from tradebotd.market.levels import DailyLevels
from tradebotd.scheduling.job import RunContext

NAME: Final = JobName("calculate_pivots")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalculatePivots:
    levels: DailyLevels
    ingest: Ingest

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        symbols = [symbol for symbol in self.ingest.symbols if context.wants(symbol.symbol)]
        names = {self.ingest.symbol_id(symbol): symbol.symbol for symbol in symbols}
        rows = await self.levels.calculate_pivots(symbols)
        summary = Summary(attempted=len(rows), updated=len(rows), acted=len(rows))
        for row in rows:
            summary.items[names[row.symbol_id]] = {"trade_date": row.trade_date}
        return summary

    async def outcome(self) -> Outcome:
        """Recompute each symbol's newest row and compare."""
        checked, wrong = await self.levels.wrong_pivots(list(self.ingest.symbols))
        if wrong:
            return Outcome(ok=False, message="not the formula's: " + ", ".join(wrong))
        return Outcome(ok=True, message=f"{checked} rows recomputed and equal")
