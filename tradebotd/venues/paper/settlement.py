"""One transaction of the paper venue's books: its changes, and how each is made."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.fill import Fill, forced_by_name
from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.quote import PriceKind
from tradebotd.ports.venue import SymbolSetup
from tradebotd.storage import paper_books, paper_orders
from tradebotd.storage.paper_books import PaperPosition
from tradebotd.storage.paper_orders import RestingOrder
from tradebotd.storage.postgres.database import Connection
from tradebotd.venues.paper.depth import NOTHING_OFFERED, works_on
from tradebotd.venues.paper.fill_model import Execution

DUPLICATE: Final = "duplicate client order id"
NO_MORE: Final = "nothing more was left to reduce"


@dataclass(slots=True)
class BookChanges:
    """Changes made in one transaction, to be applied to memory and reported to the listener."""

    connection: Connection
    at: datetime
    reports: list[OrderReport] = field(default_factory=list)
    refused: str | None = None
    rested: list[RestingOrder] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    positions: dict[str, PaperPosition] = field(default_factory=dict)
    funded: dict[str, datetime] = field(default_factory=dict)
    setups: dict[str, SymbolSetup] = field(default_factory=dict)
    promised: list[RestingOrder] = field(default_factory=list)
    decided: set[int] = field(default_factory=set)


async def end(
    changes: BookChanges,
    orders: Sequence[RestingOrder],
    status: OrderStatus,
    reason: str | None,
) -> None:
    if not orders:
        return
    numbers = [order.id for order in orders]
    ended = await paper_orders.end_orders(
        changes.connection, orders[0].request.venue, numbers, status, changes.at, reason
    )
    changes.ended |= ended.keys()
    for order in orders:
        if order.id in ended:
            # A part of it may have been filled in this very transaction.
            now = replace(order, filled_quantity=ended[order.id])
            changes.reports.append(resting_report(now, status, changes.at, reason))


async def promise(
    changes: BookChanges, old: ClientOrderId, new: ClientOrderId, request: OrderRequest
) -> None:
    """Book *new* as promised in the place of *old*: its row says so until that is decided."""
    order = await _insert(changes, new, request, OrderStatus.PENDING_NEW, linked_id=old)
    changes.promised.append(order)
    changes.reports.append(resting_report(order, OrderStatus.NEW, changes.at))


async def trigger(changes: BookChanges, order: RestingOrder) -> None:
    """Let an order whose stop price was met wait on: for its limit, or for more of the market."""
    await paper_orders.trigger_order(changes.connection, order.id, changes.at)
    changes.rested.append(replace(order, triggered=True))


async def wait(changes: BookChanges, order: RestingOrder) -> None:
    """Let an order for which the price has nothing wait for the next one, if it may."""
    if not works_on(order.request):
        await end(changes, [order], OrderStatus.EXPIRED, NOTHING_OFFERED)
    elif order.request.type in CONDITIONAL and not order.triggered:
        await trigger(changes, order)


async def book_refused(
    changes: BookChanges, client_order_id: ClientOrderId, request: OrderRequest
) -> None:
    await _insert(changes, client_order_id, request, OrderStatus.REJECTED, reason=changes.refused)


async def rest(
    changes: BookChanges,
    client_order_id: ClientOrderId,
    request: OrderRequest,
    linked_id: str | None,
    leverage: int,
    *,
    on_its_way: bool,
) -> None:
    """Let it wait for its price; one that may not wait ends at once, if it has arrived."""
    rests = on_its_way or works_on(request)
    status = OrderStatus.NEW if rests else OrderStatus.EXPIRED
    order = await _insert(
        changes, client_order_id, request, status, linked_id=linked_id, leverage=leverage
    )
    if rests:
        changes.rested.append(order)
    changes.reports.append(resting_report(order, status, changes.at))


async def book_expired(
    changes: BookChanges, client_order_id: ClientOrderId, request: OrderRequest, reason: str
) -> None:
    """Book an order that was taken, and ended without a fill."""
    order = await _insert(changes, client_order_id, request, OrderStatus.EXPIRED, reason=reason)
    changes.reports.append(resting_report(order, OrderStatus.EXPIRED, changes.at, reason))


async def book(
    changes: BookChanges,
    client_order_id: ClientOrderId,
    request: OrderRequest,
    done: Execution,
    *,
    order: RestingOrder | None = None,
    asked: OrderRequest | None = None,
    rest: str | None = None,
) -> None:
    """Book a fill of *request*: of an *order* that rested, or of one that comes.

    *asked*: the order as it was placed, where that is more. *rest*: why what is left of it ends;
    None: it waits for the next price.
    """
    asked = asked or request
    filled = request.quantity + (ZERO if order is None else order.filled_quantity)
    if filled == asked.quantity:
        status, reason = OrderStatus.FILLED, None
    elif rest is None:
        status, reason = OrderStatus.PARTIALLY_FILLED, None
    else:
        status, reason = OrderStatus.EXPIRED, rest
    if order is None:
        leverage = 1 if done.position is None else done.position.leverage
        booked = await _insert(
            changes,
            client_order_id,
            asked,
            status,
            filled=filled,
            reason=reason,
            leverage=leverage,
        )
    else:
        booked = replace(order, filled_quantity=filled)
    fill = await _fill(changes, booked, request, done)
    report = OrderReport(
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(str(booked.id)),
        status=status,
        filled_quantity=filled,
        reason=reason,
        at=changes.at,
        fills=(fill,),
        asked=_as_told(asked),
        forced=fill.forced,
    )
    changes.reports.append(report)
    if order is not None:
        await paper_orders.fill_order(changes.connection, order.id, report)
    if status is not OrderStatus.PARTIALLY_FILLED:
        changes.ended.add(booked.id)
        return
    if asked.type in CONDITIONAL and not booked.triggered:
        await trigger(changes, booked)
    else:
        changes.rested.append(booked)


async def _insert(
    changes: BookChanges,
    client_order_id: ClientOrderId,
    request: OrderRequest,
    status: OrderStatus,
    *,
    filled: Decimal = ZERO,
    reason: str | None = None,
    linked_id: str | None = None,
    leverage: int = 1,
) -> RestingOrder:
    """Insert an order that comes. Raises OrderRejectedError if its id is known.

    That rolls the whole transaction back.
    """
    order_id = await paper_orders.insert_order(
        changes.connection,
        client_order_id,
        request,
        changes.at,
        status=status,
        filled=filled,
        reason=reason,
        linked_id=linked_id,
        leverage=leverage,
    )
    if order_id is None:
        raise OrderRejectedError(DUPLICATE)
    return RestingOrder(
        id=order_id,
        client_order_id=client_order_id,
        request=request,
        filled_quantity=filled,
        accepted_at=changes.at,
        linked_id=linked_id,
        leverage=leverage,
    )


async def _fill(
    changes: BookChanges, order: RestingOrder, request: OrderRequest, done: Execution
) -> Fill:
    """Insert a fill of *request*, and book what it moves."""
    connection, client_order_id = changes.connection, order.client_order_id
    trade_id = await paper_books.insert_fill(
        connection,
        order.id,
        request,
        done.price,
        fee=done.fee,
        fee_asset=done.fee_asset,
        at=changes.at,
    )
    await paper_books.add_to_balances(connection, request.venue, done.changes)
    if done.position is not None:
        await paper_books.put_position(connection, request.venue, done.position)
        changes.positions[done.position.symbol] = done.position
    return Fill(
        venue=request.venue,
        symbol=request.symbol,
        trade_id=trade_id,
        client_order_id=client_order_id,
        side=request.side,
        quantity=request.quantity,
        price=done.price,
        fee=done.fee,
        fee_asset=done.fee_asset,
        executed_at=changes.at,
        venue_order_id=VenueOrderId(str(order.id)),
        forced=forced_by_name(client_order_id),
    )


def _as_told(request: OrderRequest) -> OrderRequest:
    """Return *request* as a venue reports it: it knows no level that our own exit has met."""
    compares = request.stop_price is not None
    working_price = request.working_price if compares else PriceKind.LAST
    return replace(request, trigger_price=None, working_price=working_price)


def open_reports(
    orders: Iterable[RestingOrder], symbols: Collection[str] | None
) -> list[OrderReport]:
    """Return a report of each resting order in *symbols*; None: in all."""
    return [
        resting_report(order, resting_status(order), order.accepted_at)
        for order in orders
        if symbols is None or order.request.symbol in symbols
    ]


def resting_status(order: RestingOrder) -> OrderStatus:
    return OrderStatus.PARTIALLY_FILLED if order.filled_quantity else OrderStatus.NEW


def resting_report(
    order: RestingOrder, status: OrderStatus, at: datetime, reason: str | None = None
) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=VenueOrderId(str(order.id)),
        status=status,
        filled_quantity=order.filled_quantity,
        reason=reason,
        at=at,
        asked=order.request,
    )
