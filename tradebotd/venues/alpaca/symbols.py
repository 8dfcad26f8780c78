"""Symbols: ours under Alpaca's names, and what its names say.

A crypto pair has a slash in its name (BTC/USD), which positions and older lists leave out (BTCUSD).
"""

from collections.abc import Iterable

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol


def is_crypto(market: str) -> bool:
    return "/" in market


def short_name(market: str) -> str:
    """Return the name as positions, filters and paths have it: without the slash."""
    return market.replace("/", "")


class Symbols:
    """Both ways between our symbols and the venue's; one that is none of ours keeps its name."""

    def __init__(self, venue: VenueName, symbols: Iterable[MarketSymbol]) -> None:
        known = list(symbols)
        self._names = {each.symbol: each.name_at(venue) for each in known}
        self._instruments = {each.symbol: each.instrument for each in known}
        self._ours: dict[str, str] = {}
        for symbol, market in self._names.items():
            self._ours[market] = self._ours[short_name(market)] = symbol

    def market(self, symbol: str) -> str:
        return self._names.get(symbol, symbol)

    def symbol(self, market: str) -> str:
        return self._ours.get(market, market)

    def base_asset(self, market: str) -> str:
        """Return what is held of a market: our base asset, else the venue's name."""
        instrument = self._instruments.get(self.symbol(market))
        return market if instrument is None else instrument.base_asset

    def quote_asset(self, market: str) -> str:
        instrument = self._instruments.get(self.symbol(market))
        return "USD" if instrument is None else instrument.quote_asset

    @property
    def have_crypto(self) -> bool:
        return any(is_crypto(each) for each in self._names.values())

    @property
    def have_stocks(self) -> bool:
        return any(not is_crypto(each) for each in self._names.values())
