"""Endpoints that place and cancel order lists."""

from typing import Any

from tests.simulators.binance.errors import VenueError, engine_refusal, refusal
from tests.simulators.binance.spot import reports
from tests.simulators.binance.spot.calls import Call, Endpoint, names
from tests.simulators.binance.spot.drafts import Names, client_id_of, read_order, side_of
from tests.simulators.binance.spot.figures import decimal_of, integer_of
from tests.simulators.binance.spot.filters import check_counts, check_order
from tests.simulators.binance.spot.market import Market
from tests.simulators.binance.spot.orders import ALGO_TYPES, STOPS, Order, OrderList
from tests.simulators.binance.spot.trading import cancelled_answer, check_open

LEG = (
    "Type", "ClientOrderId", "IcebergQty", "Price", "StopPrice", "TrailingDelta", "TimeInForce",
    "StrategyId", "StrategyType", "PegPriceType", "PegOffsetType", "PegOffsetValue",
)  # fmt: skip
COMMON = "symbol listClientOrderId newOrderRespType selfTradePreventionMode"
OTHERS = (*STOPS, "LIMIT_MAKER", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")


def place_oco(call: Call) -> Any:
    market = call.market()
    _allow(market.symbol.oco_allowed, "OCO orders are not supported for this symbol")
    side, quantity = side_of(call.params, "side"), decimal_of(call.params, "quantity")
    if not quantity:
        raise refusal(-1102, "quantity")
    legs = _legs(call, market, ("above", "below"), side=side, quantity=quantity)
    _check_oco_types(legs[0], legs[1])
    orders = _list(call, market, "OCO", legs, [])
    _admit(call, market, orders)
    call.venue.engine.lists.place_oco(orders)
    return _answer(call, orders)


def place_oto(call: Call) -> Any:
    return _place_oto(call, pending=("pending",), pays=False)


def place_otoco(call: Call) -> Any:
    return _place_oto(call, pending=("pendingAbove", "pendingBelow"), pays=False)


def place_opo(call: Call) -> Any:
    return _place_oto(call, pending=("pending",), pays=True)


def place_opoco(call: Call) -> Any:
    return _place_oto(call, pending=("pendingAbove", "pendingBelow"), pays=True)


def _place_oto(call: Call, pending: tuple[str, ...], *, pays: bool) -> Any:
    market = call.market()
    _allow(market.symbol.oto_allowed, "OTO orders are not supported for this symbol")
    if pays:
        _allow(market.symbol.opo_allowed, "OPO orders are not supported for this symbol.")
    working = read_order(
        call.params, market.symbol, call.owner.name, Names("working"), side=None, quantity=None
    )
    if working.type not in {"LIMIT", "LIMIT_MAKER"}:
        raise refusal(-1116)
    side = side_of(call.params, "pendingSide")
    quantity = working.quantity if pays else decimal_of(call.params, "pendingQuantity")
    if not quantity:
        raise refusal(-1102, "pendingQuantity")
    legs = _legs(call, market, pending, side=side, quantity=quantity)
    if len(legs) == 2:
        _check_oco_types(legs[0], legs[1])
    if pays and not working.buys:
        raise VenueError(-1222, "Working order in an OPO list must be a bid.")
    if pays and legs[0].buys:
        raise VenueError(-1223, "Pending orders in an OPO list must be asks.")
    orders = _list(call, market, "OTO", [working], legs)
    orders.pays = pays
    _admit(call, market, orders)
    call.venue.engine.lists.place_oto(orders)
    answer = _answer(call, orders)
    call.venue.engine.finish()
    return answer


def cancel_list(call: Call) -> Any:
    call.market()
    found = find_list(call, "listClientOrderId")
    still = [order for order in found.orders if order.is_open] if found else []
    if not still:
        raise engine_refusal("Unknown order list sent.", -2011)
    cancel_id = client_id_of(call.params, "newClientOrderId")
    call.venue.engine.cancel(still[0], cancel_id)
    return cancelled_answer(call, still[0])


def find_list(call: Call, client_id_name: str) -> OrderList | None:
    """Find the caller's list by id, then by client id: the newest, as ids come again."""
    list_id = integer_of(call.params, "orderListId")
    client_id = call.params.get(client_id_name)
    if list_id is None and client_id is None:
        raise refusal(-1102, client_id_name)
    for orders in reversed(call.venue.engine.lists.all.values()):
        fits = list_id in {None, orders.id} and client_id in {None, orders.client_id}
        if fits and orders.account == call.owner.name:
            return orders
    return None


def _legs(
    call: Call, market: Market, prefixes: tuple[str, ...], *, side: str, quantity: Any
) -> list[Order]:
    symbol, account = market.symbol, call.owner.name
    return [
        read_order(call.params, symbol, account, Names(prefix), side=side, quantity=quantity)
        for prefix in prefixes
    ]


def _check_oco_types(above: Order, below: Order) -> None:
    """One leg is a stop, the other a limit or a take-profit; each stands where it must."""
    if above.type not in OTHERS or below.type not in OTHERS:
        raise refusal(-1158)
    if above.type not in ALGO_TYPES and below.type not in ALGO_TYPES:
        raise refusal(-1168)
    if (above.type in STOPS) == (below.type in STOPS):
        raise refusal(-1158)
    if above.buys:
        if above.type not in STOPS:
            raise refusal(-1165 if above.type == "LIMIT_MAKER" else -1198)
    elif below.type not in STOPS:
        raise refusal(-1166 if below.type == "LIMIT_MAKER" else -1199)


def _list(
    call: Call, market: Market, contingency: str, working: list[Order], pending: list[Order]
) -> OrderList:
    return OrderList(
        id=0,
        symbol=market.symbol.name,
        account=call.owner.name,
        client_id=client_id_of(call.params, "listClientOrderId"),
        contingency=contingency,
        working=working,
        pending=pending,
    )


def _admit(call: Call, market: Market, orders: OrderList) -> None:
    """Judge each order by the filters, count them all, and then let the engine count (S9)."""
    facts = call.venue.facts(market, call.owner)
    for order in orders.orders:
        if not (orders.pays and order in orders.pending):
            check_order(order, facts)
    call.admit(len(orders.orders))
    check_open(market)
    check_counts(orders.orders, facts, call.venue.exchange_filters)


def _answer(call: Call, orders: OrderList) -> dict[str, Any]:
    now = call.venue.now_ms()
    kind = call.params.get("newOrderRespType", "ACK")
    if kind not in {"ACK", "RESULT", "FULL"}:
        raise refusal(-1130, "newOrderRespType")
    rows = [reports.placed(order, kind, now) for order in orders.orders]
    return reports.order_list(orders) | {"orderReports": rows}


def _allow(allowed: bool, text: str) -> None:  # noqa: FBT001 - a symbol's flag
    if not allowed:
        raise VenueError(-1013, text)


def _prefixed(*prefixes: str) -> frozenset[str]:
    return frozenset(prefix + name for prefix in prefixes for name in LEG)


def _endpoint(path: str, handler: Any, method: str, own: str, *prefixes: str) -> Endpoint:
    known = names(f"{COMMON} {own}") | _prefixed(*prefixes)
    return Endpoint("POST", path, handler, 1, known, "TRADE", method, free=True, word="place.list")


OTO = "workingSide workingQuantity pendingSide"
ENDPOINTS = (
    _endpoint(
        "/api/v3/orderList/oco", place_oco, "orderList.place.oco", "side quantity", "above", "below"
    ),
    _endpoint(
        "/api/v3/orderList/oto", place_oto, "orderList.place.oto", f"{OTO} pendingQuantity",
        "working", "pending",
    ),
    _endpoint(
        "/api/v3/orderList/otoco", place_otoco, "orderList.place.otoco", f"{OTO} pendingQuantity",
        "working", "pendingAbove", "pendingBelow",
    ),
    _endpoint(
        "/api/v3/orderList/opo", place_opo, "orderList.place.opo", OTO, "working", "pending"
    ),
    _endpoint(
        "/api/v3/orderList/opoco", place_opoco, "orderList.place.opoco", OTO,
        "working", "pendingAbove", "pendingBelow",
    ),
    Endpoint(
        "DELETE", "/api/v3/orderList", cancel_list, 1,
        names("symbol orderListId listClientOrderId newClientOrderId"),
        "TRADE", "orderList.cancel", free=True, word="cancel.list",
    ),
)  # fmt: skip
