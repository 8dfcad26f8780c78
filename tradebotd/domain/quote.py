"""Prices of one symbol at one venue, by kind, and which of them an exit is triggered by."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradebotd.domain.side import PositionSide


class PriceKind(StrEnum):
    LAST = "last"  # of the latest trade
    MARK = "mark"  # what futures are valued and liquidated at
    BID = "bid"
    ASK = "ask"


class TriggerPrice(StrEnum):
    """`[[bots]] trigger_price`: the price that a position's exits are compared with."""

    LAST = "last"
    MARK = "mark"
    BID_ASK = "bid_ask"

    def kind(self, side: PositionSide) -> PriceKind:
        """Return the kind of price that ends a position of *side*.

        By bid and ask a position ends at what it could be closed at: a long at the bid, a short
        at the ask.
        """
        match self:
            case TriggerPrice.LAST:
                return PriceKind.LAST
            case TriggerPrice.MARK:
                return PriceKind.MARK
            case TriggerPrice.BID_ASK:
                return PriceKind.BID if side is PositionSide.LONG else PriceKind.ASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Quote asset per unit of base asset; None where the venue does not tell that kind.

    `average`: over the minutes that the symbol's notional filter names (Binance: `avgPriceMins`).
    """

    last: Decimal
    mark: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    average: Decimal | None = None

    def price(self, kind: PriceKind) -> Decimal | None:
        match kind:
            case PriceKind.LAST:
                return self.last
            case PriceKind.MARK:
                return self.mark
            case PriceKind.BID:
                return self.bid
            case PriceKind.ASK:
                return self.ask
