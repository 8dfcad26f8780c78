"""The JSON shape of one order with all that is known of it."""

from typing import Any

from tradebotd.control.messages.status import Fill, Order
from tradebotd.control.wire import Instant, Message, Money


class OrderEvent(Message):
    at: Instant
    status: str
    detail: dict[str, Any]


class OrderSearch(Message):
    """Nobody knows of it: how the venue has been asked so far. Host time."""

    began_at: Instant
    last_asked_at: Instant
    negatives: int
    endpoints: list[str]
    inferred_absent_at: Instant | None
    cancel_acknowledged_at: Instant | None
    ended_at: Instant | None


class OrderDetail(Order):
    """`send_by`: host time, it is not sent after that. `venue_order_ids`: all its names there."""

    trigger_price: Money | None
    reduce_only: bool
    settled: bool
    send_by: Instant
    venue_filled_quantity: Money | None
    venue_order_ids: list[str]
    search: OrderSearch | None
    events: list[OrderEvent]
    fills: list[Fill]
