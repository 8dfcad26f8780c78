"""Retention: drops data older than its keep time, whole months at once, or row by row."""

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
from tradebotd.storage import expired_rows
from tradebotd.storage.postgres import partitions
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("retention")
KEEP: Final[Mapping[str, timedelta]] = MappingProxyType(
    dict.fromkeys(partitions.MONTHLY, timedelta(days=90))
)
KEEP_ROWS: Final[Mapping[str, timedelta]] = MappingProxyType(
    {"orderbook_snapshots": timedelta(days=7), "universe": timedelta(days=90)}
)
MOST_STATEMENTS: Final = 200  # of a table and run, of 5,000 rows each; the next run goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Retention job; ages are in market time, so that a replay of an old month keeps it."""

    database: Database
    ingest: Ingest
    writer: CandleWriter
    clock: Clock
    keep: Mapping[str, timedelta] = field(default_factory=lambda: KEEP)
    keep_rows: Mapping[str, timedelta] = field(default_factory=lambda: KEEP_ROWS)

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
        for table, age in self.keep_rows.items():
            if context.wants(table):
                await self._drop_rows(table, context.now - age, summary)
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
        for table, age in self.keep_rows.items():
            async with self.database.connection() as connection:
                if await expired_rows.any_expired(connection, table, now - age - timedelta(days=1)):
                    kept.append(table)
        if kept:
            return Outcome(ok=False, message="expired rows are still there: " + ", ".join(kept))
        return Outcome(ok=True, message="nothing is older than its keep time")

    async def _drop_rows(self, table: str, keep_from: datetime, summary: Summary) -> None:
        """Delete in statements of a bounded size, so that nobody waits long for any of them."""
        dropped = 0
        for _ in range(MOST_STATEMENTS):
            async with self.database.connection() as connection:
                count = await expired_rows.drop(connection, table, keep_from)
            dropped += count
            if count < expired_rows.AT_ONCE:
                break
        if dropped:
            summary.attempted += 1
            summary.acted += 1
            summary.items[table] = {"rows_dropped": dropped}
