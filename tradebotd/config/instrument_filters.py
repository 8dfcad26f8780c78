"""A `[[symbols]]` table as an instrument: its filters, where no venue tells them."""

from collections.abc import Iterable
from decimal import Decimal

from tradebotd.config.sections import LotSection, OrderTypeName, SymbolSection
from tradebotd.domain.filters import LotSize, PercentPrice
from tradebotd.domain.ids import VenueName
from tradebotd.domain.instrument import Instrument, MarginBracket, margin_brackets
from tradebotd.domain.order_type import OrderType


def instrument_of(section: SymbolSection, base_asset: str, quote_asset: str) -> Instrument:
    band = section.percent_price
    return Instrument(
        symbol=section.symbol,
        venue=VenueName(section.venue),
        base_asset=base_asset,
        quote_asset=quote_asset,
        tick_size=section.tick_size,
        lot_size=section.lot_size,
        min_quantity=section.min_quantity,
        max_quantity=section.max_quantity,
        market_lot=_lot(section.market_lot),
        stop_lot=_lot(section.stop_lot),
        min_notional=section.min_notional,
        max_notional=section.max_notional,
        notional_at_market=section.notional_at_market,
        average_minutes=section.average_minutes,
        min_price=section.min_price,
        max_price=section.max_price,
        percent_price=None if band is None else PercentPrice(**band.model_dump()),
        max_orders=section.max_orders,
        max_stops=section.max_stops,
        order_types=order_types_of(section.order_types),
        shortable=section.shortable,
        max_leverage=section.max_leverage,
        maintenance_margin=section.maintenance_margin,
        further_brackets=_further_brackets(section),
    )


def stated_filters(section: SymbolSection) -> frozenset[str]:
    """Return what the file itself says of the instrument, by the instrument's names."""
    named = {"margin_brackets": "further_brackets"}
    return frozenset(named.get(each, each) for each in section.model_fields_set)


def order_types_of(names: Iterable[OrderTypeName] | None) -> frozenset[OrderType] | None:
    """Return the order types of a table by their *names*; None where it names none: all."""
    return None if names is None else frozenset(OrderType(name) for name in names)


def _lot(section: LotSection | None) -> LotSize | None:
    if section is None:
        return None
    return LotSize(step=section.step, minimum=section.min, maximum=section.max)


def _further_brackets(section: SymbolSection) -> tuple[MarginBracket, ...]:
    first = (Decimal(0), section.maintenance_margin)
    further = ((each.notional, each.maintenance_margin) for each in section.margin_brackets)
    return margin_brackets([first, *further])[1:]
