"""Symbols of the latest watchlist, as far as their candles are pulled beside those of the file."""

from collections.abc import Collection, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tradebotd.domain.ids import FeedName, SymbolId, VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.timeframe import Timeframe
from tradebotd.storage import universe
from tradebotd.storage.postgres.database import Database
from tradebotd.storage.symbols import follow_symbol

UNTRADED: Final = Decimal("0.00000001")  # tick and lot of a symbol that nothing is ordered of


@dataclass(slots=True, kw_only=True)
class Watchlist:
    """Follower of the table `universe`. *configured*: names at the feed that are pulled anyway.

    *source*: whose assets are screened; a list of another one's, from before the file was changed,
    is none: its names may mean something else at the feed, or nothing.
    *symbol_ids* is that of whoever writes candles, and gets the ids of the watchlist's symbols.
    """

    database: Database
    source: str
    feed: FeedName
    quote_asset: str
    calendar: str
    configured: Collection[str]
    symbol_ids: MutableMapping[str, SymbolId]
    _names: tuple[str, ...] = ()
    _symbols: tuple[MarketSymbol, ...] = field(default=())

    async def symbols(self) -> tuple[MarketSymbol, ...]:
        """Return them, with a row and an id of each; by name."""
        async with self.database.connection() as connection:
            rows = await universe.latest(connection)
        ours = [row.symbol for row in rows if row.reasons.get("source") == self.source]
        names = tuple(sorted(name for name in ours if name not in self.configured))
        if names == self._names:
            return self._symbols
        symbols = tuple(self._symbol(name) for name in names)
        for symbol in symbols:
            async with self.database.connection() as connection:
                self.symbol_ids[symbol.symbol] = await follow_symbol(connection, symbol)
        self._names, self._symbols = names, symbols
        return symbols

    def _symbol(self, name: str) -> MarketSymbol:
        instrument = Instrument(
            symbol=name,
            venue=VenueName(self.source),
            base_asset=name.removesuffix(self.quote_asset) or name,
            quote_asset=self.quote_asset,
            tick_size=UNTRADED,
            lot_size=UNTRADED,
        )
        return MarketSymbol(
            instrument=instrument,
            feeds=(self.feed,),
            timeframes=tuple(Timeframe),
            calendar=self.calendar,
        )
