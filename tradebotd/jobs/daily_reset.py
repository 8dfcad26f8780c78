"""Daily reset: counters start from zero, and bots paused by a daily limit resume."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.ids import BotName, JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import bots
from tradebotd.storage.bots import Counters, PausedBy
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.account.daily_limits import reached_limit
from tradebotd.trading.account.trading_day import local_day

log = structlog.get_logger(__name__)

NAME: Final = JobName("daily_reset")


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReset:
    """Job that runs at midnight of each zone of a bot's day, for bots whose day has changed."""

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
                paused = await bots.reset_day(connection, name, today)
            lifted = paused is None and await self._lift(name, context.now)
            if paused is None and not lifted:
                summary.skipped += 1
                continue
            summary.updated += 1
            if paused or lifted:
                log.warning("bot resumed", bot=name, because="a new day of its limits")
        return summary

    async def _lift(self, name: BotName, now: datetime) -> bool:
        """Lift the previous day's pause if a fill before this run has already begun the new day."""
        async with self.database.connection() as connection:
            for bot, judged in self._stuck(await bots.select_days(connection), now):
                if bot == name:
                    return await bots.lift_limit(connection, bot, judged)
        return False

    def _stuck(
        self, days: list[tuple[BotName, PausedBy | None, Counters]], now: datetime
    ) -> list[tuple[BotName, Counters]]:
        """Return the bots paused by a limit that today's counters do not reach."""
        return [
            (name, counted)
            for name, paused_by, counted in days
            if paused_by == "limit"
            and (spec := self.specs.get(name)) is not None
            and counted.day is not None
            and reached_limit(spec, counted, local_day(now, spec.day_zone)) is None
        ]

    async def outcome(self) -> Outcome:
        """Check that no bot is paused by a limit of a day that is over."""
        async with self.database.connection() as connection:
            days = await bots.select_days(connection)
        stuck = [name for name, _ in self._stuck(days, self.clock.now())]
        if stuck:
            return Outcome(ok=False, message=f"paused by a day that is over: {', '.join(stuck)}")
        return Outcome(ok=True, message="every counter belongs to its bot's day")
