"""Filters of a symbol as the paper venue judges an order by them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.filters import RestingCounts
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_filters import refused_by
from tradebotd.domain.order_type import CONDITIONAL, OrderType
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.ports.prices import LastPrices
from tradebotd.venues.paper.average_prices import AveragePrices
from tradebotd.venues.paper.capabilities import not_taken
from tradebotd.venues.paper.fill_model import PaperTerms


def judged_at(request: OrderRequest, prices: LastPrices, average: Decimal | None) -> Quote:
    """Return the prices that filters compare *request* with, before spread and slippage.

    An exit whose level the last price went through is worth that level.
    """
    level, by_last = request.trigger_price, request.working_price is PriceKind.LAST
    if request.type is OrderType.MARKET and by_last and level and prices.went_through(level):
        return Quote(last=level, average=average)
    return Quote(last=prices.current, average=average)


def resting_counts(symbol: str, requests: Iterable[OrderRequest]) -> RestingCounts:
    """Return how many of *requests* rest in *symbol*, and how many of them have a stop price."""
    kinds = [each.type for each in requests if each.symbol == symbol]
    return RestingCounts(orders=len(kinds), stops=sum(kind in CONDITIONAL for kind in kinds))


class FilterChecks:
    """Filters of the symbols, by which the venue takes an order or refuses it."""

    def __init__(
        self, terms: PaperTerms, instruments: Mapping[str, Instrument], averages: AveragePrices
    ) -> None:
        self._terms = terms
        self._instruments = instruments
        self._averages = averages

    def refusal(
        self,
        request: OrderRequest,
        prices: LastPrices,
        beside: Iterable[OrderRequest],
        now: datetime,
    ) -> str | None:
        """Return "NAME: words" where type, time in force or a filter refuses the order, or None.

        *beside*: orders that rest, and those that are to rest with this one.
        """
        quote = judged_at(request, prices, self._averages.average(request.symbol, now))
        counts = resting_counts(request.symbol, beside)
        return not_taken(request, self._terms) or refused_by(
            request, self._instruments[request.symbol], quote, resting=counts
        )
