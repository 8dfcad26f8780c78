"""Brackets, OCO and OTO: legs wait, live together, shrink and end together."""

from decimal import Decimal

from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.orders import Group, Order, Status
from tests.simulators.alpaca.power import closing_orders, left_of
from tests.simulators.alpaca.reading import Exits


def legs_time_in_force(parent: Order) -> str:
    """A12: legs carry the parent's time in force, whatever take_profit and stop_loss say."""
    return parent.time_in_force


def add_legs(order: Order, exits: Exits) -> None:
    """Make *order* a group's parent: an entry with its exits, or an OCO's take-profit with its stop."""
    if order.order_class in {"", "simple"}:
        return
    group = Group(order.order_class, order)
    order.group = group
    is_oco = order.order_class == "oco"
    order.role = "take_profit" if is_oco else "entry"
    if is_oco and exits.take_profit is not None:
        order.limit_price = exits.take_profit
    elif exits.take_profit is not None:
        group.legs.append(_leg(order, "take_profit", "limit", exits))
    if exits.stop is not None:
        kind = "stop" if exits.stop_limit is None else "stop_limit"
        group.legs.append(_leg(order, "stop_loss", kind, exits))


def _leg(parent: Order, role: str, kind: str, exits: Exits) -> Order:
    is_oco = parent.order_class == "oco"
    side = parent.side if is_oco else ("sell" if parent.side == "buy" else "buy")
    leg = Order(
        asset=parent.asset,
        side=side,
        type=kind,
        time_in_force=legs_time_in_force(parent),
        created_at=parent.created_at,
        client_order_id="",
        quantity=parent.quantity,
        limit_price=exits.take_profit if role == "take_profit" else exits.stop_limit,
        stop_price=exits.stop if role == "stop_loss" else None,
        order_class=parent.order_class,
        position_intent=f"{side}_to_close",
        role=role,
        status=Status.HELD,
        group=parent.group,
        valid_on=parent.valid_on,
        expires_at=parent.expires_at,
    )
    leg.client_order_id = leg.id
    return leg


def wake_legs(desk: Desk, parent: Order) -> None:
    """Activate the legs of an entry: after its complete fill, and never before."""
    if parent.group is None or parent.role != "entry" or parent.status is not Status.FILLED:
        return
    sleeping = [leg for leg in parent.group.legs if leg.status is Status.HELD and not leg.routed]
    free = free_for_legs(desk, parent)
    for leg in sleeping:
        leg.quantity = min(parent.filled, free)
        if free:
            wake(desk, leg)
        elif leg.is_open:
            end(desk, leg, Status.CANCELED)


def free_for_legs(desk: Desk, parent: Order) -> Decimal:
    """The quantity that legs can close: less than was filled if other orders closed or hold a part of it.

    No document says it; so exits never turn a position.
    """
    symbol = parent.asset.symbol
    owned = desk.ledger.quantity(parent.asset.position_symbol)
    held = sum(
        (
            left_of(desk, each)
            for each in closing_orders(desk, symbol)
            if each.group is not parent.group
        ),
        Decimal(0),
    )
    return max(Decimal(0), parent.sign * owned - held)


def wake(desk: Desk, leg: Order) -> None:
    """Make *leg* live. [reported] The stop of a pair goes on saying `held` until it is triggered."""
    leg.routed = True
    if leg.role == "take_profit" or desk.terms.stop_leg_status == "new":
        desk.turn(leg, Status.NEW)


def after_fill(desk: Desk, order: Order) -> None:
    """A partial take-profit shrinks the stop; an exit that is filled ends the other one."""
    group = order.group
    if group is None:
        return
    if order.role == "entry":
        wake_legs(desk, order)
        return
    stop, target = group.stop_loss, group.take_profit
    if order.role == "take_profit" and stop is not None:
        if order.status is Status.FILLED:
            end(desk, stop, Status.CANCELED)
        elif stop.quantity is not None:
            stop.quantity = stop.filled + order.left
            stop.updated_at = desk.now
            desk.updates.tell("restated", stop, desk.now)
    elif order.role == "stop_loss" and target is not None:
        end(desk, target, Status.CANCELED)


def triggered(desk: Desk, stop: Order) -> None:
    """A leg's stop was passed: the take-profit goes, the stop is sent."""
    if stop.group is None or stop.role != "stop_loss":
        return
    if stop.status is Status.HELD:
        desk.turn(stop, Status.NEW)
    target = stop.group.take_profit
    if target is not None:
        target_left = target.left
        stop.quantity = stop.filled + target_left
        end(desk, target, Status.CANCELED, alone=True)


def end(desk: Desk, order: Order, status: Status, *, alone: bool = False) -> None:
    """End *order* unfilled or partly filled; the open rest of its group ends with it unless *alone*.

    A group whose entry ends partly filled leaves a position without exits.
    """
    now = desk.now
    if status is Status.CANCELED:
        order.canceled_at = now
    elif status is Status.EXPIRED:
        order.expired_at = now
    elif status is Status.REJECTED:
        order.failed_at = now
    desk.turn(order, status)
    if order.group is None or alone:
        return
    for other in tuple(order.group.members):
        if other.is_open:
            end(desk, other, status, alone=True)
