"""Trading cycle of every active bot, concurrently and independent of each other.

Resting entries that are no longer wanted are cancelled first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from tradebotd.domain.bot import BotSpec
from tradebotd.domain.errors import RefusedError, TradebotError
from tradebotd.domain.ids import BotName, JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.domain.refusal import RefusalCode
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import reports
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.bots.cycle import BotCycle, CycleResult
from tradebotd.trading.entries.resting_entries import HURRIED_SECONDS, RestingEntries

NAME: Final = JobName("run_bots")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBots:
    """Bot-cycle job; *sequential*: one bot after the other, by name, to repeat exactly (speed 0).

    The parameter `bot = NAME` runs that bot alone.
    """

    cycle: BotCycle
    entry_orders: RestingEntries
    specs: Mapping[BotName, BotSpec]
    database: Database
    sequential: bool

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        names = self._wanted(context)
        summary = Summary(attempted=len(names))
        swept = await self.entry_orders.sweep(context.now, HURRIED_SECONDS)
        swept.note_in(summary)
        if self.sequential:
            for name in names:
                await self._run_one(name, context, summary)
        else:
            async with anyio.create_task_group() as cycles:
                for name in names:
                    cycles.start_soon(self._run_one, name, context, summary)
        if summary.acted or summary.failed:
            log.info("bot cycle complete", bots=len(names), acted=summary.acted)
        else:
            log.debug("bot cycle complete", bots=len(names))
        return summary

    def check(self, params: Mapping[str, str]) -> None:
        if others := sorted(set(params) - {"bot"}):
            hint = "run_bots takes bot"
            raise RefusedError(RefusalCode.USAGE, f"unknown parameter {', '.join(others)}", hint)
        one = params.get("bot")
        if one is not None and one not in self.specs:
            known = tuple(sorted(self.specs))
            raise RefusedError(
                RefusalCode.UNKNOWN_BOT,
                f"there is no bot {one}",
                f"known: {', '.join(known)}",
                known,
            )

    def _wanted(self, context: RunContext) -> list[BotName]:
        one = context.params.get("bot")
        self.check(context.params)
        names = [BotName(one)] if one is not None else sorted(self.specs)
        return [name for name in names if context.wants(name)]

    async def _run_one(self, name: BotName, context: RunContext, summary: Summary) -> None:
        try:
            result = await self.cycle.run(name, context.now)
        except (TradebotError, TimeoutError) as error:
            summary.fail(name, error)
            return
        _note(summary, name, result)

    async def outcome(self) -> Outcome:
        """Check that no bot's last cycle ended in an error."""
        async with self.database.connection() as connection:
            failing = await reports.bots_in_error(connection)
        if failing:
            return Outcome(ok=False, message=f"in error: {', '.join(failing)}")
        return Outcome(ok=True, message=f"{len(self.specs)} bots without an error")


def _note(summary: Summary, name: BotName, result: CycleResult) -> None:
    if result.error is not None:
        summary.fail(name, result.error)
    elif result.skipped:
        summary.skipped += 1
        summary.put_off += 1
        summary.items[name] = "skipped (a cycle is under way)"
    elif result.acted:
        summary.acted += 1
        summary.items[name] = "order made"
