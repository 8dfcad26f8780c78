"""Recording of public trades, behind the last one that is stored of each symbol."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, NamedTuple

import structlog

from tradebotd.domain.durations import spoken
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.job import Outcome, Summary
from tradebotd.domain.public_market import TradePage
from tradebotd.jobs.retention import KEEP
from tradebotd.jobs.side_by_side import side_by_side
from tradebotd.ports.clock import Clock
from tradebotd.ports.public_market import RecordedSymbol
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import market_trades
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("ingest_trades")
MOST_PAGES: Final = 5  # of a symbol and run, of a thousand trades; the next run goes on
CATCHES_UP: Final = timedelta(days=1)  # behind a longer pause it begins anew

_log = structlog.get_logger(__name__)


class _Look(NamedTuple):
    """Last answer: the newest trade that it told, and whether there is more behind it."""

    last_id: int | None
    behind: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestTrades:
    """Job that resumes by the table alone; `_looks`: the last answer of each symbol."""

    database: Database
    clock: Clock
    symbols: Sequence[RecordedSymbol]
    _looks: dict[str, _Look] = field(default_factory=dict)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        summary = Summary()
        wanted = [each for each in self.symbols if context.wants(each.symbol)]

        async def record(recorded: RecordedSymbol) -> None:
            try:
                await self._record(recorded, summary)
            except FeedError as error:
                summary.attempted += 1
                summary.fail(recorded.symbol, error)

        await side_by_side(record, wanted)
        if summary.failed and len(summary.failed_items) < len(wanted):
            summary.attempted = max(summary.attempted, summary.failed + 1)  # some had nothing new
        return summary

    async def outcome(self) -> Outcome:
        """Check that what was told of each symbol is stored, and that nothing waits behind it."""
        wrong = [late for each in self.symbols if (late := await self._late(each)) is not None]
        if wrong:
            return Outcome(ok=False, message="; ".join(wrong))
        return Outcome(ok=True, message=f"{len(self.symbols)} symbols recorded up to now")

    async def _record(self, recorded: RecordedSymbol, summary: Summary) -> None:
        """Store page behind page. Raises FeedError; what is stored by then stays."""
        symbol, item = recorded.symbol, dict[str, Any]()
        newest = await self._newest(recorded)
        after = None if newest is None else newest.trade_id
        if newest is not None and self.clock.now() - newest.executed_at > CATCHES_UP:
            after, item["begun_anew_behind"] = None, newest.executed_at
            _log.warning("recording begun anew", symbol=symbol, behind=newest.executed_at)
        for _ in range(MOST_PAGES):
            page = await recorded.market.trades(recorded.name, after)
            is_past = not await self._store(recorded, page, summary)
            missed = _missed(page, after)
            for word, count in (("missed", missed), ("bad", page.bad)):
                if count:
                    item[word] = item.get(word, 0) + count
                    summary.counts[word] = summary.counts.get(word, 0) + count
            if missed:
                _log.warning("public trades missed", symbol=symbol, behind=after, count=missed)
            after = after if page.last_id is None else page.last_id
            self._looks[symbol] = _Look(None if is_past else after, page.full)
            if not page.full:
                break
        else:
            summary.put_off += 1
            item["behind"] = True
        if item:
            summary.items[symbol] = item
        if item.get("bad"):  # told so, and never told otherwise: no other try helps
            summary.failed += item["bad"]
            item["error"] = f"{item['bad']} trades make no sense, and are left out"

    async def _store(self, recorded: RecordedSymbol, page: TradePage, summary: Summary) -> bool:
        """Store what is not past its keep time; return False where everything was."""
        summary.attempted += len(page.trades) + page.bad
        keep_from = self.clock.now() - KEEP[market_trades.TABLE]
        kept = [trade for trade in page.trades if trade.executed_at >= keep_from]
        if len(kept) < len(page.trades):  # retention would drop them at once
            too_old = len(page.trades) - len(kept)
            summary.counts["too_old"] = summary.counts.get("too_old", 0) + too_old
        if not kept:
            summary.skipped += len(page.trades)
            return not page.trades
        # Each time: retention drops months, and may have dropped one that was there a page ago.
        months = {(each.executed_at.year, each.executed_at.month): each for each in kept}
        async with self.database.connection() as connection:
            for trade in months.values():
                await market_trades.ensure_month(connection, trade.executed_at)
            inserted = await market_trades.insert(
                connection, recorded.market.name, recorded.symbol, kept
            )
        summary.inserted += inserted
        summary.skipped += len(page.trades) - inserted
        return True

    async def _newest(self, recorded: RecordedSymbol) -> market_trades.NewestTrade | None:
        async with self.database.connection() as connection:
            return await market_trades.newest(connection, recorded.market.name, recorded.symbol)

    async def _late(self, recorded: RecordedSymbol) -> str | None:
        symbol, look = recorded.symbol, self._looks.get(recorded.symbol)
        if look is None:
            return f"{symbol}: not asked since the start"
        newest = await self._newest(recorded)
        if look.last_id is not None and (newest is None or newest.trade_id < look.last_id):
            stored = "none" if newest is None else str(newest.trade_id)
            return f"{symbol}: trade {look.last_id} was told, {stored} is stored"
        if look.behind and newest is not None:
            age = self.clock.now() - newest.executed_at
            return f"{symbol}: behind, the newest is {spoken(age)} old"
        return None


def _missed(page: TradePage, after: int | None) -> int:
    """Return how many trades the venue has left out between *after* and the page."""
    if after is None or page.last_id is None:
        return 0
    return page.last_id - after - len(page.trades) - page.bad
