"""Orders: FIX states, legal transitions, requests to a venue and its reports."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill, Forced
from tradebotd.domain.ids import (
    BotName,
    ClientOrderId,
    OrderId,
    PositionId,
    VenueName,
    VenueOrderId,
)
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order_type import OrderType as OrderType  # noqa: PLC0414
from tradebotd.domain.order_type import TimeInForce as TimeInForce  # noqa: PLC0414
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side


class OrderRole(StrEnum):
    ENTRY = "entry"
    EXIT = "exit"


class OrderStatus(StrEnum):
    """FIX OrdStatus (39), and `unknown`: sent, but the answer was lost."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


FINAL: Final = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)

# The same table stands in the database as a trigger (migrations/0002): a report that comes late or
# twice never moves an order backwards. `rejected` may be revived because absence is an inference.
LEGAL_TRANSITIONS: Final[dict[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.PENDING_NEW: frozenset(OrderStatus) - {OrderStatus.PENDING_NEW},
    OrderStatus.UNKNOWN: frozenset(OrderStatus) - {OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN},
    OrderStatus.NEW: frozenset(
        {
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.REJECTED,
            OrderStatus.EXPIRED,
            OrderStatus.UNKNOWN,
        }
    ),
    OrderStatus.PARTIALLY_FILLED: frozenset(
        {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.UNKNOWN}
    ),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.CANCELED: frozenset({OrderStatus.FILLED}),
    OrderStatus.REJECTED: frozenset(
        {
            OrderStatus.NEW,
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.FILLED,
            OrderStatus.CANCELED,
            OrderStatus.EXPIRED,
        }
    ),
    OrderStatus.EXPIRED: frozenset({OrderStatus.FILLED}),
}


def moved(status: OrderStatus, wanted: OrderStatus) -> OrderStatus:
    """Return *wanted* where an order may move there from *status*, else *status*."""
    return wanted if wanted in LEGAL_TRANSITIONS[status] else status


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """Request to a venue. `trigger_price` is the level a tick crossed, for exits only.

    A real venue ignores `trigger_price`; the paper venue fills there when the path crossed it.
    `working_price`: what the venue compares `stop_price` with (Binance: `workingType`), and what
    crossed `trigger_price`.
    """

    venue: VenueName
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    position_type: PositionType = PositionType.SPOT
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    working_price: PriceKind = PriceKind.LAST


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """A request and its owner: everything the order's row holds before a byte is sent."""

    request: OrderRequest
    bot: BotName
    role: OrderRole
    reason: str  # a signal's words for entries, a close reason for exits
    leverage: int = 1  # futures: as the symbol was set up; no order tells it to the venue
    position_id: PositionId | None = None  # set for exits
    position_version: int | None = None  # exits: of the position that it was made from
    ladder_step: int | None = None  # exits: the step of the ladder that it takes
    sweeps: Decimal = ZERO  # exits: so much of the quantity is dust of earlier positions
    expires_at: datetime | None = None  # market time: how long an entry may rest


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """A venue's report on one order, with the fills the venue knows of.

    `asked`: the order's parameters at the venue, where it reports them. Symbol, side, quantity, and
    prices present on both sides are compared with the request; type and time in force are in the
    venue's own words, and may have changed once an order has triggered.

    `other_ids`: further ids the order has at the venue (a triggered algo order, a bracket's leg).
    `moved`: from which prices to which another hand has moved it; `asked` has those that were sent.
    `forced`: the venue closes a position without a request; the order's fills say so, too.
    """

    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId
    status: OrderStatus
    filled_quantity: Decimal = ZERO
    reason: str | None = None
    at: datetime | None = None
    fills: tuple[Fill, ...] = ()
    asked: OrderRequest | None = None
    other_ids: tuple[VenueOrderId, ...] = ()
    moved: str | None = None
    forced: Forced | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A row of `orders`, as far as decisions need it."""

    id: OrderId
    client_order_id: ClientOrderId
    venue_order_id: VenueOrderId | None
    position_id: PositionId | None
    bot: BotName
    venue: VenueName
    symbol: str
    role: OrderRole
    side: Side
    type: OrderType
    quantity: Decimal
    filled_quantity: Decimal
    status: OrderStatus
    reason: str | None
    created_at: datetime
