"""A new day: counters start from nothing, and bots that a daily limit paused go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.ids import BotName, JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.jobs.job import RunContext
from tradebotd.ports.clock import Clock
from tradebotd.storage import bots
from tradebotd.storage.database import Database
from tradebotd.trading.days import local_day

NAME: Final = JobName("daily_reset")


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReset:
    """Runs at midnight of each zone a bot's day has; touches the bots whose day has changed."""

    database: Database
    specs: Mapping[BotName, BotSpec]
    clock: Clock

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary(attempted=len(self.specs))
        for name, spec in sorted(self.specs.items()):
            today = local_day(context.now, spec.day_zone)
            async with self.database.connection() as connection:
                if await bots.reset_day(connection, name, today):
                    summary.updated += 1
                else:
                    summary.skipped += 1
        return summary

    async def outcome(self) -> Outcome:
        """No bot is paused by a limit of a day that is over."""
        async with self.database.connection() as connection:
            days = await bots.select_days(connection)
        now = self.clock.now()
        stuck = [
            name
            for name, day, paused_by in days
            if paused_by == "limit"
            and name in self.specs
            and day is not None
            and day < local_day(now, self.specs[name].day_zone)
        ]
        if stuck:
            return Outcome(ok=False, message=f"paused by a day that is over: {', '.join(stuck)}")
        return Outcome(ok=True, message="every counter belongs to its bot's day")
