"""Endpoints that place, cancel, replace and amend single orders."""

from typing import Any

from tests.simulators.binance.errors import VenueError, engine_refusal, refusal
from tests.simulators.binance.spot import reports
from tests.simulators.binance.spot.calls import Call, Endpoint, flag_of, names
from tests.simulators.binance.spot.drafts import client_id_of, read_order, response_type
from tests.simulators.binance.spot.figures import ZERO, decimal_of, integer_of, shown
from tests.simulators.binance.spot.filters import check_amends, check_counts, check_order
from tests.simulators.binance.spot.market import Market
from tests.simulators.binance.spot.orders import Amendment, Order

ORDER_NAMES = names(
    "symbol side type timeInForce quantity quoteOrderQty price newClientOrderId strategyId strategyType"
    " stopPrice trailingDelta icebergQty newOrderRespType selfTradePreventionMode pegPriceType"
    " pegOffsetValue pegOffsetType"
)
CLOSED = "Market is closed."


def place(call: Call) -> Any:
    order, market = draft(call)
    call.admit(1)
    check_open(market)
    call.venue.engine.place(order)
    kind = response_type(call.params, order.type)
    return reports.placed(order, kind, call.venue.now_ms())


def draft(call: Call) -> tuple[Order, Market]:
    """Read and judge an order as the gateway does, before it counts; raises -1013 and others."""
    market = call.market()
    order = read_order(call.params, market.symbol, call.owner.name)
    if "pegPriceType" in call.params:
        raise VenueError(-1013, "Pegged orders are not supported for this symbol.")
    response_type(call.params, order.type)
    facts = call.venue.facts(market, call.owner)
    check_order(order, facts)
    check_counts([order], facts, call.venue.exchange_filters)
    if not call.owner.can_trade:
        raise engine_refusal("This account may not place or cancel orders.")
    return order, market


def test(call: Call) -> Any:
    """Judge an order that goes nowhere."""
    order, market = draft(call)
    if not flag_of(call.params, "computeCommissionRates", default=False):
        return {}
    terms = call.owner.commission
    row = terms.row(market.symbol.name)
    rates = {
        f"{group}CommissionForOrder": {
            part: shown(rates.of(maker=part == "maker", buyer=order.buys))
            for part in ("maker", "taker")
        }
        for group, rates in (
            ("standard", terms.standard),
            ("special", terms.special),
            ("tax", terms.tax),
        )
    }
    return rates | {"discount": row["discount"]}


def cancel(call: Call) -> Any:
    market = call.market()
    order = open_order(call, market)
    restriction = call.params.get("cancelRestrictions")
    allowed = {None: order.status, "ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}
    if restriction not in allowed:
        raise refusal(-1145)
    if order.status != allowed[restriction]:
        raise engine_refusal("Order was not canceled due to cancel restrictions.", -2011)
    cancel_id = client_id_of(call.params, "newClientOrderId")
    call.venue.engine.cancel(order, cancel_id)
    return cancelled_answer(call, order)


def cancelled_answer(call: Call, order: Order) -> dict[str, Any]:
    """Build a cancel's answer: of the whole list, where the order was a leg of one."""
    engine, now = call.venue.engine, call.venue.now_ms()
    found = engine.lists.of(order)
    if found is None:
        return reports.cancelled(order, now)
    rows = [reports.cancelled(each, now) for each in found.orders if each.status == "CANCELED"]
    return reports.order_list(found) | {"orderReports": rows}


def cancel_all(call: Call) -> Any:
    market = call.market()
    mine = call.venue.open_orders(call.owner.name, market.symbol.name)
    if not mine:
        raise engine_refusal("Unknown order sent.", -2011)
    answers, seen = [], set()
    for order in mine:
        if not order.is_open:
            continue
        call.venue.engine.cancel(order, client_id_of({}, ""))
        if order.list_id == -1 or order.list_id not in seen:
            answers.append(cancelled_answer(call, order))
            seen.add(order.list_id)
    return answers


def replace(call: Call) -> Any:
    """Cancel an order and place a new one: two operations, of which either may fail.

    S17: the new order counts even where it is not attempted; the account's count that is used up
    leaves the cancel undone, or (CANCEL_ONLY) done.
    """
    mode = call.params.get("cancelReplaceMode", "")
    if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
        raise refusal(-1130 if mode else -1102, "cancelReplaceMode")
    market = call.market()
    if not market.symbol.cancel_replace_allowed:
        raise VenueError(-1013, "Order cancel-replace is not supported for this symbol.")
    order, _ = draft(call)
    too_many: VenueError | None = None
    try:
        call.admit(1)
    except VenueError as error:
        if error.code != -1015 or call.params.get("orderRateLimitExceededMode") != "CANCEL_ONLY":
            raise
        too_many = error
    gone, cancel_failure = _try_cancel(call, market)
    if cancel_failure and (mode == "STOP_ON_FAILURE" or too_many):
        raise _replace_failure(cancel_failure, None, None, too_many)
    new, place_failure = (None, too_many) if too_many else _try_place(call, market, order)
    if cancel_failure or place_failure:
        raise _replace_failure(cancel_failure, place_failure, gone or new, too_many)
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": gone,
        "newOrderResponse": new,
    }


def _try_cancel(call: Call, market: Market) -> tuple[dict[str, Any] | None, VenueError | None]:
    ids = {
        "orderId": call.params.get("cancelOrderId"),
        "origClientOrderId": call.params.get("cancelOrigClientOrderId"),
        "newClientOrderId": call.params.get("cancelNewClientOrderId"),
        "symbol": market.symbol.name,
        "cancelRestrictions": call.params.get("cancelRestrictions"),
    }
    given = {name: value for name, value in ids.items() if value is not None}
    try:
        return cancel(Call(call.venue, given, call.account, call.key)), None
    except VenueError as error:
        return None, error


