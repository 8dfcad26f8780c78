"""Changes of orders that were entered: cancels, replacements, and closing positions."""

from decimal import Decimal
from typing import Any, Final

from tests.simulators.alpaca import groups, intake, rules
from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.execution import match_symbol
from tests.simulators.alpaca.orders import FINAL, Order, Status, order_json
from tests.simulators.alpaca.reading import figure, read_client_id
from tests.simulators.alpaca.refusals import RequestRefusedError, invalid, malformed, not_found
from tests.simulators.shared.money import text

ZERO: Final = Decimal(0)
NOT_REPLACEABLE: Final = FINAL | {
    Status.ACCEPTED,
    Status.PENDING_NEW,
    Status.PENDING_CANCEL,
    Status.PENDING_REPLACE,
    Status.PENDING_REVIEW,
    Status.SUSPENDED,
}


def cancel(desk: Desk, order: Order) -> None:
    """Ask for *order* to be cancelled. Raises RequestRefusedError (422) when it cannot be any more."""
    if order.status in FINAL:
        raise invalid(f'order is already in "{order.status}" state')
    if order.status in {Status.PENDING_CANCEL, Status.PENDING_REPLACE}:
        raise invalid(f"order {order.status.replace('_', ' ')}")
    order.before_pending = order.status
    if order.routed and order.status is not Status.HELD:
        desk.turn(order, Status.PENDING_CANCEL)
    desk.after(desk.terms.cancel_delay, lambda: finish_cancel(desk, order))


def finish_cancel(desk: Desk, order: Order) -> None:
    """Cancel it, or say that the cancel came too late."""
    if order.is_open:
        groups.end(desk, order, Status.CANCELED)
    else:
        desk.updates.tell("order_cancel_rejected", order, desk.now)


def cancel_all(desk: Desk) -> list[dict[str, Any]]:
    """The answer of DELETE /v2/orders: one status an order, 500 where it cannot be cancelled."""
    answers = []
    for order in desk.book.open():
        if not order.is_open:
            continue  # it went with its group
        try:
            cancel(desk, order)
            answers.append({"id": order.id, "status": 200})
        except RequestRefusedError as refused:
            answers.append({"id": order.id, "status": 500, "body": refused.body})
    return answers


def replace(desk: Desk, order: Order, body: Any) -> dict[str, Any]:
    """A8: promise a replacement: its answer carries the new order's id, and guarantees nothing.

    Whole shares only; notional and fractional orders cannot be replaced. Raises RequestRefusedError.
    """
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    check_replaceable(order)
    new = intake.replacement_of(order, desk.now)
    asked = figure(body, "qty")
    read_changes(new, body)
    if "client_order_id" in body and desk.book.knows_client_id(str(body["client_order_id"])):
        raise malformed("client_order_id must be unique")
    new.client_order_id = read_client_id(body)
    if asked is not None:
        if order.group is not None:
            raise invalid("qty of legs cannot be replaced")
        if not order.asset.is_crypto and asked % 1:
            raise invalid("qty must be integer")
        new.quantity = asked
    check_room(desk, order, new)
    desk.book.add(new)
    order.before_pending = order.status
    desk.turn(order, Status.PENDING_REPLACE)
    answer = order_json(new, nested=False)
    desk.after(
        desk.terms.replace_delay, lambda: finish_replace(desk, order, new, keeps=asked is None)
    )
    return answer


def check_replaceable(order: Order) -> None:
    if order.status in NOT_REPLACEABLE:
        raise invalid(f"cannot replace order in {order.status} status")
    if order.notional is not None:
        raise invalid("notional orders cannot be replaced")
    if not order.asset.is_crypto and rules.is_fractional(order):
        raise invalid("fractional orders cannot be replaced")
    if order.order_class == "oto":
        raise invalid("oto orders cannot be replaced")
    if order.group is not None and order.role != "entry" and not order.routed:
        raise invalid("cannot replace order in held status")


