"""What is traded and the venue's filters for it; what is watched and where it comes from."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tradebotd.domain.decimals import ZERO, round_down_to_tick, round_up_to_tick
from tradebotd.domain.ids import FeedName, VenueName
from tradebotd.domain.timeframe import Timeframe

ALWAYS_OPEN = "24/7"


class PositionType(StrEnum):
    SPOT = "spot"
    FUTURES = "futures"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginBracket:
    """From a notional of `floor` on, the maintenance margin is `rate` * notional - `amount`.

    Binance's leverage brackets: `notionalFloor`, `maintMarginRatio`, `cum`. Rates rise with the
    floors, and the amounts make one bracket go on where the one before it ends.
    """

    floor: Decimal
    rate: Decimal
    amount: Decimal = ZERO


def margin_brackets(rates: Iterable[tuple[Decimal, Decimal]]) -> tuple[MarginBracket, ...]:
    """Of (floor, rate), by rising floors from zero: the amounts that leave no step between them."""
    brackets: list[MarginBracket] = []
    for floor, rate in rates:
        amount = ZERO
        if brackets:
            amount = brackets[-1].amount + floor * (rate - brackets[-1].rate)
        brackets.append(MarginBracket(floor=floor, rate=rate, amount=amount))
    return tuple(brackets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Filters as FIX and the venues name them; quantities in base asset, prices in quote asset."""

    symbol: str
    venue: VenueName
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal = ZERO
    max_quantity: Decimal | None = None
    min_notional: Decimal = ZERO
    max_leverage: int = 125
    maintenance_margin: Decimal = Decimal("0.005")  # futures: a fraction of the notional
    further_brackets: tuple[MarginBracket, ...] = ()  # above the first, of `maintenance_margin`

    @property
    def brackets(self) -> tuple[MarginBracket, ...]:
        return (MarginBracket(floor=ZERO, rate=self.maintenance_margin), *self.further_brackets)

    def price_down(self, price: Decimal) -> Decimal:
        return round_down_to_tick(price, self.tick_size)

    def price_up(self, price: Decimal) -> Decimal:
        return round_up_to_tick(price, self.tick_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSymbol:
    """One `[[symbols]]` entry: an instrument, its feeds in order of preference, its calendar."""

    instrument: Instrument
    feeds: tuple[FeedName, ...]
    timeframes: tuple[Timeframe, ...]
    calendar: str = ALWAYS_OPEN
    names: dict[str, str] = field(default_factory=dict)

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    def name_at(self, outside: str) -> str:
        """What the feed or venue *outside* calls this symbol."""
        return self.names.get(outside, self.symbol)
