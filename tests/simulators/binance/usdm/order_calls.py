"""Calls about orders of the matching engine."""

import json
from collections.abc import Callable

from tests.simulators.binance.errors import VenueError
from tests.simulators.binance.usdm.calls import Call, Endpoint, fixed, one_or_all
from tests.simulators.binance.usdm.order_requests import chosen, read_modification, read_order
from tests.simulators.binance.usdm.order_rows import forced_row, placed_row, queried_row, trade_row
from tests.simulators.binance.usdm.orders import Order, is_forgotten
from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.binance.usdm.venue import Countdown

TRADE_MONTHS_DAYS = 90  # F1: three months since August 2026, six before


def shed(call: Call, *, reduces: bool) -> None:
    """Refuse what the system-level protection sheds: -1008, from which reduce-only is exempt."""
    if call.venue.throttled and not reduces:
        raise RefusalError(-1008)


def place(call: Call) -> object:
    order = read_order(call.venue, call.account, call.params)
    closes = (order.position_side, order.side) in {("LONG", "SELL"), ("SHORT", "BUY")}
    shed(call, reduces=order.reduce_only or closes)
    call.venue.engine.place(call.account, order)
    response = chosen(call.params, "newOrderRespType", ("ACK", "RESULT"), -1136, "ACK")
    return placed_row(order, call.venue.instruments[order.symbol], response)


def test(call: Call) -> object:
    order = read_order(call.venue, call.account, call.params)
    return placed_row(order, call.venue.instruments[order.symbol], "ACK")


def named(call: Call, code: int) -> Order:
    """The order that a request names by orderId or origClientOrderId; the id wins.

    Raises:
        RefusalError: *code* when there is none.
    """
    symbol = call.text("symbol")
    if symbol not in call.venue.instruments:
        raise RefusalError(-1121)
    order_id, client_id = call.number("orderId"), call.params.get("origClientOrderId")
    if order_id is None and not client_id:
        raise RefusalError(-1102, text="Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")  # fmt: skip
    found = call.account.book.find(symbol, order_id, client_id)
    if found is None:
        raise RefusalError(code)
    return found


def cancel(call: Call) -> object:
    order = named(call, -2011)
    if not order.is_open:
        raise RefusalError(-2011)
    call.venue.engine.cancel(call.account, order)
    return placed_row(order, call.venue.instruments[order.symbol], "RESULT")


def modify(call: Call) -> object:
    order = named(call, -2013)
    if not order.is_open:
        raise RefusalError(-2013)
    price, quantity = read_modification(call.venue, order, call.params)
    order.modify_id = call.number("modifyId")
    call.venue.engine.modify(call.account, order, price, quantity)
    return placed_row(order, call.venue.instruments[order.symbol], "RESULT")


def query(call: Call) -> object:
    """F2: what is too old is answered as if it had never existed."""
    order = named(call, -2013)
    if is_forgotten(order, call.venue.now_ms()):
        raise RefusalError(-2013)
    return queried_row(order, call.venue.instruments[order.symbol])


def query_open(call: Call) -> object:
    """F17: a filled or cancelled order "does not exist" here: no proof of anything."""
    order = named(call, -2013)
    if not order.is_open:
        raise RefusalError(-2013)
    return queried_row(order, call.venue.instruments[order.symbol])


def open_orders(call: Call) -> object:
    orders = call.account.book.open_orders(call.symbol())
    return [queried_row(order, call.venue.instruments[order.symbol]) for order in orders]


def all_orders(call: Call) -> object:
    """F2: symbol is optional; at most 1,000 rows of at most seven days."""
    symbol, now = call.symbol(), call.venue.now_ms()
    limit, first = call.limit(500, 1000), call.number("orderId")
    start, end = call.span(7, 90)
    if first is not None:
        start, end = 0, now
    kept = [
        order
        for order in call.account.book.orders.values()
        if symbol in {None, order.symbol}
        and not is_forgotten(order, now)
        and start <= order.created_ms <= end
        and (first is None or order.order_id >= first)
    ]
    kept.sort(key=lambda order: (order.created_ms, order.order_id))
    ascending = first is not None or call.number("startTime") is not None
    shown = kept[:limit] if ascending else kept[-limit:]
    return [queried_row(order, call.venue.instruments[order.symbol]) for order in shown]


def user_trades(call: Call) -> object:
    """F1: three months back, seven days at a time; fromId pages and excludes the times."""
    symbol = call.symbol()
    if symbol is None:
        raise RefusalError(-1102, name="symbol")
    first, order_id = call.number("fromId"), call.number("orderId")
    if first is not None and (call.params.get("startTime") or call.params.get("endTime")):
        raise RefusalError(-1128)
    limit = call.limit(500, 1000)
    start, end = call.span(7, TRADE_MONTHS_DAYS)
    if first is not None:
        start, end = oldest_trade_ms(call), call.venue.now_ms()
    kept = [
        trade
        for trade in call.account.trades
        if trade.symbol == symbol
        and start <= trade.time_ms <= end
        and (first is None or trade.trade_id >= first)
        and order_id in {None, trade.order_id}
    ]
    ascending = first is not None or call.number("startTime") is not None
    shown = kept[:limit] if ascending else kept[-limit:]
    return [trade_row(trade, call.venue.instruments[symbol]) for trade in shown]


