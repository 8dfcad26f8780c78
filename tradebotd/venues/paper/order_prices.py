"""Prices that an order meets at the paper venue: what its level is compared with, what it gets."""

from collections.abc import Mapping
from decimal import Decimal

from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.quote import PriceKind
from tradebotd.ports.prices import LastPrices, PriceSource
from tradebotd.venues.paper.fill_model import PaperTerms, fill_price
from tradebotd.venues.paper.futures import exit_price
from tradebotd.venues.paper.futures_book import FuturesBook
from tradebotd.venues.paper.resting_orders import fills_at_once


class OrderPrices:
    """Prices of orders, by the terms of the venue and the futures positions that they reduce."""

    def __init__(
        self,
        terms: PaperTerms,
        instruments: Mapping[str, Instrument],
        prices: PriceSource,
        futures: FuturesBook,
    ) -> None:
        self._terms = terms
        self._instruments = instruments
        self._prices = prices
        self._futures = futures

    def compared(self, request: OrderRequest, prices: LastPrices) -> LastPrices | None:
        """Return the prices that the order's level is compared with; None until their first."""
        if request.working_price is PriceKind.LAST:
            return prices
        return self._prices.last_prices(request.symbol, request.working_price)

    def fill_at_once(self, request: OrderRequest, prices: LastPrices) -> bool:
        """Return whether the order trades as it comes."""
        instrument = self._instruments[request.symbol]
        return fills_at_once(request, prices.current, instrument, self._terms)

    def at_once(self, request: OrderRequest, prices: LastPrices) -> Decimal:
        """Return what one unit of an order that trades as it comes is traded at."""
        instrument = self._instruments[request.symbol]
        compared = self.compared(request, prices)
        price = fill_price(request, prices, compared, instrument, self._terms)
        return exit_price(request, price, prices, self._futures.get(request.symbol), instrument)
