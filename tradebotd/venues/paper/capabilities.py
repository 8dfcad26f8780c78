"""What the paper venue can do: all that an adapter may claim, or what its terms rehearse."""

from datetime import timedelta

from tradebotd.domain.quote import PriceKind
from tradebotd.ports.venue import VenueTraits
from tradebotd.venues.paper.fill_model import PaperTerms


def traits_of(terms: PaperTerms, price_kinds: frozenset[PriceKind]) -> VenueTraits:
    """Return the traits of a paper venue.

    Its books share our database: an order that they have not seen when asked never arrived.
    """
    return VenueTraits(
        resting_stops=terms.resting_stops,
        linked_orders=True,
        price_kinds=price_kinds,
        stop_prices=price_kinds,
        quotes_echo=True,
        tells_transfers=True,
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
