"""Reconciliation with the venues: unknown orders, fills, positions, balances."""

from dataclasses import dataclass, field
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.scheduling.job import RunContext
from tradebotd.trading.entries.entry_gate import EntryGate
from tradebotd.trading.reconciliation.reconciler import Reconciled, Reconciler
from tradebotd.trading.venue_state.server_clocks import ServerClocks
from tradebotd.trading.venue_state.venue_keys import VenueKeys

NAME: Final = JobName("reconcile")


@dataclass(slots=True, kw_only=True)
class Reconcile:
    """Opens the gate for the entries at a venue once a reconciliation of all that concerns it has
    gone well since the start, whatever the other venues do. *clocks*: checked before, when due;
    *keys*: those that were not vetted yet.
    """

    reconciler: Reconciler
    gate: EntryGate
    clocks: ServerClocks | None = None
    keys: VenueKeys | None = None
    _last: Reconciled | None = field(default=None)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:  # noqa: ARG002
        if self.keys is not None:
            await self.keys.check()
        if self.clocks is not None:
            await self.clocks.check()
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
