"""What the account and each bot are worth, every few minutes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.jobs.job import RunContext
from tradebotd.ports.clock import Clock
from tradebotd.storage import reports
from tradebotd.storage.database import Database
from tradebotd.trading.account import Account

NAME: Final = JobName("equity_snapshot")
TOO_OLD: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class EquitySnapshot:
    account: Account
    database: Database
    clock: Clock

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary(attempted=1)
        try:
            worth = await self.account.snapshot(context.now)
        except FeedError as error:
            summary.fail(self.account.name, error)
            return summary
        if worth is None:
            summary.skipped = 1
            summary.items[self.account.name] = "skipped (orders are under way)"
            return summary
        summary.attempted = summary.inserted = 1 + len(worth.bots)
        return summary

    async def outcome(self) -> Outcome:
        """The newest snapshot is fresh, and its equity is its cash and positions."""
        async with self.database.connection() as connection:
            newest = await reports.newest_snapshot(connection, self.account.name)
        if newest is None:
            return Outcome(ok=True, message="none is due yet")
        age = self.clock.now() - newest
        if age > TOO_OLD:
            return Outcome(ok=False, message=f"the newest snapshot is {age} old")
        return Outcome(ok=True, message=f"newest at {newest:%Y-%m-%dT%H:%M:%SZ}")
