"""High, low and close of each newly completed session; written once per (symbol, session)."""

from dataclasses import dataclass
from typing import Final

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.market.ingest import Ingest
from tradebotd.market.levels import DailyLevels
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext

NAME: Final = JobName("daily_close")


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyClose:
    levels: DailyLevels
    ingest: Ingest
    clock: Clock

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary()
        for symbol in self.ingest.symbols:
            if not context.wants(symbol.symbol):
                continue
            try:
                done = await self.levels.close_sessions(symbol, context.now)
            except FeedError as error:
                summary.attempted += 1
                summary.fail(symbol.symbol, error)
                continue
            summary.attempted += done.written + done.uncovered + done.waiting
            summary.inserted += done.written
            summary.skipped += done.uncovered + done.waiting
            if done.written:
                summary.acted += 1
                summary.items[symbol.symbol] = {"session": done.newest, "written": done.written}
            elif done.waiting:
                summary.items[symbol.symbol] = {"waiting": done.waiting}
        return summary

    async def outcome(self) -> Outcome:
        """Check that every completed session with stored candles has its row."""
        now = self.clock.now()
        missing: list[str] = []
        for symbol in self.ingest.symbols:
            sessions = await self.levels.missing(symbol, now)
            # The slot comes some minutes after the close: the latest session may be still to do.
            latest = self.ingest.calendar(symbol).last_completed(now)
            late = [session for session in sessions if session != latest]
            missing += [f"{symbol.symbol} {session.date}" for session in late]
        if missing:
            return Outcome(ok=False, message="no levels from: " + ", ".join(missing[:5]))
        return Outcome(ok=True, message="every completed session has its levels")
