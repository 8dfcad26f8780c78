"""Resting exits of a position, as its exit groups say them. Pure."""

from decimal import Decimal

from tradebotd.domain.position import CloseReason
from tradebotd.market.calendars import Calendar
from tradebotd.risk.resting_types import STOPS, RestingTypes
from tradebotd.storage.exit_groups import ExitGroup, GroupKind, GroupOrder, Groups
from tradebotd.trading.exits.exit_conflicts import rests
from tradebotd.trading.exits.exit_intents import RestingPair
from tradebotd.trading.exits.resting_capability import end_of


def is_resting(group: ExitGroup) -> bool:
    return group.kind is GroupKind.RESTING and any(order.is_live for order in group.unsettled)


def unknown(groups: Groups) -> bool:
    """Return whether orders are in doubt, and none is known to rest."""
    orders = (order for group in groups.newest_first for order in group.unsettled)
    doubtful = any(order.is_in_doubt for order in orders)
    return doubtful and not any_rests(groups)


def any_rests(groups: Groups) -> bool:
    return any(is_resting(group) for group in groups.newest_first)


def rests_beside(group: ExitGroup, groups: Groups) -> bool:
    """Return whether something rests in another one than *group*."""
    return any(is_resting(other) for other in groups.newest_first if other is not group)


def pair_of(group: ExitGroup, calendar: Calendar) -> RestingPair | None:
    """Return what rests, by whichever types; None when not all of it is acknowledged."""
    live = [order for order in group.unsettled if order.is_live and rests(order)]
    stop = next((order for order in live if order.type in STOPS), None)
    target = next((order for order in live if order.type not in STOPS), None)
    if stop is None or stop.stop_price is None:
        return None
    return RestingPair(
        reason=CloseReason.STOP_LOSS,
        stop=stop.stop_price,
        target=None if target is None else _level(target),
        quantity=stop.quantity,
        working_price=stop.working_price,
        types=_types(stop, target),
        ends_at=end_of(stop.time_in_force, stop.created_at, calendar),
    )


def _level(target: GroupOrder) -> Decimal | None:
    return target.limit_price if target.stop_price is None else target.stop_price


def _types(stop: GroupOrder, target: GroupOrder | None) -> RestingTypes:
    return RestingTypes(
        stop=stop.type,
        target=None if target is None else target.type,
        stop_lasts=stop.time_in_force,
        target_lasts=stop.time_in_force if target is None else target.time_in_force,
    )
