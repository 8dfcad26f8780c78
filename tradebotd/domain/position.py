"""Positions and the arithmetic of fills."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.exits import ExitPlan
from tradebotd.domain.ids import BotName, PositionId, VenueName
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.side import PositionSide


class CloseReason(StrEnum):
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    SIGNAL = "signal"
    MAX_HOLDING = "max_holding"
    FLATTEN = "flatten"
    MANUAL = "manual"
    EXTERNAL = "external"
    DUST = "dust"  # nothing of it could be sold, and nothing ever had been


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """An open position of one bot. `quantity` is positive; `side` gives the direction.

    `stop_loss`, `take_profit` and `trailing_stop` are prices on the tick; `best_price` is the most
    favourable price since entry; `exits` is the plan they follow from. `take_profit` is the next
    step of the ladder while one remains; `ladder_done` steps have been taken. `step_sold`: quantity
    of the next step already sold, negative where a step too small to be sold has joined it.
    """

    id: PositionId
    bot: BotName
    venue: VenueName
    symbol: str
    side: PositionSide
    position_type: PositionType
    quantity: Decimal
    entry_price: Decimal
    opened_at: datetime
    stop_loss: Decimal | None
    take_profit: Decimal | None
    trailing_stop: Decimal | None
    best_price: Decimal
    exits: ExitPlan
    version: int
    entry_quantity: Decimal = ZERO
    ladder_done: int = 0
    step_sold: Decimal = ZERO
    leverage: int = 1
    liquidation_price: Decimal | None = None

    @property
    def signed_quantity(self) -> Decimal:
        return self.quantity * self.side.sign

    def unrealized_pnl(self, price: Decimal) -> Decimal:
        """Return the unrealized P&L at *price*, in quote asset, before fees."""
        return (price - self.entry_price) * self.signed_quantity
