"""The JSON shapes of positions, of how they may end, and of the trades they become."""

from decimal import Decimal
from typing import Literal

from pydantic import Field

from tradebotd.control.wire import Instant, Message, Money

ProtectedBy = Literal["daemon", "resting", "both", "none"]
StopKind = Literal["stop_loss", "trailing_stop", "break_even"]
PriceKind = Literal["last", "mark", "bid", "ask"]
ExitKind = Literal[
    "stop_loss", "trailing_stop", "break_even", "ladder", "take_profit", "max_holding"
]


class PositionExit(Message):
    """Exit of a position; `rule` is its configuration in words.

    `distance_percent`: from the price that ends the position (its `trigger_kind`), as a percentage
    of it; negative once passed.
    `share_percent`: share of the entered quantity, of a ladder step. `in_force`: the stop or target
    that is met first. `moves_stop_to`: of a break-even, which is earned at `price`. `left_s`:
    market time.
    """

    kind: ExitKind
    rule: str
    price: Money | None = None
    distance_percent: Money | None = None
    in_force: bool = False
    share_percent: Money | None = None
    moves_stop_to: Money | None = None
    earned: bool = False
    ends_at: Instant | None = None
    left_s: float | None = None


class Position(Message):
    """Open position. Its exits are compared with the price of its `trigger_kind`, its worth is
    told by the last price. `resting_kind`: what the stop that rests at its venue is compared with.
    """

    id: int
    bot: str
    venue: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Money
    entry_price: Money
    opened_at: Instant
    stop_loss: Money | None
    take_profit: Money | None
    trailing_stop: Money | None
    best_price: Money
    last_price: Money | None
    last_price_age_s: float | None
    unrealized_pnl: Money | None
    quote_asset: str | None = None  # of its prices and its P&L
    protected_by: ProtectedBy
    resting_quantity: Money | None = None  # for how much of it a stop rests at the venue
    unprotected_seconds: float | None = None  # without guard since its first fill; None: no stop
    stop_kind: StopKind | None = None  # of the stop that is met first
    stop_distance_percent: Money | None = None  # from the price of its `trigger_kind`
    pnl_at_stop: Money | None = None  # should it fill at its price, before fees
    at_risk: Money | None = None  # what would be lost of the entry then
    trigger_kind: PriceKind = "last"
    trigger_kind_price: Money | None = None
    trigger_kind_price_age_s: float | None = None
    resting_kind: PriceKind | None = None  # None: no stop rests
    exits: list[PositionExit] = Field(default_factory=list)


class Trade(Message):
    id: int
    bot: str
    venue: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Money
    entry_price: Money
    exit_price: Money | None
    opened_at: Instant
    closed_at: Instant
    close_reason: str
    realized_pnl: Money
    quote_asset: str | None = None  # of its prices and its P&L
    fees: Money
    dust: Money = Decimal(0)  # less than a lot: what it cost is part of the loss
    dust_cost: Money = Decimal(0)
    swept_income: Money = Decimal(0)  # of earlier dust that its exits sold, too


class ExitWish(Message):
    """Exits to set: prices, percentages with their sign, a duration, or "none"; null: unchanged.

    `trigger_price`: `last`, `mark` or `bid_ask`.
    """

    stop_loss: str | None = None
    take_profit: str | None = None
    trailing_stop: str | None = None
    max_holding: str | None = None
    trigger_price: str | None = None


class AdoptWish(Message):
    venue: str
    symbol: str
    bot: str
