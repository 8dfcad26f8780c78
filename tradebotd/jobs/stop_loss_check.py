"""Sweep of every open position against its exits: the safety net behind the ticks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from tradebotd.clocks.host import monotonic
from tradebotd.domain.ids import JobName, PositionId
from tradebotd.domain.job import Outcome, Summary
from tradebotd.domain.position import Position
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext
from tradebotd.trading.entries.resting_entries import HURRIED_SECONDS, RestingEntries
from tradebotd.trading.exits.manager import ExitManager, SweepResult

NAME: Final = JobName("stop_loss_check")
SENT_WITHIN_SECONDS: Final = 2.0  # host time

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLossCheck:
    protection: ExitManager
    prices: PriceCache
    clock: Clock
    entry_orders: RestingEntries | None = None
    host_seconds: Callable[[], float] = monotonic
    _beyond_since: dict[PositionId, float] = field(default_factory=dict)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        began = monotonic()
        result = await self.protection.sweep(context.now)
        summary = _summary(result)
        if self.entry_orders is not None:  # after the exits: they come first
            swept = await self.entry_orders.sweep(context.now, HURRIED_SECONDS)
            swept.note_in(summary)
        # In a quiet market the same line every five seconds is for debugging only.
        say = log.info if summary.acted or summary.failed else log.debug
        say(
            "stop-loss check complete",
            checked=result.checked,
            closed=result.closed,
            duration_ms=round((monotonic() - began) * 1000, 1),
        )
        return summary

    async def outcome(self) -> Outcome:
        """Check that no open position is beyond its stop, unless its market is closed.

        At higher speeds an exit takes market seconds to be sent: a position counts once it has been
        beyond its stop for two host seconds.
        """
        missed = await self.protection.missed_exits(self.clock.now())
        if self.clock.speed > 1:
            missed = self._lasting(missed)
        if missed:
            named = ", ".join(f"{position.bot} {position.symbol}" for position in missed)
            return Outcome(ok=False, message=f"beyond their stop: {named}")
        return Outcome(ok=True, message="no open position is beyond its stop")

    def _lasting(self, beyond: Sequence[Position]) -> list[Position]:
        now, since = self.host_seconds(), self._beyond_since
        for over in since.keys() - {each.id for each in beyond}:
            del since[over]
        return [
            position
            for position in beyond
            if now - since.setdefault(position.id, now) >= SENT_WITHIN_SECONDS
        ]


def _summary(result: SweepResult) -> Summary:
    summary = Summary(attempted=result.checked, acted=result.closed)
    summary.counts = {"checked": result.checked, "closed": result.closed}
    for position, reason in result.waiting.items():
        summary.skipped += 1
        summary.items[position] = reason
    for item, error in result.failed.items():
        summary.fail(item, error)
    summary.attempted = max(summary.attempted, summary.failed)
    return summary
