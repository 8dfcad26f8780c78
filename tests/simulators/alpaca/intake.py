"""Intake: a new order judged by the account and the market, entered, and sent on."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from tests.simulators.alpaca import groups, power, routing, rules
from tests.simulators.alpaca.calendar import (
    NEW_YORK,
    TradingDay,
    core_day,
    current_day,
    next_day,
)
from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.orders import Order, Status, order_json
from tests.simulators.alpaca.reading import Exits, read_order
from tests.simulators.alpaca.refusals import (
    forbidden,
    invalid,
    malformed,
    no_balance,
    no_buying_power,
    no_quantity,
    wash_trade,
)
from tests.simulators.shared.money import text

ZERO: Final = Decimal(0)
SHORT_MARGIN: Final = Decimal("1.03")
AGED: Final = timedelta(days=90)
LEAST_COST: Final = {"crypto": Decimal(10), "us_equity": Decimal(1)}


def submit(desk: Desk, body: Any) -> dict[str, Any]:
    """Enter the order that *body* asks for; the answer to its POST, told before it is sent on.

    Raises RequestRefusedError.
    """
    order, exits = read_order(body, desk.assets, desk.now)
    check_account(desk)
    if desk.book.knows_client_id(order.client_order_id):
        raise malformed("client_order_id must be unique")
    rules.check(order, exits, desk.terms)
    judge(desk, order, exits)
    groups.add_legs(order, exits)
    set_life(order)
    for each in order.group.members if order.group else (order,):
        each.valid_on, each.expires_at = order.valid_on, order.expires_at
        desk.book.add(each)
    routing.receive(desk, order)
    answer = order_json(order, nested=True)
    routing.send(desk, order)
    return answer


def check_account(desk: Desk) -> None:
    terms = desk.terms
    if terms.trade_suspended_by_user:
        raise forbidden("new orders are rejected by user request")
    if terms.trading_blocked or terms.account_blocked:
        raise forbidden("account is not authorized to trade")


def judge(desk: Desk, order: Order, exits: Exits) -> None:
    """Infer what *order* does to the position, and refuse what cannot be. Raises RequestRefusedError."""
    owned = desk.ledger.quantity(order.asset.position_symbol)
    closes = owned * order.sign < 0
    inferred = f"{order.side}_to_{'close' if closes else 'open'}"
    if order.position_intent not in {"", inferred}:
        raise invalid(
            f"position intent mismatch, inferred: {inferred}, specified: {order.position_intent}"
        )
    order.position_intent = inferred
    check_exit_classes(desk, order, exits, closes=closes)
    check_wash(desk, order)
    check_cost(desk, order)
    if closes:
        check_quantity(desk, order, abs(owned))
    elif order.side == "sell":
        check_short(desk, order)
        check_power(desk, order)
    else:
        check_power(desk, order)


def check_exit_classes(desk: Desk, order: Order, exits: Exits, *, closes: bool) -> None:
    if order.order_class == "oco" and not closes:
        raise invalid("oco orders must be exit orders")
    if order.order_class in {"bracket", "oto"} and closes:
        raise invalid(f"{order.order_class} orders must be entry orders")
    if order.order_class in {"", "simple"}:
        return
    base = desk.market.price(order.asset.symbol)
    exit_side = order.side if order.order_class == "oco" else ("sell", "buy")[order.side == "sell"]
    rules.check_exits(exits, exit_side, base)
    if order.order_class != "oco" and order.limit_price is not None:
        rules.check_exits(exits, exit_side, order.limit_price)


def check_wash(desk: Desk, order: Order) -> None:
    """An order against an open one of the other side. The exits of complex orders may be."""
    if order.order_class == "oco":
        return
    for other in desk.book.open(order.asset.symbol):
        if other.side == order.side or other.role in {"take_profit", "stop_loss"}:
            continue
        ours, theirs = order.limit_price, other.limit_price
        if ours is None or theirs is None:
            raise wash_trade(other.id, "market/stop")
        if order.sign * (ours - theirs) >= 0:
            raise wash_trade(other.id, "limit")


def check_cost(desk: Desk, order: Order) -> None:
    """10 USD at least for crypto bought; 1 USD for a part of a share."""
    least = LEAST_COST[order.asset.kind]
    if order.side == "sell" or not (order.asset.is_crypto or rules.is_fractional(order)):
        return
    price = order.limit_price or desk.market.reachable(order.asset.symbol, order.side)[0]
    cost = order.notional if order.notional is not None else (order.quantity or ZERO) * price
    if cost < least and (price or order.notional is not None):
        raise forbidden(f"cost basis must be >= minimal amount of order {text(least)}")


def check_quantity(desk: Desk, order: Order, owned: Decimal, besides: Order | None = None) -> None:
    """An order that closes closes no more than what no other order holds."""
    asked = power.left_of(desk, order)
    symbol = order.asset.symbol
    held = power.held(desk, symbol, besides)
    if asked > owned - held:
        holding = [each.id for each in power.closing_orders(desk, symbol, besides)]
        raise no_quantity(order.asset.position_symbol, asked, owned, held, holding)


def check_short(desk: Desk, order: Order) -> None:
    """Short sales: whole shares of what is easy to borrow (A4: by its borrow_status)."""
    asset = order.asset
    if asset.is_crypto:
        coin = asset.symbol.partition("/")[0]
        raise no_balance(coin, power.left_of(desk, order), ZERO)
    if rules.is_fractional(order):
        raise invalid("fractional orders cannot be sold short")
    if not desk.terms.shorting_enabled:
        raise forbidden("account is not allowed to short")
    if not asset.shortable:
        raise invalid(f'asset "{asset.symbol}" cannot be sold short')
    if not asset.easy_to_borrow:
        raise invalid(f'asset "{asset.symbol}" is hard to borrow: a locate is required')


def check_power(desk: Desk, order: Order) -> None:
    """An opening order is paid for when it is entered: the far side, or its limit."""
    far, _ = desk.market.reachable(order.asset.symbol, "buy")
    far = far or desk.market.price(order.asset.symbol)
    limit = order.ceiling
    if order.side == "sell":
        order.reserve_price = max(limit or ZERO, SHORT_MARGIN * far)
    else:
        order.reserve_price = far if limit is None else limit
    cost = order.notional
    if cost is None:
        cost = order.left * order.reserve_price
    if order.asset.is_crypto:
        available = power.cash_power(desk)
        if cost > available:
            raise no_balance("USD", cost, available)
        return
    available = power.buying_power(desk)
    if cost > available:
        raise no_buying_power(available, cost)


def set_life(order: Order) -> None:
    """When it ends: a day order with its trading day, a gtc order after 90 days (16:15 New York)."""
    now = order.created_at
    if order.asset.is_crypto or order.time_in_force == "gtc":
        order.expires_at = aged_at(now)
        return
    day = day_of(order, now)
    order.valid_on = day.day
    order.expires_at = day.post_end if order.extended_hours else day.core_end


def day_of(order: Order, now: datetime) -> TradingDay:
    """The trading day that an order of the day belongs to."""
    if order.extended_hours:
        return current_day(now)
    if order.time_in_force == "opg":
        day = current_day(now)
        return day if now < day.core_start else next_day(day.day)
    return core_day(now)


def aged_at(now: datetime) -> datetime:
    day = (now + AGED).astimezone(NEW_YORK).date()
    return datetime.combine(day, time(16, 15), NEW_YORK)


def replacement_of(order: Order, now: datetime) -> Order:
    """A new order that stands for *order*: A8, under an id of its own."""
    return Order(
        asset=order.asset,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        created_at=now,
        client_order_id="",
        quantity=order.left,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_price=order.trail_price,
        trail_percent=order.trail_percent,
        extended_hours=order.extended_hours,
        order_class=order.order_class,
        position_intent=order.position_intent,
        role=order.role,
        valid_on=order.valid_on,
        expires_at=order.expires_at,
        reserve_price=order.reserve_price,
        replaces=order.id,
        status=Status.PENDING_NEW,
    )
