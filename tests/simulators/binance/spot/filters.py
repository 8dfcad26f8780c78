"""S9, S10: the venue's filters: what an order must pass, and in which name it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.simulators.binance.errors import VenueError, engine_refusal, filter_failure
from tests.simulators.binance.spot.accounts import Account
from tests.simulators.binance.spot.figures import ZERO
from tests.simulators.binance.spot.market import Market
from tests.simulators.binance.spot.orders import ALGO_TYPES, Order
from tests.simulators.binance.spot.symbols import Row

AMENDS_TEXT = "Filter failure: MAX_NUM_ORDER_AMENDS"


@dataclass(frozen=True)
class Facts:
    """What filters ask about beside the order: of its account, on the symbol and on the exchange."""

    market: Market
    account: Account
    now_ms: int
    open_here: Sequence[Order]
    open_everywhere: Sequence[Order]
    lists_here: int
    lists_everywhere: int

    def price(self, row: Row) -> Decimal:
        return self.market.filter_price(int(row["avgPriceMins"]), self.now_ms)

    def notional(self, order: Order, row: Row) -> Decimal:
        """Value *order*: at its price, or, as it has none, at the average or reference price."""
        price = order.price if order.limited else self.price(row)
        return price * order.quantity if order.quantity else order.quote_quantity


Check = Callable[[Order, Row, Facts], bool]


def _steps(value: Decimal, low: Decimal, high: Decimal, step: Decimal) -> bool:
    """Zero switches a bound off."""
    return not ((low and value < low) or (high and value > high) or (step and value % step != 0))


def _price_filter(order: Order, row: Row, facts: Facts) -> bool:
    bounds = Decimal(row["minPrice"]), Decimal(row["maxPrice"]), Decimal(row["tickSize"])
    prices = [price for price in (order.price, order.stop_price) if price]
    return all(_steps(price, *bounds) for price in prices)


def _lot_size(order: Order, row: Row, facts: Facts) -> bool:
    if order.quote_quantity:
        return True
    bounds = Decimal(row["minQty"]), Decimal(row["maxQty"]), Decimal(row["stepSize"])
    shown = [order.iceberg] if order.iceberg else []
    return all(_steps(quantity, *bounds) for quantity in [order.quantity, *shown])


def _market_lot_size(order: Order, row: Row, facts: Facts) -> bool:
    return order.type != "MARKET" or _lot_size(order, row, facts)


def _percent_price(order: Order, row: Row, facts: Facts) -> bool:
    return _within(order, row["multiplierDown"], row["multiplierUp"], facts.price(row))


def _percent_price_by_side(order: Order, row: Row, facts: Facts) -> bool:
    word = "bid" if order.buys else "ask"
    low, high = row[f"{word}MultiplierDown"], row[f"{word}MultiplierUp"]
    return _within(order, low, high, facts.price(row))


def _within(order: Order, low: str, high: str, price: Decimal) -> bool:
    if not order.limited or not price:
        return True
    return price * Decimal(low) <= order.price <= price * Decimal(high)


def _min_notional(order: Order, row: Row, facts: Facts) -> bool:
    if not order.limited and not row["applyToMarket"]:
        return True
    return facts.notional(order, row) >= Decimal(row["minNotional"])


def _notional(order: Order, row: Row, facts: Facts) -> bool:
    value = facts.notional(order, row)
    low = order.limited or row["applyMinToMarket"]
    high = order.limited or row["applyMaxToMarket"]
    return not (
        (low and value < Decimal(row["minNotional"]))
        or (high and value > Decimal(row["maxNotional"]))
    )


def _iceberg_parts(order: Order, row: Row, facts: Facts) -> bool:
    return not order.iceberg or -(-order.quantity // order.iceberg) <= row["limit"]


def _trailing_delta(order: Order, row: Row, facts: Facts) -> bool:
    if not order.trailing_delta:
        return True
    word = "Above" if order.rises_to_trigger() else "Below"
    low, high = row[f"minTrailing{word}Delta"], row[f"maxTrailing{word}Delta"]
    return bool(low <= order.trailing_delta <= high)


def _max_position(order: Order, row: Row, facts: Facts) -> bool:
    buys = sum((each.left for each in facts.open_here if each.buys), ZERO)
    held = facts.account.balances[order.base].total
    return not order.buys or held + buys + order.quantity <= Decimal(row["maxPosition"])


CHECKS: dict[str, Check] = {
    "PRICE_FILTER": _price_filter,
    "PERCENT_PRICE": _percent_price,
    "PERCENT_PRICE_BY_SIDE": _percent_price_by_side,
    "LOT_SIZE": _lot_size,
    "MIN_NOTIONAL": _min_notional,
    "NOTIONAL": _notional,
    "ICEBERG_PARTS": _iceberg_parts,
    "MARKET_LOT_SIZE": _market_lot_size,
    "MAX_POSITION": _max_position,
    "TRAILING_DELTA": _trailing_delta,
}
ORDER_COUNTS = {
    "MAX_NUM_ORDERS": "maxNumOrders",
    "MAX_NUM_ALGO_ORDERS": "maxNumAlgoOrders",
    "MAX_NUM_ICEBERG_ORDERS": "maxNumIcebergOrders",
    "MAX_NUM_ORDER_LISTS": "maxNumOrderLists",
}


def check_order(order: Order, facts: Facts) -> None:
    """Raise -1013 for the first filter of the symbol that *order* does not pass."""
    for row in facts.market.symbol.filters:
        check = CHECKS.get(row["filterType"])
        if check and not check(order, row, facts):
            raise filter_failure(row["filterType"])
    for asset, limit in facts.account.max_asset.items():
        if _transacted(order, asset, facts) > limit:
            raise filter_failure("MAX_ASSET")


def check_counts(orders: Sequence[Order], facts: Facts, exchange_filters: Sequence[Row]) -> None:
    """Raise for counts that *orders* (one, or a list's) would exceed.

    One order fails before the engine, with -1013; a list is refused by the engine itself, with
    -2010 (S9: since August 2025). MAX_NUM_ALGO_ORDERS is a symbol's for the whole account.
    """
    for prefix, rows in (("", facts.market.symbol.filters), ("EXCHANGE_", exchange_filters)):
        here = prefix == ""
        there = list(facts.open_here if here else facts.open_everywhere)
        lists = facts.lists_here if here else facts.lists_everywhere
        for row in rows:
            kind = row["filterType"].removeprefix(prefix) if prefix else row["filterType"]
            if kind not in ORDER_COUNTS or (prefix and not row["filterType"].startswith(prefix)):
                continue
            count, new = _counted(kind, there, lists), _counted(kind, orders, len(orders) > 1)
            if new and count + new > row[ORDER_COUNTS[kind]]:
                raise _too_many(row["filterType"], orders)


def check_amends(order: Order, market: Market) -> None:
    """S9: an order is amended at most so many times; one more is -2038."""
    row = market.symbol.filter("MAX_NUM_ORDER_AMENDS")
    if row and len(order.amendments) >= row["maxNumOrderAmends"]:
        raise engine_refusal(AMENDS_TEXT, -2038)


def _counted(kind: str, orders: Sequence[Order], lists: int) -> int:
    if kind == "MAX_NUM_ORDER_LISTS":
        return int(lists)
    if kind == "MAX_NUM_ALGO_ORDERS":
        return sum(order.type in ALGO_TYPES for order in orders)
    if kind == "MAX_NUM_ICEBERG_ORDERS":
        return sum(order.iceberg > 0 for order in orders)
    return len(orders)


def _too_many(name: str, orders: Sequence[Order]) -> VenueError:
    failure = filter_failure(name)
    return failure if len(orders) == 1 else engine_refusal(failure.msg)


def _transacted(order: Order, asset: str, facts: Facts) -> Decimal:
    if asset == order.base:
        return order.quantity
    if asset == order.quote_asset:
        price = order.price if order.limited else facts.market.last
        return order.quote_quantity or price * order.quantity
    return ZERO
