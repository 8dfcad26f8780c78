"""Names of markets: our symbols, and the venue's."""

from collections.abc import Iterable

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol


class Markets:
    """Both ways between our symbols and the venue's markets; one that is none of ours keeps its
    name.
    """

    def __init__(self, venue: VenueName, symbols: Iterable[MarketSymbol]) -> None:
        self._names = {each.symbol: each.name_at(venue) for each in symbols}
        self._ours = {name: symbol for symbol, name in self._names.items()}

    def market(self, symbol: str) -> str:
        return self._names.get(symbol, symbol)

    def symbol(self, market: str) -> str:
        return self._ours.get(market, market)
