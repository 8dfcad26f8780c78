"""Retention: drops data older than its keep time, whole months at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.market.ingest import Ingest
from tradebotd.market.writer import CandleWriter
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext
from tradebotd.storage.postgres import partitions
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("retention")
KEEP: Final[Mapping[str, timedelta]] = MappingProxyType(
    dict.fromkeys(partitions.MONTHLY, timedelta(days=90))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Retention job; ages are in market time, so that a replay of an old month keeps it."""

    database: Database
    ingest: Ingest
    writer: CandleWriter
    clock: Clock
    keep: Mapping[str, timedelta] = field(default_factory=lambda: KEEP)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary()
        for parent, age in self.keep.items():
            if not context.wants(parent):
                continue
            async with self.database.connection() as connection:
                dropped = await partitions.drop_expired(connection, parent, context.now - age)
            if dropped:
                summary.attempted += len(dropped)
                summary.acted += len(dropped)
                summary.items[parent] = {"dropped": dropped}
        if summary.acted:
            summary.counts["dropped"] = summary.acted
            self.writer.forget_months()
            self.ingest.reset()
        return summary

    async def outcome(self) -> Outcome:
        """Check that no partition is left that is wholly older than its keep time."""
        now: datetime = self.clock.now()
        kept: list[str] = []
        for parent, age in self.keep.items():
            keep_from = now - age - timedelta(days=1)  # the job runs once a day
            async with self.database.connection() as connection:
                count = await partitions.count_expired(connection, parent, keep_from)
            if count:
                kept.append(f"{parent}: {count}")
        if kept:
            return Outcome(ok=False, message="expired months are still there: " + ", ".join(kept))
        return Outcome(ok=True, message="nothing is older than its keep time")
