"""Routing: orders wait for their session, are sent to it, and end with their day."""

from tests.simulators.alpaca import groups
from tests.simulators.alpaca.calendar import Phase, phase_at
from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.execution import match, match_symbol, runs_in
from tests.simulators.alpaca.orders import Order, Status

RELEASABLE = frozenset({Status.ACCEPTED, Status.PENDING_NEW})


def receive(desk: Desk, order: Order) -> None:
    """Give a new order its first status: `accepted` when its session is not open, A5."""
    if desk.terms.reviews_orders:
        desk.turn(order, Status.PENDING_REVIEW)
    elif runs_in(order, phase_at(desk.now)):
        desk.turn(order, Status.PENDING_NEW)
    else:
        desk.turn(order, Status.ACCEPTED)


def send(desk: Desk, order: Order) -> None:
    """Send *order* to where it is executed, as soon as its session is open."""
    if order.status in RELEASABLE and runs_in(order, phase_at(desk.now)):
        desk.after(desk.terms.routing_delay, lambda: route(desk, order))
    elif order.time_in_force in {"ioc", "fok"} and order.status is Status.ACCEPTED:
        groups.end(desk, order, Status.CANCELED)  # nothing to be executed against at once


def route(desk: Desk, order: Order) -> None:
    """Make *order* work. One that was cancelled on the way is not."""
    if order.status not in RELEASABLE:
        return
    order.routed = True
    desk.turn(order, Status.NEW)
    if order.role == "take_profit" and order.group is not None:
        for leg in order.group.legs:
            if leg.status is Status.HELD:
                groups.wake(desk, leg)
    match_symbol(desk, order.asset.symbol)
    if order.time_in_force in {"ioc", "fok"} and order.is_open:
        groups.end(desk, order, Status.CANCELED)


def release(desk: Desk) -> None:
    """Send the orders whose session is open now, and run those that are there."""
    for order in desk.book.open():
        if order.status in RELEASABLE and runs_in(order, phase_at(desk.now)):
            route(desk, order)
    for symbol in {order.asset.symbol for order in desk.book.open()}:
        match_symbol(desk, symbol)


def auction(desk: Desk, kind: str) -> None:
    """Run the orders of an auction (*kind* opg or cls) at the market's prices, and end the rest."""
    for order in desk.book.open():
        if order.time_in_force != kind or order.valid_on is None:
            continue
        if order.status in RELEASABLE:
            order.routed = True
            desk.turn(order, Status.NEW)
        match(desk, order, at_auction=True)
        if order.is_open:
            groups.end(desk, order, Status.CANCELED)


def expire(desk: Desk, *, extended: bool) -> None:
    """End what was for a day that is over: at the close, with extended hours in the evening."""
    for order in desk.book.open():
        if not order.is_open or order.expires_at is None or order.expires_at > desk.now:
            continue
        if order.valid_on is not None and order.extended_hours == extended:
            groups.end(desk, order, Status.EXPIRED)


def cancel_aged(desk: Desk) -> None:
    """End gtc orders that are 90 days old."""
    for order in desk.book.open():
        ends = order.expires_at if order.valid_on is None else None
        if order.is_open and ends is not None and ends <= desk.now:
            groups.end(desk, order, Status.CANCELED)


def begin(desk: Desk, phase: Phase) -> None:
    """Do what the beginning of *phase* brings (CLOSED is the evening's end of a trading day)."""
    if phase is Phase.CORE:
        auction(desk, "opg")
    elif phase is Phase.POST:
        auction(desk, "cls")
        expire(desk, extended=False)
        cancel_aged(desk)
    elif phase is Phase.CLOSED:
        expire(desk, extended=True)
    release(desk)
