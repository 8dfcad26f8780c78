"""Remainder that may be sold at once beside orders in doubt: what they cannot have sold. Pure."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order import OrderIntent
from tradebotd.domain.position import Position
from tradebotd.risk.sellable import sellable
from tradebotd.storage.exit_groups import GroupOrder, Groups

Build = Callable[[Position], list[OrderIntent]]


def unsettled(groups: Groups) -> list[GroupOrder]:
    return [order for group in groups.newest_first for order in group.unsettled]


def beyond_doubt(
    build: Build, groups: Groups, position: Position, instrument: Instrument
) -> Build | None:
    """Return the order of *build*, for no more than is held beyond all that is in doubt.

    Returns None where that is nothing, or where one of *groups* is known to be at the venue.
    """
    orders = unsettled(groups)
    doubtful = sum((order.quantity for order in orders), ZERO)

    def rest(current: Position) -> list[OrderIntent]:
        return [
            replace(intent, request=replace(intent.request, quantity=quantity))
            for intent in build(current)
            if (quantity := _most(intent, current, doubtful, instrument))
        ]

    in_doubt = all(order.is_in_doubt for order in orders)
    return rest if orders and in_doubt and rest(position) else None


def _most(
    intent: OrderIntent, current: Position, doubtful: Decimal, instrument: Instrument
) -> Decimal:
    request = intent.request
    quantity = min(request.quantity, current.quantity - doubtful)
    by_type, held_as = instrument.order(request.type), request.position_type
    return sellable(quantity, request.trigger_price, by_type, position_type=held_as)


def sells_a_part(build: Build, position: Position) -> bool:
    """Return whether the order would be a ladder step that leaves some of the position."""
    try:
        intents = build(position)
    except OrderDeniedError:
        return False  # placing it will be denied, if it comes to that
    return any(
        intent.ladder_step is not None and intent.request.quantity < position.quantity
        for intent in intents
    )
