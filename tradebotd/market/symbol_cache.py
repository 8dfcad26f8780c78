"""Tradable symbols of spot and futures: fresh for a while, and the last good list behind that."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import anyio
import structlog

from tradebotd.domain.errors import FeedError
from tradebotd.domain.public_market import ListedSymbol
from tradebotd.ports.clock import Clock
from tradebotd.ports.public_market import SymbolListing
from tradebotd.storage import symbol_cache
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbol_cache import StoredSymbols

POPULAR: Final = ("BTC", "ETH", "BNB", "SOL", "XRP")

_log = structlog.get_logger(__name__)


class CachedSymbols(NamedTuple):
    """List of symbols. `stale`: older than its keep time, since it could not be had anew."""

    symbols: tuple[ListedSymbol, ...]
    refreshed_at: datetime
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    quote_asset: str = "USDT"
    popular: tuple[str, ...] = POPULAR
    keep_for: timedelta = timedelta(minutes=15)


@dataclass(slots=True, kw_only=True)
class SymbolCache:
    """Cache behind the table; `hits`, `misses` and `errors` since the start, by listing."""

    database: Database
    clock: Clock
    rules: CacheRules = field(default_factory=CacheRules)
    hits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def symbols(self, listing: SymbolListing) -> CachedSymbols:
        """Return the list: as kept while it is fresh, else anew, else the last good one.

        Raises FeedError where there was never a good one.
        """
        async with self._lock:
            stored = await self.stored(listing)
            if stored is not None and self._is_fresh(stored):
                self.hits[listing.name] += 1
                return CachedSymbols(stored.symbols, stored.refreshed_at, stale=False)
            self.misses[listing.name] += 1
            try:
                return await self._refreshed(listing)
            except FeedError as error:
                if stored is None:
                    raise
                _log.warning(
                    "last good symbols served",
                    venue=listing.name,
                    refreshed_at=stored.refreshed_at,
                    reason=str(error),
                )
                return CachedSymbols(stored.symbols, stored.refreshed_at, stale=True)

    async def refresh(self, listing: SymbolListing) -> CachedSymbols:
        """Ask for the list, and keep it. Raises FeedError; the last good one stays then."""
        async with self._lock:
            return await self._refreshed(listing)

    async def stored(self, listing: SymbolListing) -> StoredSymbols | None:
        """Return the list as it is kept, however old; None where there is none."""
        async with self.database.connection() as connection:
            return await symbol_cache.get(connection, listing.name, listing.kind)

    async def _refreshed(self, listing: SymbolListing) -> CachedSymbols:
        try:
            symbols = await self._asked(listing)
        except FeedError:
            self.errors[listing.name] += 1
            raise
        now = self.clock.now()
        async with self.database.connection() as connection:
            await symbol_cache.put(connection, listing.name, listing.kind, symbols, now)
        return CachedSymbols(symbols, now, stale=False)

    async def _asked(self, listing: SymbolListing) -> tuple[ListedSymbol, ...]:
        """Ask for the list. Raises FeedError, also where nothing is in it: that is no good one."""
        listed = await listing.tradable()
        symbols = arranged(listed, self.rules)
        if not symbols:
            raise FeedError(
                f"{listing.name}: none of its {len(listed)} symbols is traded in"
                f" {self.rules.quote_asset}"
            )
        return symbols

    def _is_fresh(self, stored: StoredSymbols) -> bool:
        return self.clock.now() - stored.refreshed_at < self.rules.keep_for


def arranged(listed: Iterable[ListedSymbol], rules: CacheRules) -> tuple[ListedSymbol, ...]:
    """Return the symbols in the quote asset: popular ones first, the others alphabetically."""
    ranks = {asset: rank for rank, asset in enumerate(rules.popular)}
    last = len(ranks)
    ours = {each.symbol: each for each in listed if each.quote_asset == rules.quote_asset}
    return tuple(
        sorted(ours.values(), key=lambda each: (ranks.get(each.base_asset, last), each.symbol))
    )


def changes(before: Sequence[ListedSymbol], after: Sequence[ListedSymbol]) -> tuple[int, int]:
    """Return how many symbols were added, and how many removed."""
    old, new = {each.symbol for each in before}, {each.symbol for each in after}
    return len(new - old), len(old - new)
