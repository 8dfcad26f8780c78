"""Price that an entry is judged at: the newest there is, and never an old one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import EntryPostponedError, FeedError
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.quote import PriceKind
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.ports.venue import Venue
from tradebotd.trading.prices.fresh_prices import FRESH, ask_quotes

STEPS_OF_A_PATH: Final = 3  # the longest step through a recorded candle is a third of it


@dataclass(frozen=True, slots=True)
class Quote:
    """Price of *at*, in market time: of its trade, where the venue tells that."""

    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPrices:
    """Prices for entries.

    *resolution*: of the candles that a symbol's prices come from; raises FeedError for none.
    """

    prices: PriceCache
    venues: Mapping[VenueName, Venue]
    clock: Clock
    resolution: Callable[[MarketSymbol], timedelta] = lambda _: timedelta()

    async def quote(self, symbol: MarketSymbol) -> Quote | None:
        """Ask for the venue's price where the one in memory is old; None when that one will do.

        One call with a time limit. Raises EntryPostponedError when the venue has no newer price.
        """
        remembered = self._remembered(symbol)
        if remembered is not None and self._is_fresh(symbol, remembered):
            return None
        venue = self.venues[symbol.instrument.venue]
        if venue.traits.quotes_echo:
            raise self._no_price(symbol, remembered)
        asked_at = self.clock.now()  # before the wait: a price is no newer than its question
        answer = await ask_quotes(venue, [symbol])
        if isinstance(answer, str):
            raise EntryPostponedError(DenialRule.NO_PRICE, f"{symbol.symbol}: {answer}")
        quoted = answer.get(symbol.symbol)
        if quoted is None:  # `ask_quotes` has dropped what is no price
            raise EntryPostponedError(
                DenialRule.NO_PRICE, f"{symbol.symbol}: {venue.name} says None"
            )
        return Quote(quoted.last, quoted.at(PriceKind.LAST, asked_at))

    def newest(self, symbol: MarketSymbol, quote: Quote | None) -> Decimal:
        """Return the newest price by now. Raises EntryPostponedError when even that is too old."""
        newest = self._remembered(symbol)
        if quote is not None and (newest is None or newest.at < quote.at):
            newest = quote
        if newest is None or not self._is_fresh(symbol, newest):
            raise self._no_price(symbol, newest)
        return newest.price

    def of_kind(self, symbol: MarketSymbol, kind: PriceKind) -> Decimal | None:
        """Return the believed price of *kind*; None where none is known, or it has stopped coming.

        The last price is the one that an entry is judged at itself.
        """
        last = self.prices.last_prices(symbol.symbol, kind)
        if last is None or kind is PriceKind.LAST:
            return None
        if self.prices.follows_last(symbol.symbol, kind) or self.clock.now() - last.at <= FRESH:
            return last.believed
        return None

    def _remembered(self, symbol: MarketSymbol) -> Quote | None:
        last = self.prices.last_prices(symbol.symbol)
        return None if last is None else Quote(last.current, last.at)

    def _is_fresh(self, symbol: MarketSymbol, quote: Quote) -> bool:
        try:
            step = self.resolution(symbol) / STEPS_OF_A_PATH
        except FeedError:
            step = FRESH
        return self.clock.now() - quote.at <= max(FRESH, step)

    def _no_price(self, symbol: MarketSymbol, last: Quote | None) -> EntryPostponedError:
        if last is None:
            return EntryPostponedError(DenialRule.NO_PRICE, f"{symbol.symbol} has no price yet")
        return EntryPostponedError(
            DenialRule.NO_PRICE, f"{symbol.symbol} had its last at {last.at}"
        )
