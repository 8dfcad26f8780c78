"""Equity of the account and each bot, every few minutes, and the account's loss limits."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tradebotd.domain.durations import spoken
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import JobName, VenueName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import reports
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.account_values import Valuation
from tradebotd.trading.entries.entries import Entries

NAME: Final = JobName("equity_snapshot")
HEAR_SECONDS: Final = 0.2  # time a venue needs to report a fill
TOO_OLD: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class EquitySnapshot:
    entries: Entries
    database: Database
    clock: Clock

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary, account = Summary(attempted=1), self.entries.account
        # At speed 0 fills are reported before the next job runs: no need to wait.
        pause = HEAR_SECONDS if self.clock.speed > 0 else 0.0
        silent = await account.transfers.pull(context.now)
        try:
            valuation = await account.snapshot(context.now, pause_seconds=pause)
        except FeedError as error:
            summary.fail(account.name, error)
            return summary
        for venue, why in valuation.silent.items():
            summary.fail(venue, f"{_counted(valuation, venue)}: {why}")
        for venue, why in silent.items():
            if venue not in valuation.silent:
                summary.fail(venue, f"does not tell its transfers: {why}")
        if not valuation.of_one_moment and not valuation.silent:
            summary.skipped = summary.put_off = 1
            summary.items[account.name] = "skipped (orders are under way)"
            return summary
        await self.entries.review(valuation, context.now)
        if valuation.of_one_moment:
            summary.inserted = 1 + len(valuation.bots)
        summary.attempted = summary.inserted + summary.failed
        return summary

    async def outcome(self) -> Outcome:
        """Check that the newest snapshot is recent."""
        async with self.database.connection() as connection:
            newest = await reports.newest_snapshot(connection, self.entries.account.name)
        if newest is None:
            return Outcome(ok=True, message="none is due yet")
        age = self.clock.now() - newest
        if age > TOO_OLD:
            return Outcome(ok=False, message=f"the newest snapshot is {spoken(age)} old")
        return Outcome(ok=True, message=f"newest at {newest:%Y-%m-%dT%H:%M:%SZ}")


def _counted(valuation: Valuation, venue: VenueName) -> str:
    if venue not in valuation.unknown:
        return "does not answer, counts with what was last known"
    return "has not answered yet, max_daily_loss and max_drawdown are not judged"
