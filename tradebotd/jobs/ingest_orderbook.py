"""Recording of order-book snapshots, one of each symbol and run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.domain.public_market import OrderBookSnapshot
from tradebotd.jobs.side_by_side import side_by_side
from tradebotd.ports.clock import Clock
from tradebotd.ports.public_market import RecordedSymbol
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import order_books
from tradebotd.storage.order_books import NewestSnapshot
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("ingest_orderbook")
COUNTS_ANEW: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOrderbook:
    """Job that stores the best *levels* of each side; `_looks`: the last answer's sequences.

    A book that has not changed since the last snapshot is none: it is skipped.
    """

    database: Database
    clock: Clock
    symbols: Sequence[RecordedSymbol]
    levels: int = 20
    _looks: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary()

        async def record(recorded: RecordedSymbol) -> None:
            summary.attempted += 1
            try:
                await self._record(recorded, summary)
            except FeedError as error:
                summary.fail(recorded.symbol, error)

        await side_by_side(record, [each for each in self.symbols if context.wants(each.symbol)])
        return summary

    async def outcome(self) -> Outcome:
        """Check that the newest book that was told of each symbol is stored, and is of now."""
        wrong = [late for each in self.symbols if (late := await self._late(each)) is not None]
        if wrong:
            return Outcome(ok=False, message="; ".join(wrong))
        return Outcome(ok=True, message=f"{len(self.symbols)} order books recorded up to now")

    async def _record(self, recorded: RecordedSymbol, summary: Summary) -> None:
        """Store one snapshot. Raises FeedError."""
        told = await recorded.market.order_book(recorded.name, self.levels)
        now, venue = self.clock.now(), recorded.market.name
        async with self.database.connection() as connection:
            newest = await order_books.newest(connection, venue, recorded.symbol)
            _refuse_older(told, newest, now)
            is_new = newest is None or newest.sequence_id != told.sequence_id
            if is_new:
                is_new = await order_books.insert(connection, venue, recorded.symbol, told, now)
        if is_new:
            summary.inserted += 1
        else:
            summary.skipped += 1
        self._looks[recorded.symbol] = told.sequence_id

    async def _late(self, recorded: RecordedSymbol) -> str | None:
        symbol, look = recorded.symbol, self._looks.get(recorded.symbol)
        if look is None:
            return f"{symbol}: not asked since the start"
        async with self.database.connection() as connection:
            newest = await order_books.newest(connection, recorded.market.name, symbol)
        if newest is None or newest.sequence_id != look:
            stored = "none" if newest is None else str(newest.sequence_id)
            return f"{symbol}: book {look} was told, {stored} is stored"
        return None


def _refuse_older(told: OrderBookSnapshot, newest: NewestSnapshot | None, now: datetime) -> None:
    """Raise FeedError for a book from before the newest one: of a machine that lags behind.

    A venue that has counted anew for a while is believed.
    """
    if newest is None or told.sequence_id >= newest.sequence_id:
        return
    if now - newest.received_at <= COUNTS_ANEW:
        raise FeedError(f"book {told.sequence_id} is older than {newest.sequence_id}, the newest")
