"""Order types in which exits may rest at a venue, and the second price of a stop-limit. Pure."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.decimals import ONE, plain
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.side import Side

# The first one that is taken is sent. A stop-limit may be run through; a target is a limit anyway.
STOPS: Final = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
TARGETS: Final = (OrderType.TAKE_PROFIT_MARKET, OrderType.TAKE_PROFIT_LIMIT, OrderType.LIMIT)
STOP_LIMIT_OFFSET: Final = Decimal("0.005")  # of the stop price


class RestingTypes(NamedTuple):
    """Types and times in force of a resting stop and its target; None: the daemon's alone.

    `limit_offset`: how far the limit of a stop-limit lies beyond its stop, as a fraction of it.
    """

    stop: OrderType | None = OrderType.STOP_MARKET
    target: OrderType | None = OrderType.TAKE_PROFIT_MARKET
    stop_lasts: TimeInForce = TimeInForce.GTC
    target_lasts: TimeInForce = TimeInForce.GTC
    limit_offset: Decimal = STOP_LIMIT_OFFSET


USUAL: Final = RestingTypes()


def taken_types(
    by_venue: frozenset[OrderType], by_symbol: frozenset[OrderType] | None
) -> frozenset[OrderType]:
    """Return the order types that both take; a symbol that names none takes its venue's."""
    return by_venue if by_symbol is None else by_venue & by_symbol


def stop_type(taken: Collection[OrderType]) -> OrderType | None:
    """Return the type in which a stop rests; None: no stop can."""
    return _first(STOPS, taken)


def target_type(taken: Collection[OrderType]) -> OrderType | None:
    """Return the type in which a target rests beside its stop; None: no target can."""
    return _first(TARGETS, taken)


def _first(wanted: Sequence[OrderType], taken: Collection[OrderType]) -> OrderType | None:
    return next((kind for kind in wanted if kind in taken), None)


def stop_limit_price(side: Side, stop: Decimal, offset: Decimal, instrument: Instrument) -> Decimal:
    """Return the limit of a stop-limit to *side*: *offset* beyond its stop, on a tick."""
    if side is Side.SELL:
        return max(instrument.price_down(stop * (ONE - offset)), instrument.tick_size)
    return instrument.price_up(stop * (ONE + offset))


def taken_limit_price(
    side: Side, stop: Decimal, offset: Decimal, instrument: Instrument, average: Decimal | None
) -> Decimal:
    """Return that limit, as near to it as the filters take it at the *average* price.

    Raises OrderDeniedError (`stop_limit_outside`) where even the stop itself lies beyond them.
    """
    limit = stop_limit_price(side, stop, offset, instrument)
    low, high = _bounds(side, instrument, average)
    if side is Side.SELL:
        limit = limit if low is None else max(limit, instrument.price_up(low))
        is_outside = limit > stop
    else:
        limit = limit if high is None else min(limit, instrument.price_down(high))
        is_outside = limit < stop
    if is_outside:
        raise OrderDeniedError(
            DenialRule.STOP_LIMIT_OUTSIDE,
            f"a {side} stop at {plain(stop)} would have a limit beyond {plain(limit)}",
        )
    return limit


def _bounds(
    side: Side, instrument: Instrument, average: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    low, high = instrument.min_price or None, instrument.max_price
    if instrument.percent_price is None or average is None:
        return low, high
    least, most = instrument.percent_price.bounds(side, average)
    return max(low or least, least), most if high is None else min(high, most)
