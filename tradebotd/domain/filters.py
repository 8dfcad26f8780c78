"""Filters of a symbol at its venue: the parts that differ by order type, side and price. Pure.

Names and rules are those of Binance's `exchangeInfo` (filters.md); other venues have fewer.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from tradebotd.domain.decimals import ONE, ZERO, floor_to_step, plain
from tradebotd.domain.side import Side


class SymbolStatus(StrEnum):
    """A symbol's status at its venue: whether it trades."""

    TRADING = "trading"
    HALTED = "halted"  # no order is taken: Binance HALT, BREAK, END_OF_DAY; Alpaca not tradable
    CANCEL_ONLY = "cancel_only"  # resting orders can be cancelled, no other is taken
    DELISTED = "delisted"  # the venue does not list it any more


class FilterName(StrEnum):
    """Filters that an order can be refused by; an `OrderRejectedError` begins with the name.

    An adapter puts the name before its venue's own words (Binance: LOT_SIZE, MIN_NOTIONAL,
    PRICE_FILTER, -4028).
    """

    NOT_TRADING = "symbol_not_trading"
    ORDER_TYPE = "order_type_not_taken"
    WORKING_PRICE = "working_price_not_taken"
    TIME_IN_FORCE = "time_in_force_not_taken"
    OFF_LOT = "quantity_off_lot"
    BELOW_MIN_QUANTITY = "quantity_below_minimum"
    ABOVE_MAX_QUANTITY = "quantity_above_maximum"
    BELOW_MIN_NOTIONAL = "notional_below_minimum"
    ABOVE_MAX_NOTIONAL = "notional_above_maximum"
    OFF_TICK = "price_off_tick"
    BELOW_MIN_PRICE = "price_below_minimum"
    ABOVE_MAX_PRICE = "price_above_maximum"
    OUTSIDE_PERCENT_PRICE = "price_outside_percent"
    TOO_MANY_ORDERS = "too_many_orders"
    TOO_MANY_STOPS = "too_many_stop_orders"
    ABOVE_MAX_LEVERAGE = "leverage_above_maximum"


@dataclass(frozen=True, slots=True, kw_only=True)
class LotSize:
    """Quantities in base asset that orders may have: whole multiples of `step` within bounds.

    A venue that says 0 for a bound or a step has none (Binance's MARKET_LOT_SIZE often has no
    step): pass None.
    """

    step: Decimal | None = None
    minimum: Decimal = ZERO
    maximum: Decimal | None = None

    def combined(self, other: "LotSize") -> "LotSize":
        """Return the quantities that pass both: Binance judges a market order by both lots."""
        steps = [step for step in (self.step, other.step) if step is not None]
        step = None if not steps else common_step(*steps)
        bounds = [most for most in (self.maximum, other.maximum) if most is not None]
        least = max(self.minimum, other.minimum)
        if step is not None and least % step:
            least = floor_to_step(least, step) + step
        return LotSize(step=step, minimum=least, maximum=min(bounds, default=None))

    @property
    def is_empty(self) -> bool:
        """Return whether no quantity passes."""
        if self.maximum is None:
            return False
        most = self.maximum if self.step is None else floor_to_step(self.maximum, self.step)
        return most <= 0 or most < self.minimum


def common_step(*steps: Decimal) -> Decimal:
    """Return the least step whose multiples are multiples of each of *steps* (all positive)."""
    scale = ONE.scaleb(min(int(step.normalize().as_tuple().exponent) for step in steps))
    return Decimal(plain(math.lcm(*(int(step / scale) for step in steps)) * scale))


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentPrice:
    """Limit prices a side may have, as multiples of the average price (PERCENT_PRICE_BY_SIDE).

    Binance's PERCENT_PRICE has the same multiples for both sides.
    """

    buy_below: Decimal  # bidMultiplierDown
    buy_above: Decimal  # bidMultiplierUp
    sell_below: Decimal  # askMultiplierDown
    sell_above: Decimal  # askMultiplierUp

    def bounds(self, side: Side, average: Decimal) -> tuple[Decimal, Decimal]:
        """Return the least and the highest limit price of *side* at *average* (quote asset)."""
        if side is Side.BUY:
            return self.buy_below * average, self.buy_above * average
        return self.sell_below * average, self.sell_above * average


class RestingCounts(NamedTuple):
    """Orders of one symbol and account that rest: all of them, and those with a stop price."""

    orders: int = 0
    stops: int = 0
