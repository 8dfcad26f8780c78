"""Worth of what an exit sells: the price that its venue's notional filters are expected to take."""

from collections.abc import Container
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import PositionId
from tradebotd.domain.instrument import Instrument
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.position import Position
from tradebotd.domain.quote import PriceKind
from tradebotd.market.price_cache import PriceCache
from tradebotd.ports.clock import Clock
from tradebotd.risk.exit_levels import more_favourable
from tradebotd.trading.exits.exit_intents import ExitIntent, sellable_now

_ABOVE: Final = (FilterName.ABOVE_MAX_NOTIONAL, FilterName.ABOVE_MAX_QUANTITY)
AVERAGE_LASTS: Final = timedelta(minutes=1)


class _Average(NamedTuple):
    price: Decimal
    until: datetime


class ExitWorth:
    """Worth of a unit by exit. *refused*: positions whose last exit no venue has taken."""

    def __init__(self, prices: PriceCache, clock: Clock, refused: Container[PositionId]) -> None:
        self._prices = prices
        self._clock = clock
        self._refused = refused
        self._averages: dict[PositionId, _Average] = {}
        self._most: dict[PositionId, Decimal] = {}  # of one order, since more was refused

    def of(self, exit_: ExitIntent) -> Decimal | None:
        """Return the expected price of a unit: the one that met the exit, or else the last one.

        The level, if that is better, as long as no venue has refused it: the price may have gone
        through it just now. What a mark, bid or ask has met is sold at the last price all the same.
        For a minute it is the average, where the venue has just told one to judge by.
        """
        average = self._averages.get(exit_.position.id)
        if average is not None and self._clock.now() < average.until:
            return average.price
        position, last = exit_.position, self._prices.price(exit_.position.symbol)
        if position.trigger_kind is not PriceKind.LAST and last is not None:
            return last
        price = exit_.price if exit_.price is not None else last
        if price is None or exit_.level is None:
            return exit_.level if price is None else price
        refused = position.id in self._refused
        return price if refused else more_favourable(position.side, price, exit_.level)

    def note_average(self, position_id: PositionId, price: Decimal) -> None:
        """Take *price* for its worth, by which its venue judges, while it is fresh."""
        self._averages[position_id] = _Average(price, self._clock.now() + AVERAGE_LASTS)

    def note_refusal(self, position_id: PositionId, reason: str, quantity: Decimal) -> None:
        """Sell half of *quantity* next, if the venue refused that as too much for one order.

        It may judge by another price than ours, or by filters that it has not told yet.
        """
        if reason.startswith(_ABOVE) and quantity > 0:
            self._most[position_id] = quantity / 2

    def within(
        self,
        position: Position,
        price: Decimal | None,
        known: Instrument,
        free: Decimal | None = None,
    ) -> Instrument:
        """Return *known* with the most that one order may sell, unless that is less than it takes.

        *free*: no more than that is there to sell. What is refused as too much is no dust.
        """
        most = self._most.get(position.id, ZERO)
        if free is not None:
            most = min(most, free) if most else free
        by_type = known.order(OrderType.MARKET)
        if not most or (by_type.max_quantity is not None and by_type.max_quantity <= most):
            return known
        capped = replace(by_type, max_quantity=most)
        return capped if sellable_now(position, price, capped) else known

    def forget(self, position_id: PositionId) -> None:
        self._averages.pop(position_id, None)
        self._most.pop(position_id, None)