def read_changes(new: Order, body: dict[str, Any]) -> None:
    """Put the changes of *body* into *new*. Raises RequestRefusedError (422)."""
    for name in ("limit_price", "stop_price"):
        price = figure(body, name)
        if price is None:
            continue
        if getattr(new, name) is None:
            raise malformed(f"{new.type} orders require no {name.replace('_', ' ')}")
        if not new.asset.is_crypto:
            rules.check_pennies(name, price)
        setattr(new, name, price)
    trail = figure(body, "trail")
    if trail is not None:
        if new.type != "trailing_stop":
            raise malformed("trail is for trailing stop orders")
        setattr(new, "trail_price" if new.trail_price is not None else "trail_percent", trail)
    time_in_force = body.get("time_in_force") or new.time_in_force
    if time_in_force not in {"day", "gtc"} and time_in_force != new.time_in_force:
        raise malformed("invalid time_in_force")
    if new.role == "simple" and time_in_force != new.time_in_force:
        new.time_in_force = time_in_force
        new.valid_on = None
        intake.set_life(new)


def check_room(desk: Desk, order: Order, new: Order) -> None:
    """Whether the account has what the replacement needs beyond what *order* holds."""
    owned = abs(desk.ledger.quantity(order.asset.position_symbol))
    if new.position_intent.endswith("_to_close"):
        if order.role == "simple":
            intake.check_quantity(desk, new, owned, besides=order)
        return
    held, order.reserve_price = order.reserve_price, ZERO
    try:
        intake.check_power(desk, new)
    finally:
        order.reserve_price = held


def finish_replace(desk: Desk, order: Order, new: Order, *, keeps: bool) -> None:
    """Replace *order* by *new*, or tell that it was too late (A8)."""
    if keeps:
        new.quantity = order.left
    if not order.is_open or not fits(desk, order, new):
        if order.is_open:
            order.status = order.before_pending or Status.NEW
        desk.updates.tell("order_replace_rejected", order, desk.now)
        groups.end(desk, new, Status.REJECTED)
        return
    order.replaced_by, order.replaced_at = new.id, desk.now
    join_group(order, new)
    order.status, order.updated_at = Status.REPLACED, desk.now
    desk.updates.tell("replaced", order, desk.now)
    new.routed, new.triggered = True, order.triggered
    if order.before_pending is Status.HELD:
        new.status = Status.HELD
    else:
        desk.turn(new, Status.NEW)
    match_symbol(desk, new.asset.symbol)


def fits(desk: Desk, order: Order, new: Order) -> bool:
    """Whether what was filled meanwhile leaves room for the replacement."""
    if order.role != "simple" or not new.position_intent.endswith("_to_close"):
        return True
    owned = abs(desk.ledger.quantity(order.asset.position_symbol))
    try:
        intake.check_quantity(desk, new, owned, besides=order)
    except RequestRefusedError:
        return False
    return True


def join_group(order: Order, new: Order) -> None:
    group = order.group
    if group is None:
        return
    new.group = group
    if group.parent is order:
        group.parent = new
    else:
        group.legs[group.legs.index(order)] = new


def close_position(desk: Desk, name: str, query: dict[str, str]) -> dict[str, Any]:
    """The answer of DELETE /v2/positions/{name}: the market order that closes.

    Raises RequestRefusedError.
    """
    asset = desk.assets.get(name)
    owned = desk.ledger.quantity(asset.position_symbol) if asset else ZERO
    if asset is None or not owned:
        raise not_found("position does not exist")
    quantity = abs(owned)
    if "qty" in query and "percentage" in query:
        raise malformed("only one of qty or percentage is accepted")
    if "qty" in query:
        quantity = figure(query, "qty") or quantity
    elif "percentage" in query:
        part = figure(query, "percentage") or Decimal(100)
        quantity = (quantity * part / 100).quantize(Decimal("1e-9"))
    return intake.submit(
        desk,
        {
            "symbol": asset.symbol,
            "qty": text(quantity),
            "side": "sell" if owned > 0 else "buy",
            "type": "market",
            "time_in_force": "gtc" if asset.is_crypto else "day",
        },
    )


def close_all(desk: Desk, *, cancel_orders: bool) -> list[dict[str, Any]]:
    """The answer of DELETE /v2/positions."""
    if cancel_orders:
        cancel_all(desk)
    answers = []
    for symbol in tuple(desk.ledger.holdings):
        try:
            answers.append(
                {"symbol": symbol, "status": 200, "body": close_position(desk, symbol, {})}
            )
        except RequestRefusedError as refused:
            answers.append({"symbol": symbol, "status": refused.status, "body": refused.body})
    return answers
