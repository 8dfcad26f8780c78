"""Parts of an exit that is larger than one order may be: it ends once nothing sellable is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import MarketSymbol
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.domain.position import CloseReason
from tradebotd.trading.exits.exit_intents import ExitIntent, sellable_now
from tradebotd.trading.exits.exit_worth import ExitWorth

MOST_PARTS: Final = 50  # in one call; the sweep goes on with the rest
SPARE_PARTS: Final = 3


@dataclass(slots=True)
class ExitPart:
    """One order of an exit, as it was made: of `held`, it sells `quantity`.

    `is_step`: of a ladder; what it leaves is to be kept. `is_sold`: as far as is known.
    """

    held: Decimal = ZERO
    quantity: Decimal = ZERO
    is_step: bool = False
    is_sold: bool = False

    @property
    def rest(self) -> Decimal:
        return ZERO if self.is_step else self.held - self.quantity

    def parts_after(self) -> int:
        """Return how many more orders of the same size the rest may take, within bounds."""
        if not self.quantity:
            return 0
        wanted = (self.rest / self.quantity).to_integral_value(ROUND_CEILING)
        return min(int(wanted) + SPARE_PARTS, MOST_PARTS)


def is_sold(reports: Sequence[OrderReport]) -> bool:
    """Return whether the part is known to be sold, so that the next one may follow at once."""
    return bool(reports) and reports[0].status is OrderStatus.FILLED


class UnfinishedExits:
    """Reasons of positions that end in parts, until nothing is left that can be sold.

    Kept in this process: after a restart what is left is judged by its levels alone.
    """

    def __init__(self, symbols: Mapping[str, MarketSymbol], worth: ExitWorth) -> None:
        self._symbols = symbols
        self._worth = worth
        self._reasons: dict[PositionId, CloseReason] = {}

    def note(self, exit_: ExitIntent, part: ExitPart) -> None:
        """Keep why the position ends as long as its order left something that can be sold.

        An exit of which no order was made says nothing.
        """
        if not part.quantity:
            return
        position = exit_.position
        instrument = self._symbols[position.symbol].instrument
        rest = replace(position, quantity=part.rest)
        if part.rest > 0 and sellable_now(rest, self._worth.of(exit_), instrument):
            self._reasons[position.id] = exit_.reason
        else:
            self._reasons.pop(position.id, None)

    def reason(self, position_id: PositionId) -> CloseReason | None:
        """Return why the position ends; None: one order sells all of it, or it is to stay."""
        return self._reasons.get(position_id)

    def forget(self, position_id: PositionId) -> None:
        self._reasons.pop(position_id, None)

    def __contains__(self, position_id: PositionId) -> bool:
        return position_id in self._reasons
