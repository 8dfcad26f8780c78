"""The JSON shapes of orders and fills."""

from typing import Any, Literal

from tradebotd.control.wire import Instant, Message, Money

FinalState = Literal["filled", "canceled", "rejected", "expired"]
OrderState = Literal["pending_new", "new", "partially_filled", "unknown"] | FinalState


class Order(Message):
    id: int
    client_order_id: str
    venue_order_id: str | None
    position_id: int | None
    bot: str
    venue: str
    symbol: str
    role: Literal["entry", "exit"]
    side: Literal["buy", "sell"]
    type: str
    time_in_force: str
    quantity: Money
    filled_quantity: Money
    average_price: Money | None
    limit_price: Money | None
    stop_price: Money | None
    status: OrderState
    reason: str | None
    created_at: Instant
    updated_at: Instant


class Fill(Message):
    id: int
    order_id: int
    position_id: int
    bot: str
    venue: str
    symbol: str
    trade_id: str
    side: Literal["buy", "sell"]
    quantity: Money
    price: Money
    fee: Money
    fee_asset: str
    fee_value: Money | None = None  # in the quote asset; null: no rate was known
    executed_at: Instant


class OrderEvent(Message):
    at: Instant
    status: str
    detail: dict[str, Any]


class OrderSearch(Message):
    """Search for an unknown order: how the venue has been asked so far. Host time."""

    began_at: Instant
    last_asked_at: Instant
    negatives: int
    endpoints: list[str]
    inferred_absent_at: Instant | None
    cancel_acknowledged_at: Instant | None
    ended_at: Instant | None


class OrderDetail(Order):
    """Order in detail. `send_by`: host time, after which it is not sent.

    `venue_order_ids`: every id that it has had at the venue.
    """

    trigger_price: Money | None
    reduce_only: bool
    settled: bool
    send_by: Instant
    venue_filled_quantity: Money | None
    venue_order_ids: list[str]
    search: OrderSearch | None
    events: list[OrderEvent]
    fills: list[Fill]
