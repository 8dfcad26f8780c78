"""Messages of a trigger book: positions that a price ends, and stops that it moved."""

from dataclasses import dataclass
from decimal import Decimal

from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import CloseReason


@dataclass(frozen=True, slots=True)
class Trigger:
    """A position to end, the reason, and the level the price met."""

    position_id: PositionId
    reason: CloseReason
    level: Decimal


@dataclass(frozen=True, slots=True)
class MovedStop:
    """A position whose best price, and with it a stop, moved since it was last persisted."""

    position_id: PositionId
    best_price: Decimal
    stop_loss: Decimal | None
    trailing_stop: Decimal | None
