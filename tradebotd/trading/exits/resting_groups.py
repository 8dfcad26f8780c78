"""What rests for a position, as its exit groups say it. Pure."""

from tradebotd.domain.order import OrderType
from tradebotd.domain.position import CloseReason
from tradebotd.storage.exit_groups import ExitGroup, GroupKind, Groups
from tradebotd.trading.exits.exit_intents import RestingPair


def is_resting(group: ExitGroup) -> bool:
    return group.kind is GroupKind.RESTING and any(order.is_live for order in group.unsettled)


def in_doubt(group: ExitGroup) -> bool:
    return all(order.is_in_doubt for order in group.unsettled)


def unknown(groups: Groups) -> bool:
    """Return whether orders are in doubt, and none is known to rest."""
    present = [group for group in (groups.active, groups.retiring) if group is not None]
    doubtful = any(order.is_in_doubt for group in present for order in group.unsettled)
    return doubtful and not any_rests(groups)


def any_rests(groups: Groups) -> bool:
    return any(
        group is not None and is_resting(group) for group in (groups.active, groups.retiring)
    )


def pair_of(group: ExitGroup) -> RestingPair | None:
    """Return what rests; None when not all of it is acknowledged."""
    orders = group.unsettled
    stops = [order for order in orders if order.type is OrderType.STOP_MARKET and order.is_live]
    targets = [
        order for order in orders if order.type is OrderType.TAKE_PROFIT_MARKET and order.is_live
    ]
    if not stops or stops[0].stop_price is None:
        return None
    return RestingPair(
        reason=CloseReason.STOP_LOSS,
        stop=stops[0].stop_price,
        target=targets[0].stop_price if targets else None,
        quantity=stops[0].quantity,
        working_price=stops[0].working_price,
    )
