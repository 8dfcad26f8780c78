"""Filters of an entry at its venue: of its own order type, and of the exits that it will need."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tradebotd.domain.bot import BotSpec, EntryKind
from tradebotd.domain.denial import DenialRule
from tradebotd.domain.errors import OrderDeniedError
from tradebotd.domain.filters import FilterName, SymbolStatus
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_filters import NO_ORDERS, broken_filters
from tradebotd.domain.order_type import OrderType
from tradebotd.domain.quote import Quote
from tradebotd.domain.side import PositionSide
from tradebotd.ports.venue import Venue
from tradebotd.risk.resting_types import stop_type, taken_types
from tradebotd.risk.round_trip import round_trip
from tradebotd.storage import resting_counts
from tradebotd.storage.postgres.database import Database
from tradebotd.trading.entries.entry_plan import EntryPlan
from tradebotd.trading.instruments.costs import TradingCosts
from tradebotd.trading.prices.average_price import told_average

# Of all filters that `broken_filters` tells, by the same name where there is one.
RULES: Final = {
    FilterName.NOT_TRADING: DenialRule.SYMBOL_NOT_TRADING,
    FilterName.ORDER_TYPE: DenialRule.ORDER_TYPE,
    FilterName.OFF_LOT: DenialRule.BELOW_FILTERS,
    FilterName.BELOW_MIN_QUANTITY: DenialRule.BELOW_FILTERS,
    FilterName.ABOVE_MAX_QUANTITY: DenialRule.ABOVE_FILTERS,
    FilterName.BELOW_MIN_NOTIONAL: DenialRule.BELOW_FILTERS,
    FilterName.ABOVE_MAX_NOTIONAL: DenialRule.ABOVE_FILTERS,
    FilterName.OFF_TICK: DenialRule.PRICE_BELOW_TICK,
    FilterName.BELOW_MIN_PRICE: DenialRule.BELOW_MIN_PRICE,
    FilterName.ABOVE_MAX_PRICE: DenialRule.ABOVE_MAX_PRICE,
    FilterName.OUTSIDE_PERCENT_PRICE: DenialRule.OUTSIDE_PERCENT_PRICE,
    FilterName.TOO_MANY_ORDERS: DenialRule.TOO_MANY_ORDERS,
    FilterName.TOO_MANY_STOPS: DenialRule.TOO_MANY_STOPS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrade:
    """Entry before its size. `traded`: the filters of it and of its exits together; `judged_at`:
    the price that its notional is judged by.
    """

    spec: BotSpec
    plan: EntryPlan
    traded: Instrument
    judged_at: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilters:
    """Filters in force of *symbols*. *stops_rest_at*: venues where exits are laid to rest."""

    database: Database
    venues: Mapping[VenueName, Venue]
    symbols: Mapping[str, MarketSymbol]
    costs: TradingCosts
    stops_rest_at: Container[VenueName]

    def in_force(self, symbol: MarketSymbol) -> MarketSymbol:
        """Return *symbol* as it is now: its filters may have changed while an entry waited."""
        return self.symbols.get(symbol.symbol, symbol)

    async def average(self, symbol: MarketSymbol) -> Decimal | None:
        """Return the average price that filters of *symbol* are judged by.

        Returns None where they take the last one, or the venue does not tell.
        """
        return await told_average(self.venues[symbol.instrument.venue], symbol)

    def planned(
        self, spec: BotSpec, instrument: Instrument, plan: EntryPlan, average: Decimal | None
    ) -> PlannedTrade:
        """Return the trade of *plan*. A limit is worth its own price, whatever the *average* is."""
        kind, exits = entry_type(spec), self._exits(instrument, plan)
        return PlannedTrade(
            spec=spec,
            plan=plan,
            traded=round_trip(instrument, kind, exits, spec.position_type),
            judged_at=plan.price if average is None or kind is OrderType.LIMIT else average,
        )

    def check_symbol(self, spec: BotSpec, instrument: Instrument, side: PositionSide) -> None:
        """Raise OrderDeniedError where no order, none of that side, or no exit is taken."""
        if instrument.status is not SymbolStatus.TRADING:
            raise OrderDeniedError(
                DenialRule.SYMBOL_NOT_TRADING,
                f"{instrument.symbol} is {instrument.status} at {instrument.venue}",
            )
        if side is PositionSide.SHORT and not instrument.shortable:
            raise OrderDeniedError(
                DenialRule.NOT_SHORTABLE, f"{instrument.venue} lends no {instrument.symbol}"
            )
        taken = self._taken(instrument)
        for kind in (entry_type(spec), OrderType.MARKET):
            if kind not in taken:
                raise OrderDeniedError(
                    DenialRule.ORDER_TYPE,
                    f"{instrument.symbol} takes no {kind} orders, only {', '.join(sorted(taken))}",
                )

    async def check(
        self, request: OrderRequest, instrument: Instrument, price: Decimal, average: Decimal | None
    ) -> None:
        """Judge the order as its venue will, at the last *price*.

        Raises OrderDeniedError by the filter's name, DatabaseUnavailableError.
        """
        quote, counts = Quote(last=price, average=average), NO_ORDERS
        if request.type is not OrderType.MARKET and instrument.max_orders is not None:
            async with self.database.connection() as connection:
                counts = await resting_counts.select(connection, request.venue, request.symbol)
        for name, words in broken_filters(request, instrument, quote, resting=counts):
            raise OrderDeniedError(RULES[name], f"{request.symbol}: {words}")

    def _exits(self, instrument: Instrument, plan: EntryPlan) -> list[OrderType]:
        rests = plan.stop is not None and instrument.venue in self.stops_rest_at
        stop = stop_type(self._taken(instrument)) if rests else None
        return [OrderType.MARKET] if stop is None else [OrderType.MARKET, stop]

    def _taken(self, instrument: Instrument) -> frozenset[OrderType]:
        traits = self.venues[instrument.venue].traits
        return taken_types(traits.order_types, instrument.order_types)


def entry_type(spec: BotSpec) -> OrderType:
    return OrderType.LIMIT if spec.entry.kind is EntryKind.LIMIT else OrderType.MARKET
