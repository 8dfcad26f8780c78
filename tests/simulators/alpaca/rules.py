"""Rules of orders that need neither the account nor the market's prices."""

from datetime import datetime, time
from decimal import Decimal
from typing import Final

from tests.simulators.alpaca.calendar import NEW_YORK
from tests.simulators.alpaca.orders import Order
from tests.simulators.alpaca.reading import Exits, decimals
from tests.simulators.alpaca.refusals import invalid, malformed, sub_penny
from tests.simulators.alpaca.terms import Terms
from tests.simulators.shared.money import is_multiple, text

CENT: Final = Decimal("0.01")
STOPS: Final = frozenset({"stop", "stop_limit", "trailing_stop"})


def check(order: Order, exits: Exits, terms: Terms) -> None:
    """Raises RequestRefusedError (422) for an order that is against a rule."""
    if order.asset.is_crypto:
        check_crypto(order)
    else:
        for name in ("limit_price", "stop_price"):
            check_pennies(name, getattr(order, name))
        check_time_in_force(order)
        check_fraction(order, terms)
    check_notional(order)
    check_extended(order)
    check_class(order, exits)


def check_pennies(name: str, price: Decimal | None) -> None:
    """Two decimals from 1 USD on, four below it."""
    if price is not None and decimals(price) > (2 if price >= 1 else 4):
        raise sub_penny(name, price)


def check_crypto(order: Order) -> None:
    """Crypto is simple: market, limit, stop_limit; gtc, ioc."""
    if order.order_class not in {"", "simple"}:
        raise invalid(f"crypto orders not allowed for advanced order_class: {order.order_class}")
    if order.type in {"stop", "trailing_stop"}:
        raise malformed("invalid order type for crypto order")
    if order.time_in_force not in {"gtc", "ioc"}:
        raise invalid("invalid crypto time_in_force")
    if order.type == "stop_limit" and order.time_in_force == "ioc":
        raise invalid("invalid crypto time_in_force")
    least, step = order.asset.min_order_size, order.asset.price_increment
    if order.quantity is not None and least is not None and order.quantity < least:
        raise invalid(f"minimal qty of order {text(least)}")
    for name in ("limit_price", "stop_price"):
        price = getattr(order, name)
        if price is not None and step is not None and not is_multiple(price, step):
            raise invalid(f"{name} must be a multiple of {text(step)}")


def check_time_in_force(order: Order) -> None:
    """Auction orders are market or limit and come in time (opg 9:28, cls 15:50, or after 19:00)."""
    if order.time_in_force in {"day", "gtc"}:
        return
    if order.type not in {"market", "limit"}:
        raise invalid(f"{order.type} orders cannot be {order.time_in_force}")
    if order.order_class not in {"", "simple"}:
        raise malformed(f"{order.order_class} orders must be day or gtc")
    last = {"opg": time(9, 28), "cls": time(15, 50)}.get(order.time_in_force)
    if last is not None and last < clock_time(order.created_at) < time(19):
        raise invalid(f"{order.time_in_force} orders are not accepted at this time")


def clock_time(moment: datetime) -> time:
    return moment.astimezone(NEW_YORK).time()


def is_fractional(order: Order) -> bool:
    return order.notional is not None or (order.quantity is not None and order.quantity % 1 != 0)


def check_fraction(order: Order, terms: Terms) -> None:
    """Fractions are day orders, market, or limit where extended hours ask for it.

    The specification says market and day; the page about orders adds stops (`fractional_stops`).
    """
    if not is_fractional(order):
        return
    if not order.asset.fractionable:
        raise invalid(f'asset "{order.asset.symbol}" is not fractionable')
    if order.time_in_force != "day":
        raise invalid("fractional orders must be DAY orders")
    if order.order_class not in {"", "simple"}:
        raise invalid("fractional orders must be simple orders")
    if order.type in STOPS and (order.type == "trailing_stop" or not terms.fractional_stops):
        raise invalid("fractional orders must be market or limit orders")
    if order.extended_hours and "fractional_eh_enabled" not in order.asset.attributes:
        raise invalid("fractional orders are not allowed in extended hours for this asset")


def check_notional(order: Order) -> None:
    """A8: a notional order is a market order, and of the day (crypto has no day)."""
    if order.notional is None:
        return
    if order.type != "market" or (not order.asset.is_crypto and order.time_in_force != "day"):
        raise invalid("notional orders must be market and DAY orders")
    if decimals(order.notional) > 2:
        raise invalid("notional value must be limited to 2 decimal places")


def check_extended(order: Order) -> None:
    """A2: extended hours, the overnight session included, are for limit orders, day or gtc."""
    if not order.extended_hours or order.asset.is_crypto:
        return
    if order.type != "limit" or order.time_in_force not in {"day", "gtc"}:
        raise invalid("extended hours order must be DAY or GTC limit orders")
    if order.order_class not in {"", "simple"}:
        raise invalid("extended hours order must be simple orders")


def check_class(order: Order, exits: Exits) -> None:
    """Bracket: both exits. OCO: a limit order's both exits. OTO: one of them."""
    kind = order.order_class
    if kind in {"", "simple"}:
        if exits != Exits():
            raise malformed("take_profit and stop_loss are for complex orders")
        return
    if order.type == "trailing_stop" or (kind == "oco" and order.type != "limit"):
        raise invalid(f"{kind} orders must be limit orders")
    if kind != "oco" and order.type not in {"market", "limit"}:
        raise invalid(f"{kind} orders must be market or limit orders")
    if exits.stop_limit is not None and exits.stop is None:
        raise malformed(f"{kind} orders require stop_loss.stop_price")
    given = (exits.take_profit is not None) + (exits.stop is not None)
    if kind == "oto" and given != 1:
        raise malformed("oto orders require only one of take_profit and stop_loss")
    if kind != "oto" and exits.take_profit is None and not (kind == "oco" and order.limit_price):
        raise malformed(f"{kind} orders require take_profit.limit_price")
    if kind != "oto" and exits.stop is None:
        raise malformed(f"{kind} orders require stop_loss.stop_price")
    check_pennies("take_profit.limit_price", exits.take_profit)
    check_pennies("stop_loss.stop_price", exits.stop)
    check_pennies("stop_loss.limit_price", exits.stop_limit)


def check_exits(exits: Exits, exit_side: str, base: Decimal) -> None:
    """The legs stand on their sides of *base*, a cent away at least. No base (0), no check."""
    sign = 1 if exit_side == "sell" else -1
    words = ("<=", "-", ">=", "+") if sign == 1 else (">=", "+", "<=", "-")
    if (
        exits.take_profit is not None
        and exits.stop is not None
        and sign * (exits.take_profit - exits.stop) <= 0
    ):
        raise invalid("take_profit.limit_price and stop_loss.stop_price are on the wrong sides")
    if not base:
        return
    if exits.stop is not None and sign * (base - exits.stop) < CENT:
        raise invalid(
            f"stop_loss.stop_price must be {words[0]} base_price {words[1]} 0.01",
            base_price=text(base),
        )
    if exits.take_profit is not None and sign * (exits.take_profit - base) < CENT:
        raise invalid(
            f"take_profit.limit_price must be {words[2]} base_price {words[3]} 0.01",
            base_price=text(base),
        )
