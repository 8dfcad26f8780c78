"""Our books against the venues': orders in doubt, fills, positions, balances."""

from dataclasses import dataclass, field
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.jobs.job import RunContext
from tradebotd.trading.entry_gate import EntryGate
from tradebotd.trading.reconcile import Reconciled, Reconciler

NAME: Final = JobName("reconcile")


@dataclass(slots=True, kw_only=True)
class Reconcile:
    """Opens the gate for entries once a whole reconciliation has gone well since the start."""

    reconciler: Reconciler
    gate: EntryGate
    _last: Reconciled | None = field(default=None)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:  # noqa: ARG002
        result = await self.reconciler.run()
        self._last = result
        summary = Summary(attempted=result.asked, updated=result.resolved, acted=result.resolved)
        for order in result.waiting:
            summary.skipped += 1
            summary.items[order] = "may still be on its way"
        for item, error in result.failed.items():
            summary.fail(item, error)
        for difference in result.differences:
            summary.fail(f"{difference.venue} {difference.subject}", str(difference))
        for each in result.cash:
            summary.fail(f"{each.venue} cash in {each.asset}", str(each))
        summary.attempted = max(summary.attempted, summary.failed)
        if not result.failed:
            self.gate.open("reconcile")
        return summary

    async def outcome(self) -> Outcome:
        """The last reconciliation found our positions, and paper's cash, equal to the venue's."""
        if self._last is None:
            return Outcome(ok=False, message="not reconciled since the start")
        if self._last.failed:
            return Outcome(ok=False, message=f"no answer: {', '.join(self._last.failed)}")
        if self._last.differences:
            return Outcome(ok=False, message="; ".join(map(str, self._last.differences)))
        if self._last.cash:
            return Outcome(ok=False, message="; ".join(map(str, self._last.cash)))
        return Outcome(ok=True, message="positions equal the venues'")