def _try_place(
    call: Call, market: Market, order: Order
) -> tuple[dict[str, Any] | None, VenueError | None]:
    try:
        check_open(market)
        call.venue.engine.place(order)
    except VenueError as error:
        call.venue.engine.refuse(order, error)
        return None, error
    kind = response_type(call.params, order.type)
    return reports.placed(order, kind, call.venue.now_ms()), None


def _replace_failure(
    cancelling: VenueError | None,
    placing: VenueError | None,
    done: dict[str, Any] | None,
    too_many: VenueError | None,
) -> VenueError:
    """-2021 (409): one of two failed. -2022 (400): both did, or the second was not tried."""
    partly = done is not None
    attempted = placing is not None or partly
    new_result = "FAILURE" if placing else "SUCCESS" if attempted else "NOT_ATTEMPTED"
    data = {
        "cancelResult": "FAILURE" if cancelling else "SUCCESS",
        "newOrderResult": new_result,
        "cancelResponse": cancelling.body() if cancelling else done,
        "newOrderResponse": _brief(placing) if placing else done if partly else None,
    }
    status = 429 if too_many else 409 if partly else 400
    if partly:
        return VenueError(-2021, "Order cancel-replace partially failed.", status, data=data)
    return VenueError(-2022, "Order cancel-replace failed.", status, data=data)


def _brief(error: VenueError) -> dict[str, Any]:
    return {"code": error.code, "msg": error.msg}


def amend(call: Call) -> Any:
    """S1, S9: reduce an order's quantity in its place; weight 4, ten times at most."""
    market = call.market()
    if not market.symbol.amend_allowed:
        raise VenueError(-1013, "Order amend is not supported for this symbol.")
    order = open_order(call, market, code=-2038)
    quantity = decimal_of(call.params, "newQty")
    if quantity is None or quantity <= ZERO:
        raise refusal(-1102, "newQty")
    check_amends(order, market)
    if quantity == order.quantity:
        text = "The requested action would change no state; rejecting"
        raise engine_refusal(text, -2038)
    if quantity > order.quantity:
        raise engine_refusal("Order amend (quantity increase) is not supported.", -2038)
    engine, now = call.venue.engine, call.venue.now_ms()
    new_id = client_id_of(call.params, "newClientOrderId")
    execution = engine.next_execution
    engine.stir(market)
    for each in engine.lists.legs(order):
        old = each.quantity
        each.quantity, each.updated_ms = quantity, now
        if each is order:
            each.old_client_id, each.client_id = each.client_id, new_id
            engine.rename(each)
            change = Amendment(execution, each.old_client_id, new_id, old, quantity, now)
            each.amendments.append(change)
        if each.left <= 0:
            each.quantity = each.executed + each.prevented
            engine.expire(each, "NONE")
        else:
            engine.ledger.refit(each)
            engine.report(each, "REPLACED")
    answer = reports.amended(order, execution, now)
    found = engine.lists.of(order)
    if found is not None:
        rows = reports.order_list(found)
        kept = ("orderListId", "contingencyType", "listOrderStatus", "listClientOrderId", "symbol")
        answer["listStatus"] = {name: rows[name] for name in (*kept, "orders")}
    engine.finish()
    return answer


def open_order(call: Call, market: Market, code: int = -2011) -> Order:
    """Find the caller's open order; raises *code* for what is none (any more)."""
    order_id = integer_of(call.params, "orderId")
    client_id = call.params.get("origClientOrderId")
    if order_id is None and client_id is None:
        raise refusal(-1102, "origClientOrderId")
    for order in market.open.values():
        if order.account != call.owner.name:
            continue
        if order_id is not None and order.id != order_id:
            continue
        if client_id is not None and order.client_id != client_id:
            continue
        return order
    raise engine_refusal("Unknown order sent.", code)


def check_open(market: Market) -> None:
    """S11: only TRADING takes orders; CANCEL_ONLY lets open ones be cancelled."""
    if market.symbol.status != "TRADING":
        raise engine_refusal(CLOSED)


ENDPOINTS = (
    Endpoint(
        "POST", "/api/v3/order", place, 1, ORDER_NAMES, "TRADE", "order.place", free=True, word="place"
    ),
    Endpoint(
        "POST", "/api/v3/order/test", test,
        lambda p: 20 if p.get("computeCommissionRates", "").lower() == "true" else 1,
        ORDER_NAMES | {"computeCommissionRates"}, "TRADE", "order.test", word="test",
    ),
    Endpoint(
        "DELETE", "/api/v3/order", cancel, 1,
        names("symbol orderId origClientOrderId newClientOrderId cancelRestrictions"),
        "TRADE", "order.cancel", free=True, word="cancel",
    ),
    Endpoint(
        "DELETE", "/api/v3/openOrders", cancel_all, 1, names("symbol"),
        "TRADE", "openOrders.cancelAll", free=True, word="cancel_all",
    ),
    Endpoint(
        "POST", "/api/v3/order/cancelReplace", replace, 1,
        ORDER_NAMES | names(
            "cancelReplaceMode cancelNewClientOrderId cancelOrigClientOrderId cancelOrderId"
            " cancelRestrictions orderRateLimitExceededMode"
        ),
        "TRADE", "order.cancelReplace", free=True, word="replace",
    ),
    Endpoint(
        "PUT", "/api/v3/order/amend/keepPriority", amend, 4,
        names("symbol orderId origClientOrderId newClientOrderId newQty"),
        "TRADE", "order.amend.keepPriority", word="amend",
    ),
)  # fmt: skip
