"""Reconciliation with the venues: unknown orders, fills, positions, balances."""

from dataclasses import dataclass, field
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.reconciliation.reconciler import Reconciled, Reconciler

NAME: Final = JobName("reconcile")


@dataclass(slots=True, kw_only=True)
class Reconcile:
    """Job that opens the gate for entries at each reconciled venue.

    A venue's entries wait for the first successful reconciliation of all that concerns it since the
    start, independently of other venues.
    """

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
        for cash_difference in result.cash:
            summary.fail(
                f"{cash_difference.venue} cash in {cash_difference.asset}", str(cash_difference)
            )
        summary.attempted = max(summary.attempted, summary.failed)
        self.gate.reconciled(result.uncompared)
        return summary

    async def outcome(self) -> Outcome:
        """Check that the last run found positions, and cash on paper, equal to the venues'."""
        if self._last is None:
            return Outcome(ok=False, message="not reconciled since the start")
        wrong = [str(difference) for difference in (*self._last.differences, *self._last.cash)]
        if self._last.failed:
            wrong.append(f"no answer: {', '.join(self._last.failed)}")
        if wrong:
            return Outcome(ok=False, message="; ".join(wrong))
        return Outcome(ok=True, message="positions equal the venues'")
