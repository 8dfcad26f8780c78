"""Warm-up of the cache of tradable symbols, of spot or of futures, at the start and then often."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tradebotd.domain.durations import spoken
from tradebotd.domain.errors import FeedError
from tradebotd.domain.ids import JobName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.job import Outcome, Summary
from tradebotd.jobs.default_schedule import WARMUPS
from tradebotd.market.symbol_cache import SymbolCache, changes
from tradebotd.ports.public_market import SymbolListing
from tradebotd.scheduling.job import RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupSymbols:
    """Job of one kind of market; a list that cannot be had leaves the last good one in place."""

    kind: PositionType
    listings: Sequence[SymbolListing]
    cache: SymbolCache

    @property
    def name(self) -> JobName:
        return WARMUPS[self.kind]

    async def run(self, context: RunContext) -> Summary:
        summary = Summary()
        for listing in self.listings:
            if not context.wants(listing.name):
                continue
            summary.attempted += 1
            before = await self.cache.stored(listing)
            try:
                kept = await self.cache.refresh(listing)
            except FeedError as error:
                since = "none is kept" if before is None else "the last good list stays"
                summary.fail(listing.name, f"{error}; {since}")
                continue
            summary.updated += 1
            item: dict[str, Any] = {"symbols": len(kept.symbols)}
            if before is not None:
                item["added"], item["removed"] = changes(before.symbols, kept.symbols)
            summary.items[listing.name] = item
        names = [listing.name for listing in self.listings]
        for word in ("hits", "misses", "errors"):
            counter = getattr(self.cache, word)
            summary.counts[word] = sum(counter[name] for name in names)
        return summary

    async def outcome(self) -> Outcome:
        """Check that each list is there, and younger than it is kept for."""
        told, wrong = [], []
        now = self.cache.clock.now()
        for listing in self.listings:
            kept = await self.cache.stored(listing)
            if kept is None:
                wrong.append(f"{listing.name}: no list yet")
                continue
            age = now - kept.refreshed_at
            if age >= self.cache.rules.keep_for or not kept.symbols:
                wrong.append(f"{listing.name}: {len(kept.symbols)} symbols, {spoken(age)} old")
            told.append(f"{listing.name}: {len(kept.symbols)} symbols")
        if wrong:
            return Outcome(ok=False, message="; ".join(wrong))
        return Outcome(ok=True, message="; ".join(told) or f"no {self.kind} market is followed")
