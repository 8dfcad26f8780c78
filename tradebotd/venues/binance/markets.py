"""Markets: our symbols under the venue's names, and what their filters were told to be."""

from collections.abc import Iterable

from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol


class Markets:
    """Both ways between our symbols and the venue's markets; one that is none of ours keeps its
    name.

    The filters only word a refusal: what is in force the daemon decides.
    """

    def __init__(self, venue: VenueName, symbols: Iterable[MarketSymbol]) -> None:
        known = list(symbols)
        self._names = {each.symbol: each.name_at(venue) for each in known}
        self._ours = {name: symbol for symbol, name in self._names.items()}
        self._instruments = {each.symbol: each.instrument for each in known}

    def market(self, symbol: str) -> str:
        return self._names.get(symbol, symbol)

    def symbol(self, market: str) -> str:
        return self._ours.get(market, market)

    def instrument(self, symbol: str) -> Instrument | None:
        return self._instruments.get(symbol)

    def quote_asset(self, market: str) -> str | None:
        """Return what *market* is paid in; None for one that is none of ours."""
        known = self._instruments.get(self.symbol(market))
        return None if known is None else known.quote_asset

    def learn(self, instrument: Instrument) -> Instrument:
        self._instruments[instrument.symbol] = instrument
        return instrument
