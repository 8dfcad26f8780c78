"""Orders: what was asked, what became of it, and how it is told."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from tests.simulators.alpaca.assets import Asset
from tests.simulators.alpaca.wording import average, optional, optional_stamp, stamp
from tests.simulators.shared.money import text

ZERO: Final = Decimal(0)
ROUTING: Final = timedelta(microseconds=873)


class Status(StrEnum):
    """A5: `pending_review` among them; the specification's list does not know it yet."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    PENDING_REVIEW = "pending_review"
    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    HELD = "held"


FINAL: Final = frozenset(
    {Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REPLACED, Status.REJECTED}
)
WORKING: Final = frozenset(
    {Status.NEW, Status.PARTIALLY_FILLED, Status.PENDING_CANCEL, Status.PENDING_REPLACE}
)


def submitted_after(created: datetime) -> datetime:
    """A6: submitted_at is later than created_at, not equal to it."""
    return created + ROUTING


@dataclass
class Group:
    """Orders that live together: bracket, OCO, OTO."""

    order_class: str
    parent: "Order"
    legs: list["Order"] = field(default_factory=list)

    @property
    def take_profit(self) -> "Order | None":
        members = (self.parent, *self.legs)
        return next((each for each in members if each.role == "take_profit" and each.is_open), None)

    @property
    def stop_loss(self) -> "Order | None":
        return next((each for each in self.legs if each.role == "stop_loss" and each.is_open), None)

    @property
    def members(self) -> Iterable["Order"]:
        return (self.parent, *self.legs)


@dataclass(kw_only=True)
class Order:
    asset: Asset
    side: str
    type: str
    time_in_force: str
    created_at: datetime
    client_order_id: str
    quantity: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    order_class: str = ""
    position_intent: str = ""
    role: str = "simple"  # or entry, take_profit, stop_loss
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: Status = Status.PENDING_NEW
    group: Group | None = None
    valid_on: date | None = None  # day, opg, cls orders: the trading day
    expires_at: datetime | None = None
    filled: Decimal = ZERO
    paid: Decimal = ZERO
    triggered: bool = False
    routed: bool = False  # it is where it can be executed
    reserve_price: Decimal = ZERO  # what a unit of an opening order holds of the buying power
    high_water: Decimal | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    before_pending: Status | None = None  # what a refused cancel or replacement goes back to
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def submitted_at(self) -> datetime:
        return submitted_after(self.created_at)

    @property
    def is_open(self) -> bool:
        return self.status not in FINAL

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def left(self) -> Decimal:
        """The quantity that is not filled; of a notional order zero, as its quantity is not known before."""
        return ZERO if self.quantity is None else self.quantity - self.filled

    @property
    def ceiling(self) -> Decimal | None:
        """The limit that holds when it executes.

        Alpaca turns a buy stop into a stop-limit: 4 % above a stop below 50 USD, 2.5 % above others.
        """
        if self.limit_price is not None:
            return self.limit_price
        if self.type == "stop" and self.side == "buy" and self.stop_price is not None:
            more = Decimal("1.04") if self.stop_price < 50 else Decimal("1.025")
            return (self.stop_price * more).quantize(Decimal("0.01"))
        return None


def order_json(order: Order, *, nested: bool) -> dict[str, Any]:
    """The order as every answer tells it; *nested*: with its legs."""
    legs = None
    if nested and order.group is not None and order.group.parent is order and order.group.legs:
        legs = [order_json(each, nested=False) for each in order.group.legs]
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": stamp(order.created_at),
        "updated_at": stamp(order.updated_at or order.created_at),
        "submitted_at": stamp(order.submitted_at),
        "filled_at": optional_stamp(order.filled_at),
        "expired_at": optional_stamp(order.expired_at),
        "canceled_at": optional_stamp(order.canceled_at),
        "failed_at": optional_stamp(order.failed_at),
        "replaced_at": optional_stamp(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": order.asset.id,
        "symbol": order.asset.symbol,
        "asset_class": order.asset.kind,
        "notional": optional(order.notional),
        "qty": optional(order.quantity) if order.notional is None else None,
        "filled_qty": text(order.filled),
        "filled_avg_price": average(order.paid / order.filled) if order.filled else None,
        "order_class": order.order_class,
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force,
        "limit_price": optional(order.limit_price),
        "stop_price": optional(order.stop_price),
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "trail_percent": optional(order.trail_percent),
        "trail_price": optional(order.trail_price),
        "hwm": optional(order.high_water),
        "subtag": None,
        "source": "access_key",
        **({"expires_at": stamp(order.expires_at)} if order.expires_at else {}),
    }
