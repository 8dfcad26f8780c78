"""Filters of a symbol as `exchangeInfo` tells them, and the instrument that they make. Pure.

A 0 of theirs is "no bound"; a tick or a lot of 0 leaves the symbol's own. What is not known here
(icebergs, trailing deltas, a filter of tomorrow) concerns no order that we send.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.filters import LotSize, PercentPrice, SymbolStatus
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.order_type import OrderType
from tradebotd.venues.binance.payload import Node

STATUSES: Final[Mapping[str, SymbolStatus]] = {
    "TRADING": SymbolStatus.TRADING,
    "CANCEL_ONLY": SymbolStatus.CANCEL_ONLY,  # S11: since July 2026
}  # HALT, BREAK, END_OF_DAY, and whatever comes: no order is taken


def symbol_status(told: str) -> SymbolStatus:
    """S11: return whether a symbol of that status trades; one that nobody knows is halted."""
    return STATUSES.get(told, SymbolStatus.HALTED)


def instrument_of(
    symbol: MarketSymbol, told: Node, order_types: Mapping[str, OrderType]
) -> Instrument:
    """Return the instrument with the filters that the venue tells.

    *order_types*: ours by the venue's word. Raises MalformedAnswerError.
    """
    filters = _by_name(told)
    return replace(
        symbol.instrument,
        status=_status(told),
        order_types=frozenset(
            order_types[each] for each in told.texts("orderTypes") if each in order_types
        ),
        **_prices(filters, told, symbol.instrument),
        **_lots(filters, told, symbol.instrument),
        **_notional(filters),
        percent_price=_percent_price(filters),
        max_orders=_count(filters, "MAX_NUM_ORDERS", ("maxNumOrders", "limit")),
        max_stops=_count(filters, "MAX_NUM_ALGO_ORDERS", ("maxNumAlgoOrders", "limit")),
        average_minutes=_average_minutes(filters),
    )


def _status(told: Node) -> SymbolStatus:
    """Return the status; a symbol that is traded on margin alone takes no order of ours."""
    if told.has("isSpotTradingAllowed") and not told.flag("isSpotTradingAllowed"):
        return SymbolStatus.HALTED
    return symbol_status(told.text("status"))


def delisted(symbol: MarketSymbol) -> Instrument:
    """Return the instrument of a symbol that the venue does not list any more."""
    return replace(symbol.instrument, status=SymbolStatus.DELISTED)


def _by_name(told: Node) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for each in told.rows("filters"):
        name = each.text("filterType")
        if name in found:
            raise each.malformed(f"is a second {name}")
        found[name] = each
    return found


def _required(filters: dict[str, Node], name: str, told: Node) -> Node:
    if name not in filters:
        raise told.malformed(f"has no {name} filter")
    return filters[name]


def _prices(filters: dict[str, Node], told: Node, known: Instrument) -> dict[str, Any]:
    price = _required(filters, "PRICE_FILTER", told)
    return {
        "tick_size": price.not_negative("tickSize") or known.tick_size,
        "min_price": price.not_negative("minPrice"),
        "max_price": price.not_negative("maxPrice") or None,
    }


def _lots(filters: dict[str, Node], told: Node, known: Instrument) -> dict[str, Any]:
    lot = _required(filters, "LOT_SIZE", told)
    market = filters.get("MARKET_LOT_SIZE")
    return {
        "lot_size": lot.not_negative("stepSize") or known.lot_size,
        "min_quantity": lot.not_negative("minQty"),
        "max_quantity": lot.not_negative("maxQty") or None,
        "market_lot": None if market is None else _market_lot(market),
    }


def _market_lot(told: Node) -> LotSize | None:
    lot = LotSize(
        step=told.not_negative("stepSize") or None,
        minimum=told.not_negative("minQty"),
        maximum=told.not_negative("maxQty") or None,
    )
    return None if lot == LotSize() else lot


def _notional(filters: dict[str, Node]) -> dict[str, Any]:
    """Return the bounds of the notional; of two filters that tell one, the stricter.

    One flag stands for both bounds of a market order: where only the upper one is applied to it, it
    is judged by both. Larger exits then go on in parts, and none is refused again and again.
    """
    least, most, at_market = ZERO, None, False
    for name in ("MIN_NOTIONAL", "NOTIONAL"):
        if name not in filters:
            continue
        told = filters[name]
        key = "notional" if told.has("notional") else "minNotional"  # futures; spot
        least = max(least, told.not_negative(key))
        most = _less(most, told.price_if_any("maxNotional"))
        flags = ("applyToMarket", "applyMinToMarket", "applyMaxToMarket")
        given = [told.flag(each) for each in flags if told.has(each)]
        at_market = at_market or not given or any(given)
    return {"min_notional": least, "max_notional": most, "notional_at_market": at_market}


def _less(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _percent_price(filters: dict[str, Node]) -> PercentPrice | None:
    """Return the multiples of both filters; of two for one bound, the stricter."""
    found: list[PercentPrice] = []
    if (both := filters.get("PERCENT_PRICE")) is not None:
        below, above = both.not_negative("multiplierDown"), both.not_negative("multiplierUp")
        found.append(
            PercentPrice(buy_below=below, buy_above=above, sell_below=below, sell_above=above)
        )
    if (by_side := filters.get("PERCENT_PRICE_BY_SIDE")) is not None:
        found.append(
            PercentPrice(
                buy_below=by_side.not_negative("bidMultiplierDown"),
                buy_above=by_side.not_negative("bidMultiplierUp"),
                sell_below=by_side.not_negative("askMultiplierDown"),
                sell_above=by_side.not_negative("askMultiplierUp"),
            )
        )
    if not found:
        return None
    return PercentPrice(
        buy_below=max(each.buy_below for each in found),
        buy_above=min(each.buy_above for each in found),
        sell_below=max(each.sell_below for each in found),
        sell_above=min(each.sell_above for each in found),
    )


def _average_minutes(filters: dict[str, Node]) -> int:
    """S10: return over how many minutes the price is averaged that the filters judge by.

    A reference price, where the symbol has one, is used whatever the minutes are. So they are one
    at least wherever a filter judges by an average: 0 would mean the last price.
    """
    names = ("MIN_NOTIONAL", "NOTIONAL", "PERCENT_PRICE", "PERCENT_PRICE_BY_SIDE")
    judging = [filters[name] for name in names if name in filters]
    minutes = [each.integer("avgPriceMins") for each in judging if each.has("avgPriceMins")]
    return max(1, *minutes) if minutes else 0


def _count(filters: dict[str, Node], name: str, keys: tuple[str, ...]) -> int | None:
    """S9: return how many orders a filter lets rest; None where it is not told."""
    told = filters.get(name)
    if told is None:
        return None
    key = next((each for each in keys if told.has(each)), keys[0])
    return told.integer(key)
