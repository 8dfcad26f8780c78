"""Capabilities of the paper venue: all that an adapter may claim, or what its terms rehearse."""

from collections.abc import Mapping
from datetime import timedelta

from tradebotd.domain.filters import FilterName
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import CONDITIONAL, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.ports.venue import Commission, VenueTraits
from tradebotd.venues.paper.fill_model import PaperTerms


def traits_of(terms: PaperTerms, price_kinds: frozenset[PriceKind]) -> VenueTraits:
    """Return the traits of a paper venue.

    Its books share our database: an order that they have not seen when asked never arrived.
    """
    return VenueTraits(
        resting_stops=terms.resting_stops,
        linked_orders=True,
        order_types=order_types(terms),
        times_in_force=times_in_force(terms),
        price_kinds=price_kinds,
        stop_prices=price_kinds,
        quotes_echo=True,
        tells_transfers=True,
        open_orders_tell_fills=False,
        tells_instruments=True,
        tells_commissions=True,
        tells_clock=True,
        tells_stream=True,
        sets_up_symbols=True,
        replacement=terms.replacement,
        self_trade=terms.self_trade,
        receive_window=timedelta(),
        absence_margin=timedelta(),
        resting_margin=timedelta(),
        negatives=1,
        endpoints=1,
        cash_is_ours=True,
        base_fee=terms.base_fee,
    )


def commission_of(terms: PaperTerms) -> Commission:
    return Commission(maker=terms.maker, taker=terms.taker, in_base=terms.fee_in_base)


def order_types(terms: PaperTerms) -> frozenset[OrderType]:
    """Return the types that are taken; market orders always are, since exits need them."""
    if terms.order_types is None:
        return frozenset(OrderType)
    return terms.order_types | {OrderType.MARKET}


def times_in_force(terms: PaperTerms) -> Mapping[OrderType, tuple[TimeInForce, ...]]:
    """Return the times in force of the types that are limited to some."""
    return dict.fromkeys(CONDITIONAL, (terms.stop_time_in_force,))


def not_taken(request: OrderRequest, terms: PaperTerms) -> str | None:
    """Return "NAME: words" where the venue takes no such order; None: it does."""
    taken = order_types(terms)
    if request.type not in taken:
        words = f"{request.type} is none of {', '.join(sorted(taken))}"
        return f"{FilterName.ORDER_TYPE}: {words}"
    lasting = times_in_force(terms).get(request.type)
    if lasting is not None and request.time_in_force not in lasting:
        words = f"{request.time_in_force} is none of {', '.join(lasting)} for {request.type}"
        return f"{FilterName.TIME_IN_FORCE}: {words}"
    return None
