"""The verdict of a symbol's filters on one order, and on themselves. Pure."""

from collections.abc import Iterator
from decimal import Decimal

from tradebotd.domain.decimals import plain
from tradebotd.domain.filters import FilterName, RestingCounts, SymbolStatus
from tradebotd.domain.instrument import Instrument, PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import CONDITIONAL, OrderType, TimeInForce
from tradebotd.domain.quote import Quote

NO_ORDERS = RestingCounts()


def refused_by(
    request: OrderRequest,
    instrument: Instrument,
    quote: Quote,
    *,
    resting: RestingCounts = NO_ORDERS,
) -> str | None:
    """Return "NAME: words" of the first filter that refuses *request*; None: all let it pass.

    *resting*: orders of the symbol that rest already, without this one and what it replaces.
    """
    broken = broken_filters(request, instrument, quote, resting=resting)
    return next((f"{name}: {words}" for name, words in broken), None)


def broken_filters(
    request: OrderRequest,
    instrument: Instrument,
    quote: Quote,
    *,
    resting: RestingCounts = NO_ORDERS,
) -> Iterator[tuple[FilterName, str]]:
    """Yield each filter that refuses *request*, with the values that it compared."""
    if instrument.status is not SymbolStatus.TRADING:
        yield FilterName.NOT_TRADING, f"{instrument.symbol} is {instrument.status}"
    taken = instrument.order_types
    if taken is not None and request.type not in taken:
        yield FilterName.ORDER_TYPE, f"{request.type} is none of {', '.join(sorted(taken))}"
    yield from _broken_lots(request, instrument)
    yield from _broken_prices(request, instrument, quote)
    yield from _broken_notional(request, instrument, quote)
    yield from _broken_counts(request, instrument, resting)


def _broken_lots(request: OrderRequest, instrument: Instrument) -> Iterator[tuple[FilterName, str]]:
    quantity, lot = request.quantity, instrument.lot_of(request.type)
    if lot.step is not None and quantity % lot.step:
        yield FilterName.OFF_LOT, f"{plain(quantity)} is not a whole number of {plain(lot.step)}"
    if quantity < lot.minimum:
        words = f"{plain(quantity)} is less than {plain(lot.minimum)}"
        yield FilterName.BELOW_MIN_QUANTITY, words
    if lot.maximum is not None and quantity > lot.maximum:
        words = f"{plain(quantity)} is more than {plain(lot.maximum)}"
        yield FilterName.ABOVE_MAX_QUANTITY, words


def _broken_prices(
    request: OrderRequest, instrument: Instrument, quote: Quote
) -> Iterator[tuple[FilterName, str]]:
    """Ticks and bounds hold for limit and stop prices, the distance from the average for limits."""
    least, most = instrument.min_price, instrument.max_price
    for price in (request.limit_price, request.stop_price):
        if price is None:
            continue
        if price % instrument.tick_size:
            words = f"{plain(price)} is not a whole number of {plain(instrument.tick_size)}"
            yield FilterName.OFF_TICK, words
        if price < least:
            yield FilterName.BELOW_MIN_PRICE, f"{plain(price)} is less than {plain(least)}"
        if most is not None and price > most:
            yield FilterName.ABOVE_MAX_PRICE, f"{plain(price)} is more than {plain(most)}"
    if instrument.percent_price is None or request.limit_price is None:
        return
    low, high = instrument.percent_price.bounds(request.side, average_price(instrument, quote))
    if not low <= request.limit_price <= high:
        words = f"{plain(request.limit_price)} is not within {plain(low)} and {plain(high)}"
        yield FilterName.OUTSIDE_PERCENT_PRICE, words


def _broken_notional(
    request: OrderRequest, instrument: Instrument, quote: Quote
) -> Iterator[tuple[FilterName, str]]:
    """Reduce-only orders may be worth less than the minimum (Binance -4164)."""
    if request.reduce_only:
        return
    if instrument.notional_at_market or request.type is not OrderType.MARKET:
        notional = request.quantity * order_price(request, instrument, quote)
        least, most = instrument.min_notional, instrument.max_notional
        if notional < least:
            words = f"{plain(notional)} is less than {plain(least)}"
            yield FilterName.BELOW_MIN_NOTIONAL, words
        if most is not None and notional > most:
            yield FilterName.ABOVE_MAX_NOTIONAL, f"{plain(notional)} is more than {plain(most)}"


def _broken_counts(
    request: OrderRequest, instrument: Instrument, resting: RestingCounts
) -> Iterator[tuple[FilterName, str]]:
    if request.type is OrderType.MARKET or request.time_in_force in _AT_ONCE:
        return
    if instrument.max_orders is not None and resting.orders >= instrument.max_orders:
        yield FilterName.TOO_MANY_ORDERS, f"{resting.orders} rest where {instrument.max_orders} may"
    limited = request.type in CONDITIONAL and instrument.max_stops is not None
    if limited and resting.stops >= (instrument.max_stops or 0):
        words = f"{resting.stops} stop orders rest where {instrument.max_stops} may"
        yield FilterName.TOO_MANY_STOPS, words


_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def average_price(instrument: Instrument, quote: Quote) -> Decimal:
    """Return the price that the symbol's filters are judged by: its average, else the last one."""
    if instrument.average_minutes and quote.average is not None:
        return quote.average
    return quote.last


def order_price(request: OrderRequest, instrument: Instrument, quote: Quote) -> Decimal:
    """Return what a unit of *request* is worth to the notional filters: its own price, if any."""
    for price in (request.limit_price, request.stop_price):
        if price is not None:
            return price
    return average_price(instrument, quote)


def contradictions(
    instrument: Instrument, *, types: frozenset[OrderType], position_type: PositionType
) -> Iterator[tuple[FilterName, str]]:
    """Yield filters that exclude each other: one's name, and words of what no order can satisfy.

    *types*: the order types that will be sent there.
    """
    for kind in sorted(types):
        if instrument.order_types is not None and kind not in instrument.order_types:
            yield FilterName.ORDER_TYPE, f"{kind} orders are not taken"
        elif instrument.lot_of(kind).is_empty:
            yield FilterName.OFF_LOT, f"no quantity of a {kind} order passes its lot sizes"
    most = instrument.max_price
    if most is not None and most < max(instrument.min_price, instrument.tick_size):
        words = f"no price is within {plain(instrument.min_price)} and {plain(most)}"
        yield FilterName.ABOVE_MAX_PRICE, words
    least, limit = instrument.min_notional, instrument.max_notional
    if limit is not None and least > limit:
        words = f"min_notional {plain(least)} is more than max_notional {plain(limit)}"
        yield FilterName.ABOVE_MAX_NOTIONAL, words
    if position_type is PositionType.FUTURES and instrument.max_leverage < 1:
        words = f"max_leverage {instrument.max_leverage} is less than 1"
        yield FilterName.ABOVE_MAX_LEVERAGE, words
