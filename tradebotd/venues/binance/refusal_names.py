"""Names of filters behind refusals: the venue tells a lot that is off like one too small. Pure."""

from collections.abc import Mapping
from typing import Final

from tradebotd.domain.decimals import ONE
from tradebotd.domain.filters import FilterName
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_filters import broken_filters
from tradebotd.domain.quote import Quote
from tradebotd.venues.binance.errors import Refusal, filter_of

# Of a filter that is told by one name, the rules that it has.
_RULES: Final[Mapping[FilterName, frozenset[FilterName]]] = {
    FilterName.OFF_LOT: frozenset(
        {FilterName.OFF_LOT, FilterName.BELOW_MIN_QUANTITY, FilterName.ABOVE_MAX_QUANTITY}
    ),
    FilterName.OFF_TICK: frozenset(
        {FilterName.OFF_TICK, FilterName.BELOW_MIN_PRICE, FilterName.ABOVE_MAX_PRICE}
    ),
    FilterName.BELOW_MIN_NOTIONAL: frozenset(
        {FilterName.BELOW_MIN_NOTIONAL, FilterName.ABOVE_MAX_NOTIONAL}
    ),
}


def name_of(
    refusal: Refusal, request: OrderRequest, instrument: Instrument | None
) -> FilterName | None:
    """Return which rule of the filter refuses *request*, by the filters as they were told last.

    Returns what the venue's words alone tell where those let it pass: they have changed.
    """
    told = filter_of(refusal)
    rules = frozenset[FilterName]() if told is None else _RULES.get(told, frozenset())
    if not rules or instrument is None:
        return told
    price = request.limit_price or request.stop_price or ONE
    for name, _ in broken_filters(request, instrument, Quote(last=price)):
        if name in rules:
            return name
    return told
