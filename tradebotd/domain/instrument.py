"""Instruments with their venue's filters, and the symbols we follow with their feeds."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from tradebotd.domain.decimals import ZERO, round_down_to_tick, round_up_to_tick
from tradebotd.domain.filters import LotSize, PercentPrice, SymbolStatus
from tradebotd.domain.ids import FeedName, VenueName
from tradebotd.domain.order_type import AT_MARKET, CONDITIONAL, OrderType
from tradebotd.domain.timeframe import Timeframe

ALWAYS_OPEN = "24/7"


class PositionType(StrEnum):
    SPOT = "spot"
    FUTURES = "futures"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginBracket:
    """Margin bracket of notionals from `floor`: the margin is `rate` * notional - `amount`.

    This is the maintenance margin, by Binance's leverage brackets: `notionalFloor`,
    `maintMarginRatio`, `cum`. Rates rise with the floors, and the amounts make each bracket
    continue where the one before it ends.
    """

    floor: Decimal
    rate: Decimal
    amount: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class NotionalCap:
    """Largest notional of a futures position, up to a leverage."""

    leverage: int
    notional: Decimal


def margin_brackets(rates: Iterable[tuple[Decimal, Decimal]]) -> tuple[MarginBracket, ...]:
    """Return brackets for (floor, rate) pairs, with amounts that leave no step between them.

    *rates* are in order of rising floors, from zero.
    """
    brackets: list[MarginBracket] = []
    for floor, rate in rates:
        amount = ZERO
        if brackets:
            amount = brackets[-1].amount + floor * (rate - brackets[-1].rate)
        brackets.append(MarginBracket(floor=floor, rate=rate, amount=amount))
    return tuple(brackets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Filters as FIX and the venues name them; quantities in base asset, prices in quote asset.

    `lot_size`, `min_quantity` and `max_quantity` hold for every order; `market_lot` for those that
    trade at the market, beside them; `stop_lot` for those that rest until their stop price
    (Alpaca: whole shares only). `order(type)` is the instrument as one order type meets it.

    `average_minutes`: the notional is judged by the average price of so many minutes (Binance:
    `avgPriceMins`); 0: by the last price. `notional_at_market`: market orders are judged, too
    (`applyMinToMarket`). `max_stops`: orders of one account that wait for a stop price
    (MAX_NUM_ALGO_ORDERS). `order_types` None: all that the venue has.
    """

    symbol: str
    venue: VenueName
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal = ZERO
    max_quantity: Decimal | None = None
    market_lot: LotSize | None = None
    stop_lot: LotSize | None = None
    min_notional: Decimal = ZERO
    max_notional: Decimal | None = None
    notional_at_market: bool = True
    average_minutes: int = 0
    min_price: Decimal = ZERO
    max_price: Decimal | None = None
    percent_price: PercentPrice | None = None
    max_orders: int | None = None
    max_stops: int | None = None
    order_types: frozenset[OrderType] | None = None
    status: SymbolStatus = SymbolStatus.TRADING
    shortable: bool = True
    max_leverage: int = 125
    maintenance_margin: Decimal = Decimal("0.005")  # futures: a fraction of the notional
    further_brackets: tuple[MarginBracket, ...] = ()  # above the first, of `maintenance_margin`
    notional_caps: tuple[NotionalCap, ...] = ()  # futures, as far as the venue tells

    @property
    def lot(self) -> LotSize:
        """Quantities that every order type may have."""
        return LotSize(step=self.lot_size, minimum=self.min_quantity, maximum=self.max_quantity)

    def lot_of(self, kind: OrderType) -> LotSize:
        """Return the quantities that an order of type *kind* may have, by all the lots it meets."""
        lot = self.lot
        if self.market_lot is not None and kind in AT_MARKET:
            lot = lot.combined(self.market_lot)
        if self.stop_lot is not None and kind in CONDITIONAL:
            lot = lot.combined(self.stop_lot)
        return lot

    def order(self, kind: OrderType) -> "Instrument":
        """Return the instrument as an order of type *kind* meets it: with one lot, its own, and
        with a notional only where that is judged.
        """
        if self.market_lot is None and self.stop_lot is None and self.notional_at_market:
            return self
        return _as_met_by(self, kind)

    def notional_cap(self, leverage: int) -> Decimal | None:
        """Return the largest notional of a position with *leverage*; None: none is known."""
        caps = [each.notional for each in self.notional_caps if each.leverage >= leverage]
        return max(caps, default=None)

    @property
    def brackets(self) -> tuple[MarginBracket, ...]:
        return (MarginBracket(floor=ZERO, rate=self.maintenance_margin), *self.further_brackets)

    def price_down(self, price: Decimal) -> Decimal:
        return round_down_to_tick(price, self.tick_size)

    def price_up(self, price: Decimal) -> Decimal:
        return round_up_to_tick(price, self.tick_size)


@lru_cache(maxsize=4096)  # asked for each position of each sweep
def _as_met_by(instrument: Instrument, kind: OrderType) -> Instrument:
    lot = instrument.lot_of(kind)
    judged = instrument.notional_at_market or kind is not OrderType.MARKET
    return replace(
        instrument,
        lot_size=instrument.lot_size if lot.step is None else lot.step,
        min_quantity=lot.minimum,
        max_quantity=lot.maximum,
        market_lot=None,
        stop_lot=None,
        min_notional=instrument.min_notional if judged else ZERO,
        max_notional=instrument.max_notional if judged else None,
        notional_at_market=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSymbol:
    """One `[[symbols]]` entry: an instrument, its feeds in order of preference, its calendar.

    *stated*: the filters that the file itself says; None: all of them. What it does not say are
    defaults, which no venue contradicts.
    """

    instrument: Instrument
    feeds: tuple[FeedName, ...]
    timeframes: tuple[Timeframe, ...]
    calendar: str = ALWAYS_OPEN
    names: dict[str, str] = field(default_factory=dict)
    stated: frozenset[str] | None = None

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    def name_at(self, outside: str) -> str:
        """Return the name of this symbol at the feed or venue *outside*."""
        return self.names.get(outside, self.symbol)
