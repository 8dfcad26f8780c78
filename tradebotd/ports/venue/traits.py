"""Capabilities of a venue, as its adapter claims them; nothing is asked of it beyond them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.order_type import OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.self_trade import SelfTrade as SelfTrade  # noqa: PLC0414

AT_ONCE: Final = (TimeInForce.IOC,)
UNTIL_CANCELLED: Final = (TimeInForce.GTC,)


class Replacement(StrEnum):
    """Ways in which a new exit takes the place of one that already rests."""

    OVERLAP = "overlap"  # both may be live: they are reduce-only
    REPLACE = "replace"  # one call cancels the old and places the new, and both are final
    PROMISED = "promised"  # one call asks for it: after a yes the old one may still fill
    CANCEL_FIRST = "cancel_first"  # a resting order locks the inventory: it must be gone first


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTraits:
    """Capabilities of a venue, and how much its "never seen" is worth.

    An order that cannot rest is inferred absent when the venue's clock has passed `send_by` +
    `receive_window` + `absence_margin`, and `negatives` such answers came from `endpoints` places.
    One that can rest: once such answers came for `resting_margin`, or its cancel was acknowledged.

    `base_fee`: the fraction of a spot buy that it keeps as its fee; zero where fees are paid in
    the quote asset or in a third one. The dearer of maker and taker.
    `quotes_echo`: its quotes are the prices that we have shown it, and tell us nothing new.
    `tells_transfers`: it has a list of what changes its balances otherwise than by trading.

    `order_types`: those it takes; `times_in_force` by type, the one that we send first: GTC (IOC at
    the market) where a type is not named. `price_kinds`: those that `quotes` tells, `stop_prices`
    those that a resting stop may be compared with (Binance: `workingType`).
    `moves_at_once`: resting exits that are placed or moved side by side. The adapter's own limiter
    of orders is the true bound: an exit at the market passes first there, and none may wait for
    longer than its row allows, so few at once where few a second may leave.
    `fractions_end_with_the_day`: an order of part of a unit cannot rest for longer.
    `open_orders_tell_fills`: an order in `open_orders` carries its fills; else only how much.
    """

    resting_stops: bool = False
    linked_orders: bool = False  # a stop and its target as one-cancels-other
    order_types: frozenset[OrderType] = frozenset(
        {
            OrderType.MARKET,
            OrderType.LIMIT,
            OrderType.STOP_MARKET,
            OrderType.TAKE_PROFIT_MARKET,
        }
    )
    times_in_force: Mapping[OrderType, tuple[TimeInForce, ...]] = field(default_factory=dict)
    price_kinds: frozenset[PriceKind] = frozenset({PriceKind.LAST})
    stop_prices: frozenset[PriceKind] = frozenset({PriceKind.LAST})
    quotes_echo: bool = False
    tells_transfers: bool = False
    tells_instruments: bool = False  # filters and status, which may change
    tells_commissions: bool = False
    tells_clock: bool = False
    tells_stream: bool = False  # its order stream says when it was interrupted
    sets_up_symbols: bool = False  # leverage, margin and position mode, before the first order
    open_orders_tell_fills: bool = True
    fractions_end_with_the_day: bool = False
    self_trade: SelfTrade = SelfTrade.TRADES
    moves_at_once: int = 32
    replacement: Replacement = Replacement.CANCEL_FIRST
    receive_window: timedelta = timedelta(seconds=5)
    absence_margin: timedelta = timedelta(seconds=10)
    negatives: int = 3
    endpoints: int = 2
    resting_margin: timedelta = timedelta(hours=1)
    cash_is_ours: bool = (
        False  # only we trade and pay there: its cash is compared with our own books
    )
    base_fee: Decimal = ZERO

    def time_in_force(self, kind: OrderType, wanted: TimeInForce | None = None) -> TimeInForce:
        """Return the time in force that orders of type *kind* are sent with.

        That is *wanted*, where it is taken; of a type that is not named every one is.
        """
        usual = AT_ONCE if kind is OrderType.MARKET else UNTIL_CANCELLED
        taken = self.times_in_force.get(kind)
        if wanted is not None and (taken is None or wanted in taken):
            return wanted
        return (taken or usual)[0]
