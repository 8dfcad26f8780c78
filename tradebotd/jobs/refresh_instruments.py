"""Filters, status and commissions of the symbols, as their venues tell them now."""

from dataclasses import dataclass
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.trading.instruments.refresh import InstrumentRefresh

NAME: Final = JobName("refresh_instruments")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshInstruments:
    """Job whose run fails by what is not answered or cannot be so; neither changes anything."""

    instruments: InstrumentRefresh

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:  # noqa: ARG002
        result = await self.instruments.run()
        changed = len(result.changed)
        summary = Summary(attempted=result.asked, updated=changed, acted=changed)
        summary.items.update(result.changed)
        for item, why in result.wrong:
            summary.fail(item, why)
        summary.attempted = max(summary.attempted, summary.failed)
        return summary

    async def outcome(self) -> Outcome:
        """Tell whether every venue that tells has told what can be so."""
        last = self.instruments.last
        if last is None:
            return Outcome(ok=False, message="not asked since the start")
        wrong = [f"{item}: {why}" for item, why in last.wrong]
        if wrong:
            return Outcome(ok=False, message="; ".join(wrong))
        return Outcome(ok=True, message=f"{last.asked} instruments are as their venues tell them")
