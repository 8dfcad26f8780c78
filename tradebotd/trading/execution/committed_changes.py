"""Effects of a transaction of fills, for the listeners notified after its commit."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tradebotd.domain.ids import PositionId
from tradebotd.domain.position import CloseReason, Position, PositionTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Gap through a level: the level asked for, the price obtained, and the distance."""

    level: Decimal
    price: Decimal

    @property
    def percent(self) -> Decimal:
        return abs(self.price - self.level) / self.level * 100

    def as_fields(self) -> dict[str, str]:
        return {
            "level": f"{self.level:f}",
            "price": f"{self.price:f}",
            "percent": f"{self.percent:.2f}",
        }


@dataclass(slots=True)
class CommittedChanges:
    """Effects of one transaction, reported once it has committed.

    `released`: positions of which an exit has ended, and when: at the venue, if that says so.
    `of_dust`: positions closed before, whose dust at the venue was closed now, in part at least.
    """

    opened: list[Position] = field(default_factory=list)
    changed: list[Position] = field(default_factory=list)
    closed: list[tuple[Position, PositionTotals, CloseReason]] = field(default_factory=list)
    of_dust: list[tuple[Position, PositionTotals]] = field(default_factory=list)
    released: dict[PositionId, datetime] = field(default_factory=dict)
    gaps: dict[PositionId, Gap] = field(default_factory=dict)
    fills: int = 0
    ignored: int = 0  # empty fills
    is_foreign: bool = False  # the report was of an order that is not ours
    differs: bool = False  # the report was of an order with our name and other parameters
    contradiction: str | None = None  # what in the report is impossible

    @property
    def touched(self) -> list[Position]:
        """Positions that the fills went into, or out of."""
        closed = [position for position, _, _ in self.closed]
        return [*self.opened, *self.changed, *closed, *(position for position, _ in self.of_dust)]

    def gap_fields(self, position_id: PositionId) -> dict[str, object]:
        """Return the gap of its exit as a field of a log event, where there was one."""
        gap = self.gaps.get(position_id)
        return {} if gap is None else {"gap": gap.as_fields()}


def position_fields(position: Position, price: Decimal | None) -> dict[str, object]:
    return {
        "bot": position.bot,
        "symbol": position.symbol,
        "side": position.side,
        "quantity": position.quantity,
        "price": price,
    }