def oldest_trade_ms(call: Call) -> int:
    return call.venue.now_ms() - TRADE_MONTHS_DAYS * 24 * 60 * 60 * 1000


def cancel_all(call: Call) -> object:
    symbol = call.text("symbol")
    if call.symbol() is None:
        raise RefusalError(-1121)
    for order in call.account.book.open_orders(symbol):
        call.venue.engine.cancel(call.account, order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def countdown(call: Call) -> object:
    symbol = call.text("symbol")
    length = call.number("countdownTime")
    if call.symbol() is None or length is None:
        raise RefusalError(-1102, name="countdownTime")
    key = call.account.name, symbol
    if length:
        call.venue.countdowns[key] = Countdown(length, call.venue.now_ms() + length)
    else:
        call.venue.countdowns.pop(key, None)
    return {"symbol": symbol, "countdownTime": str(length)}


def place_many(call: Call) -> object:
    """Place up to five; each has its own answer, an error among them."""
    return _each(call, "batchOrders", place)


def cancel_many(call: Call) -> object:
    ids = call.params.get("orderIdList"), call.params.get("origClientOrderIdList")
    name = "orderId" if ids[0] else "origClientOrderId"
    rows = [
        {"symbol": call.text("symbol"), name: str(i)} for i in json.loads(ids[0] or ids[1] or "[]")
    ]
    return [_answer(Call(call.venue, row, call.account), cancel) for row in rows]  # fmt: skip


def _each(call: Call, name: str, handle: Callable[[Call], object]) -> list[object]:
    try:
        rows = json.loads(call.text(name))
    except ValueError:
        raise RefusalError(-1102, name=name) from None
    if not isinstance(rows, list) or not 0 < len(rows) <= 5:
        raise RefusalError(-4082, f"Invalid number of batch place orders: {len(rows)}.")
    made: list[object] = []
    for row in rows:
        params = {key: str(value) for key, value in row.items()}
        made.append(_answer(Call(call.venue, params, call.account), handle))
    return made


def _answer(call: Call, handle: Callable[[Call], object]) -> object:
    try:
        return handle(call)
    except VenueError as refused:
        return refused.body()


def forced_orders(call: Call) -> object:
    kind, symbol = call.params.get("autoCloseType"), call.symbol()
    wanted = {kind} if kind else {"LIQUIDATION", "ADL"}
    start, end = call.span(7, 90)
    found = [
        order
        for order in call.account.book.orders.values()
        if order.forced in wanted
        and symbol in {None, order.symbol}
        and start <= order.created_ms <= end
    ]
    rows = found[-call.limit(50, 100) :]
    return [forced_row(order, call.venue.instruments[order.symbol]) for order in rows]


ENDPOINTS = {
    ("POST", "/fapi/v1/order"): Endpoint(place, fixed(0), operation="place", orders=1),
    ("POST", "/fapi/v1/order/test"): Endpoint(test, fixed(0)),
    ("GET", "/fapi/v1/order"): Endpoint(query, fixed(1), operation="query.order"),
    ("DELETE", "/fapi/v1/order"): Endpoint(cancel, fixed(1), operation="cancel.order"),
    ("PUT", "/fapi/v1/order"): Endpoint(modify, fixed(0), operation="modify", orders=1),
    ("GET", "/fapi/v1/openOrder"): Endpoint(query_open, fixed(1), operation="query.open"),
    ("GET", "/fapi/v1/openOrders"): Endpoint(open_orders, one_or_all(1, 40), operation="list.open"),
    ("GET", "/fapi/v1/allOrders"): Endpoint(all_orders, fixed(5), operation="list.orders"),
    ("GET", "/fapi/v1/userTrades"): Endpoint(user_trades, fixed(5), operation="list.trades"),
    ("DELETE", "/fapi/v1/allOpenOrders"): Endpoint(cancel_all, fixed(1), operation="cancel.orders"),
    ("POST", "/fapi/v1/countdownCancelAll"): Endpoint(countdown, fixed(10)),
    ("POST", "/fapi/v1/batchOrders"): Endpoint(place_many, fixed(5), operation="place.several", orders=5),
    ("DELETE", "/fapi/v1/batchOrders"): Endpoint(cancel_many, fixed(1), operation="cancel.orders"),
    ("GET", "/fapi/v1/forceOrders"): Endpoint(forced_orders, one_or_all(20, 50)),
}  # fmt: skip
