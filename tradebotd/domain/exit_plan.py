"""Exit plan of a position: distances from its entry, steps of a ladder, and a holding time."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.quote import TriggerPrice

USUAL_ATR_PERIOD: Final = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Break-even rule, in fractions of the entry price.

    Once the best price is `at` beyond the entry, the stop moves to `lock` beyond the entry.
    """

    at: Decimal
    lock: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """Ladder step: exits `share` of the entered quantity at `at`, a fraction beyond the entry."""

    at: Decimal
    share: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """Exit rules of a position.

    `stop_loss` and `take_profit` are fractions of the entry price, `trailing_stop` of the best
    price. Each can be a multiple of `atr` instead (quote asset, measured at the entry), and
    stop-loss and take-profit a price set by an operator. At most one form of each is set. `ladder`
    is sorted by `at`; its shares add up to 1 at most. `trigger_price`: the price that all of them
    are compared with. The plan is stored with the position when it opens: a later change of the
    bot's configuration does not move the stops of an open position.
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
    trigger_price: TriggerPrice = TriggerPrice.LAST

    @property
    def has_stop(self) -> bool:
        """Return whether a stop is in force from the entry on; a break-even is earned later."""
        stops = (
            *(self.stop_loss, self.stop_loss_atr, self.stop_loss_price),
            *(self.trailing_stop, self.trailing_stop_atr),
        )
        return any(stop is not None for stop in stops)

    @property
    def needs_atr(self) -> bool:
        multiples = (self.stop_loss_atr, self.take_profit_atr, self.trailing_stop_atr)
        return any(multiple is not None for multiple in multiples)
