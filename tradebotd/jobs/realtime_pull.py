"""Pull of the newest closed candles of all symbols; higher timeframes are rolled up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio

from tradebotd.domain.durations import spoken
from tradebotd.domain.ids import JobName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.job import Outcome, Summary
from tradebotd.market.ingest import Ingest
from tradebotd.market.pull_result import PullResult
from tradebotd.market.watchlist import Watchlist
from tradebotd.ports.clock import Clock
from tradebotd.scheduling.job import RunContext
from tradebotd.storage import ohlc
from tradebotd.storage.postgres.database import Database

NAME: Final = JobName("realtime_pull")
# Of the watchlist, in host time: nobody who waits for candles that are traded on waits longer than
# a batch, and the pull of the next minute is not late.
BATCH: Final = 8
BATCH_SECONDS: Final = 10.0
WATCHLIST_SECONDS: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimePull:
    """Job that pulls the symbols of the file first, and those of the watchlist behind them.

    *batch_seconds* and *watchlist_seconds* bound the latter; what they cut short comes first in the
    next run, if it was not asked for at all.
    """

    database: Database
    ingest: Ingest
    clock: Clock
    data_ends: datetime | None = None  # of recorded data: nothing newer can be expected
    watchlist: Watchlist | None = None
    batch_seconds: float = BATCH_SECONDS
    watchlist_seconds: float = WATCHLIST_SECONDS
    _unreached: set[str] = field(default_factory=set)

    @property
    def name(self) -> JobName:
        return NAME

    async def run(self, context: RunContext) -> Summary:
        symbols = [each for each in self.ingest.symbols if context.wants(each.symbol)]
        pulled = await self.ingest.pull(context.now, symbols)
        if self.watchlist is None:
            return summarize(pulled)
        extra = [each for each in await self.watchlist.symbols() if context.wants(each.symbol)]
        cut = await self._pull_watchlist(extra, context.now, pulled)
        summary = summarize(pulled)
        if cut:  # no failed items: another try at once would hold up the others once more
            summary.failed += len(cut)
            summary.attempted = max(summary.attempted + len(cut), summary.failed + pulled.answered)
            summary.counts["not_pulled"] = len(cut)
            named = f"{', '.join(cut[:3])}{', …' if len(cut) > 3 else ''}"
            told = f"{len(cut)} of {len(extra)} symbols not pulled in time: {named}"
            summary.items["watchlist"] = {"error": told}
        return summary

    async def _pull_watchlist(
        self, symbols: Sequence[MarketSymbol], now: datetime, pulled: PullResult
    ) -> list[str]:
        """Pull *symbols* into *pulled*, a few at once; return those for which the time was short.

        A batch is stored as a whole or not at all.
        """
        turn = sorted(symbols, key=lambda each: each.symbol not in self._unreached)
        missing = dict.fromkeys(each.symbol for each in turn)
        unreached = set(missing)
        with anyio.move_on_after(self.watchlist_seconds):
            for first in range(0, len(turn), BATCH):
                batch = turn[first : first + BATCH]
                names = {each.symbol for each in batch}
                unreached -= names
                with anyio.move_on_after(self.batch_seconds):
                    pulled.add(await self.ingest.pull(now, batch))
                    for name in names:
                        del missing[name]
        self._unreached.clear()
        self._unreached.update(unreached)
        return list(missing)

    async def outcome(self) -> Outcome:
        """Check that open markets' newest candles are younger than two intervals."""
        now = self.clock.now()
        stale: list[str] = []
        symbols = await self._symbols()
        for symbol in symbols:
            late = await self._late(symbol, now)
            if late:
                stale.append(late)
        if stale:
            return Outcome(ok=False, message="; ".join(stale))
        return Outcome(ok=True, message=f"{len(symbols)} symbols up to date")

    async def _symbols(self) -> Sequence[MarketSymbol]:
        """Return the symbols of the file, and those that the watchlist adds."""
        if self.watchlist is None:
            return self.ingest.symbols
        return [*self.ingest.symbols, *await self.watchlist.symbols()]

    async def _late(self, symbol: MarketSymbol, now: datetime) -> str | None:
        base = self.ingest.base(symbol)
        limit = 2 * base.duration
        hours = self.ingest.calendar(symbol).hours_at(now)
        until = self.ingest.pulled_until(symbol)
        if hours is None:
            return None
        begun = max(hours.open, self.ingest.since or hours.open)
        if now - begun <= limit:
            return None
        if self.data_ends is not None and (
            now >= self.data_ends or (until is not None and now - until < limit)
        ):
            return None  # everything recorded up to now has been fetched
        async with self.database.connection() as connection:
            bounds = await ohlc.bounds(connection, self.ingest.symbol_id(symbol), base)
        if bounds is None:
            return f"{symbol.symbol}: no candle yet"
        age = now - (bounds[1] + base.duration)
        return f"{symbol.symbol}: newest candle {spoken(age)} old" if age >= limit else None


def summarize(pulled: PullResult) -> Summary:
    """Summarize a pull. A bad row fails beside its symbol, which did answer: the run is partial.

    Bad rows are no `failed_items`: asking again would return the same rows.
    """
    summary = Summary(
        attempted=pulled.counts.attempted,
        inserted=pulled.counts.inserted,
        updated=pulled.counts.updated,
        skipped=pulled.counts.skipped,
    )
    if pulled.rolled_up:
        summary.counts["rolled_up"] = pulled.rolled_up
    for symbol, count in pulled.rejected.items():
        summary.items[symbol] = {"error": pulled.quarantined(symbol), "quarantined": count}
        summary.failed += count
        summary.attempted += count + 1
    for symbol, message in pulled.errors.items():
        summary.fail(symbol, message)
        summary.attempted += 1
    if pulled.errors and pulled.answered and summary.attempted <= summary.failed:
        summary.attempted = summary.failed + pulled.answered  # partial: some had nothing new
    for symbol, count in pulled.outliers.items():
        summary.items.setdefault(symbol, {})["outliers"] = count
    return summary
