"""Endpoints that tell of an account: balances, orders, lists, fills, counts, filters."""

from collections.abc import Sequence
from typing import Any, TypeVar

from tests.simulators.binance.errors import VenueError, refusal
from tests.simulators.binance.limits import ORDERS
from tests.simulators.binance.spot import reports
from tests.simulators.binance.spot.calls import Call, Endpoint, flag_of, limit_of, names
from tests.simulators.binance.spot.figures import integer_of, shown, time_of
from tests.simulators.binance.spot.list_trading import find_list
from tests.simulators.binance.spot.orders import Fill, Order, OrderList

DAY_MS = 86_400_000
ARCHIVED_AFTER_MS = 90 * DAY_MS
T = TypeVar("T")


def account(call: Call) -> Any:
    return call.owner.row(omit_zero=flag_of(call.params, "omitZeroBalances", default=False))


def order(call: Call) -> Any:
    """Find one order by id, or by client id: the newest of that name, as ids come again.

    Raises -2013 for an unknown one, -2039 where both are sent and do not belong together, -2026 for
    one that ended 90 days ago without a fill.
    """
    market = call.market()
    order_id = integer_of(call.params, "orderId")
    client_id = call.params.get("origClientOrderId")
    if order_id is None and client_id is None:
        raise refusal(-1102, "orderId")
    mine = [each for each in reversed(market.orders) if each.account == call.owner.name]
    if order_id is None:
        found = next((each for each in mine if _is_named(call, each, client_id)), None)
    else:
        found = next((each for each in mine if each.id == order_id), None)
        if found is not None and client_id is not None and found.client_id != client_id:
            raise refusal(-2039)
    if found is None or found.status == "REJECTED":
        raise refusal(-2013)
    if _is_archived(call, found):
        raise refusal(-2026)
    return _row(call, found)


def _row(call: Call, order: Order) -> Any:
    """Tell an order; under the name of its cancel where that has taken its place."""
    row = reports.queried(order)
    if call.venue.cancel_renames and order.cancel_id:
        row["clientOrderId"] = order.cancel_id
    return row


def _list_row(call: Call, lists: OrderList) -> Any:
    row = reports.order_list(lists)
    if call.venue.cancel_renames_lists:
        for told, each in zip(row["orders"], lists.orders, strict=True):
            told["clientOrderId"] = each.cancel_id or each.client_id
    return row


def _is_named(call: Call, order: Order, client_id: str | None) -> bool:
    """Tell whether *order* goes by *client_id*; a cancel's name may have taken the order's place."""
    if call.venue.cancel_renames and order.cancel_id:
        return order.cancel_id == client_id
    return client_id in {order.client_id, order.cancel_id}


def _is_archived(call: Call, order: Order) -> bool:
    unfilled = not order.is_open and not order.executed
    return unfilled and call.venue.now_ms() - order.updated_ms > ARCHIVED_AFTER_MS


def open_orders(call: Call) -> Any:
    symbol = call.params.get("symbol")
    if symbol is not None:
        call.market()
    return [reports.queried(each) for each in call.venue.open_orders(call.owner.name, symbol)]


def all_orders(call: Call) -> Any:
    market = call.market()
    start, end = span(call)
    first = integer_of(call.params, "orderId")
    there = [
        each
        for each in market.orders
        if each.account == call.owner.name
        and not _is_archived(call, each)
        and _is_within(each.created_ms, start, end)
        and (first is None or each.id >= first)
    ]
    rows = page(there, limit_of(call.params), from_the_start=first is not None or start is not None)
    return [_row(call, each) for each in rows]


def order_list(call: Call) -> Any:
    found = find_list(call, "origClientOrderId")
    if found is None:
        raise VenueError(-2018, "Order list does not exist.")
    return _list_row(call, found)


def all_lists(call: Call) -> Any:
    start, end = span(call)
    first = integer_of(call.params, "fromId")
    if first is not None and (start is not None or end is not None):
        raise refusal(-1128)
    there = [
        each
        for each in call.venue.engine.lists.all.values()
        if each.account == call.owner.name
        and _is_within(each.time_ms, start, end)
        and (first is None or each.id >= first)
    ]
    rows = page(there, limit_of(call.params), from_the_start=first is not None or start is not None)
    return [_list_row(call, each) for each in rows]


def open_lists(call: Call) -> Any:
    lists = call.venue.engine.lists.open.values()
    mine = [each for each in lists if each.account == call.owner.name]
    return [reports.order_list(each) for each in mine]


def trades(call: Call) -> Any:
    """List fills; the parameters combine only as the document says."""
    market = call.market()
    start, end = span(call)
    order_id = integer_of(call.params, "orderId")
    first = integer_of(call.params, "fromId")
    timed = start is not None or end is not None
    if timed and (first is not None or order_id is not None):
        raise refusal(-1128)
    there: list[tuple[Order, Fill]] = [
        (each, fill)
        for each in market.orders
        if each.account == call.owner.name and order_id in {None, each.id}
        for fill in each.fills
        if _is_within(fill.time_ms, start, end) and (first is None or fill.trade_id >= first)
    ]
    there.sort(key=lambda pair: (pair[1].trade_id, pair[0].id))
    rows = page(there, limit_of(call.params), from_the_start=first is not None or start is not None)
    return [reports.trade(each, fill) for each, fill in rows]


