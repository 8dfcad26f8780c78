"""How a position may end: distances from its entry, steps of a ladder, and a holding time."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO

USUAL_ATR_PERIOD: Final = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Fractions: once the best price is `at` beyond the entry, the stop moves `lock` beyond it."""

    at: Decimal
    lock: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """`share` of the quantity entered is sold `at` (a fraction) beyond the entry price."""

    at: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """`stop_loss`, `take_profit`: fractions of the entry price; `trailing_stop`: of the best price.

    The same three as multiples of `atr` (quote asset, measured at the entry) or, set by hand, as
    prices. At most one form of each is set. `ladder` is sorted by `at`; its shares add up to 1 at
    most. Stored with the position as it was when it opened: a later change of the bot's
    configuration does not move the stops of what is already held.
    """

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None
    stop_loss_atr: Decimal | None = None
    take_profit_atr: Decimal | None = None
    trailing_stop_atr: Decimal | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    atr: Decimal | None = None
    atr_period: int = USUAL_ATR_PERIOD
    break_even: BreakEven | None = None
    ladder: tuple[LadderStep, ...] = ()
    max_holding: timedelta | None = None

    @property
    def has_stop(self) -> bool:
        """From the entry on: a break even is none before it was earned."""
        stops = (
            *(self.stop_loss, self.stop_loss_atr, self.stop_loss_price),
            *(self.trailing_stop, self.trailing_stop_atr),
        )
        return any(stop is not None for stop in stops)

    @property
    def needs_atr(self) -> bool:
        multiples = (self.stop_loss_atr, self.take_profit_atr, self.trailing_stop_atr)
        return any(multiple is not None for multiple in multiples)
