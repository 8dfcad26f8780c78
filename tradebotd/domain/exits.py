"""How a position may end: fractions of the average entry price, and a holding time."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """`stop_loss`, `take_profit`: fractions of the entry price; `trailing_stop`: of the best price.

    Stored with the position as it was when it opened: a later change of the bot's configuration
    does not move the stops of what is already held.
    """

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None
    max_holding: timedelta | None = None
