"""Spot pairs of a market as assets to screen: by the cache of its symbols."""

from collections.abc import Mapping, Sequence

from tradebotd.domain.public_market import DayFigures
from tradebotd.market.symbol_cache import SymbolCache
from tradebotd.ports.public_market import PublicMarket


class TradableAssets:
    """Implements `ports.public_market.ScreenedAssets`."""

    def __init__(self, market: PublicMarket, cache: SymbolCache) -> None:
        self.name = market.name
        self._market, self._cache = market, cache

    async def candidates(self) -> Sequence[str]:
        """Return the cached symbols, or the last good ones. Raises FeedError without any."""
        return [each.symbol for each in (await self._cache.symbols(self._market)).symbols]

    async def day_figures(self, names: Sequence[str]) -> Mapping[str, DayFigures]:
        return await self._market.day_figures(names)