def counts(call: Call) -> Any:
    rows = call.venue.limits.rows(account=call.owner.name)
    return [row for row in rows if row["rateLimitType"] == ORDERS]


def prevented(call: Call) -> Any:
    market = call.market()
    match_id, order_id = (
        integer_of(call.params, "preventedMatchId"),
        integer_of(call.params, "orderId"),
    )
    if match_id is None and order_id is None:
        raise refusal(-1102, "preventedMatchId")
    first = integer_of(call.params, "fromPreventedMatchId") or 0
    ids = {each.id for each in market.orders if each.account == call.owner.name}
    there = [
        row
        for row in call.venue.engine.self_trades.matches
        if row["symbol"] == market.symbol.name
        and {row["takerOrderId"], row["makerOrderId"]} & ids
        and match_id in {None, row["preventedMatchId"]}
        and (order_id is None or order_id in {row["takerOrderId"], row["makerOrderId"]})
        and row["preventedMatchId"] >= first
    ]
    return there[: limit_of(call.params)]


def commission(call: Call) -> Any:
    return call.owner.commission.row(call.market().symbol.name)


def amendments(call: Call) -> Any:
    market, order_id = call.market(), integer_of(call.params, "orderId")
    if order_id is None:
        raise refusal(-1102, "orderId")
    first = integer_of(call.params, "fromExecutionId") or 0
    rows = [
        {
            "symbol": market.symbol.name,
            "orderId": each.id,
            "executionId": change.execution_id,
            "origClientOrderId": change.old_client_id,
            "newClientOrderId": change.new_client_id,
            "origQty": shown(change.old_quantity),
            "newQty": shown(change.new_quantity),
            "time": change.time_ms,
        }
        for each in market.orders
        if each.account == call.owner.name and each.id == order_id
        for change in each.amendments
        if change.execution_id >= first
    ]
    return rows[: limit_of(call.params)]


def my_filters(call: Call) -> Any:
    """S9: the only place that shows MAX_ASSET; symbol filters here are those that count."""
    market = call.market()
    assets = {market.symbol.base, market.symbol.quote}
    return {
        "exchangeFilters": [dict(row) for row in call.venue.exchange_filters],
        "symbolFilters": [
            dict(row) for row in market.symbol.filters if row["filterType"].startswith("MAX_")
        ],
        "assetFilters": [
            {"filterType": "MAX_ASSET", "asset": asset, "limit": shown(limit)}
            for asset, limit in sorted(call.owner.max_asset.items())
            if asset in assets
        ],
    }


def span(call: Call) -> tuple[int | None, int | None]:
    """Read startTime and endTime; raises -1127 where they lie more than 24 hours apart."""
    start, end = time_of(call.params, "startTime"), time_of(call.params, "endTime")
    if start is not None and end is not None and end - start > DAY_MS:
        raise refusal(-1127, 24)
    return start, end


def page(there: Sequence[T], limit: int, *, from_the_start: bool) -> Sequence[T]:
    """Cut a page as all lists of the venue do: the oldest from a start, else the newest."""
    return there[:limit] if from_the_start else there[max(0, len(there) - limit) :]


def _is_within(at_ms: int, start: int | None, end: int | None) -> bool:
    return (start is None or at_ms >= start) and (end is None or at_ms <= end)


def _user(
    path: str, handler: Any, weight: Any, known: str, method: str, word: str = ""
) -> Endpoint:
    return Endpoint("GET", path, handler, weight, names(known), "USER_DATA", method, word=word)


ENDPOINTS = (
    _user("/api/v3/account", account, 20, "omitZeroBalances", "account.status", "account"),
    _user("/api/v3/order", order, 4, "symbol orderId origClientOrderId", "order.status", "query"),
    _user(
        "/api/v3/openOrders", open_orders, lambda p: 6 if "symbol" in p else 80, "symbol",
        "openOrders.status", "open_orders",
    ),
    _user(
        "/api/v3/allOrders", all_orders, 20, "symbol orderId startTime endTime limit",
        "allOrders", "all_orders",
    ),
    _user(
        "/api/v3/orderList", order_list, 4, "orderListId origClientOrderId",
        "orderList.status", "query.list",
    ),
    _user(
        "/api/v3/allOrderList", all_lists, 20, "fromId startTime endTime limit", "allOrderLists"
    ),
    _user("/api/v3/openOrderList", open_lists, 6, "", "openOrderLists.status"),
    _user(
        "/api/v3/myTrades", trades, lambda p: 5 if "orderId" in p else 20,
        "symbol orderId startTime endTime fromId limit", "myTrades", "fills",
    ),
    _user("/api/v3/rateLimit/order", counts, 40, "", "account.rateLimits.orders"),
    _user(
        "/api/v3/myPreventedMatches", prevented, lambda p: 20 if "orderId" in p else 2,
        "symbol preventedMatchId orderId fromPreventedMatchId limit", "myPreventedMatches",
    ),
    _user("/api/v3/account/commission", commission, 20, "symbol", "account.commission"),
    _user(
        "/api/v3/order/amendments", amendments, 4, "symbol orderId fromExecutionId limit",
        "order.amendments",
    ),
    _user("/api/v3/myFilters", my_filters, 40, "symbol", "myFilters"),
)  # fmt: skip
