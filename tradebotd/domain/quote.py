"""Prices of one symbol at one venue, by kind, and which of them an exit is triggered by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tradebotd.domain.decimals import ONE, round_down_to_tick, round_up_to_tick
from tradebotd.domain.side import PositionSide


class PriceKind(StrEnum):
    __hash__ = str.__hash__  # an enum's own is Python code, and a price is looked up by its kind

    LAST = "last"  # of the latest trade
    MARK = "mark"  # what futures are valued and liquidated at
    BID = "bid"
    ASK = "ask"


class TriggerPrice(StrEnum):
    """`[[bots]] trigger_price`: the price that a position's exits are compared with."""

    LAST = "last"
    MARK = "mark"
    BID_ASK = "bid_ask"

    @property
    def kinds(self) -> tuple[PriceKind, ...]:
        """Kinds of price that end positions of either side."""
        return tuple(dict.fromkeys(self.kind(side) for side in PositionSide))

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
    `times`: of when each kind is, by the venue's own word; a kind without one is of the moment of
    the question.
    """

    last: Decimal
    mark: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    average: Decimal | None = None
    times: Mapping[PriceKind, datetime] = field(default_factory=dict, compare=False)

    def at(self, kind: PriceKind, asked_at: datetime) -> datetime:
        """Return of when the price of *kind* is, of a question of *asked_at*; never later."""
        told = self.times.get(kind)
        return asked_at if told is None else min(told, asked_at)

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


@dataclass(frozen=True, slots=True)
class Spread:
    """Bid and ask around the last price, where no feed tells them.

    `width`: their distance as a fraction of the last price; rounded to the tick, away from it.
    """

    width: Decimal
    tick_size: Decimal

    def price(self, kind: PriceKind, last: Decimal) -> Decimal | None:
        """Return the price of *kind* at *last*; None for a mark, which no trade tells."""
        match kind:
            case PriceKind.LAST:
                return last
            case PriceKind.BID:
                below = round_down_to_tick(last * (ONE - self.width / 2), self.tick_size)
                return max(below, self.tick_size)
            case PriceKind.ASK:
                return round_up_to_tick(last * (ONE + self.width / 2), self.tick_size)
            case PriceKind.MARK:
                return None
