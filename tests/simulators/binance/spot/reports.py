"""Orders and fills as the venue prints them: answers, queries, and events of the user stream."""

from typing import Any

from tests.simulators.binance.spot.figures import ZERO, shown
from tests.simulators.binance.spot.orders import ALGO_TYPES, Fill, Order, OrderList


def ack(order: Order, now_ms: int) -> dict[str, Any]:
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        # One moment of the engine: stream, answer and list tell the same of a fill.
        "transactTime": order.fills[-1].time_ms if order.fills else now_ms,
    }


def result(order: Order, now_ms: int) -> dict[str, Any]:
    """Build a RESULT; S5: it carries origQuoteOrderQty."""
    return ack(order, now_ms) | _state(order) | {"workingTime": order.working_ms} | _extras(order)


def full(order: Order, now_ms: int) -> dict[str, Any]:
    fills = [
        {
            "price": shown(fill.price),
            "qty": shown(fill.quantity),
            "commission": shown(fill.fee),
            "commissionAsset": fill.fee_asset,
            "tradeId": fill.trade_id,
        }
        for fill in order.fills
    ]
    return result(order, now_ms) | {"fills": fills}


def placed(order: Order, kind: str, now_ms: int) -> dict[str, Any]:
    """Build the answer of the asked kind; S4: an ACK never tells that, or why, the order expired."""
    return {"ACK": ack, "RESULT": result, "FULL": full}[kind](order, now_ms)


def cancelled(order: Order, now_ms: int) -> dict[str, Any]:
    head = {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.cancel_id,
        "transactTime": now_ms,
    }
    return head | _state(order) | _extras(order)


def queried(order: Order) -> dict[str, Any]:
    """Build a query's row; S4, S5: with expiryReason (if expired), workingTime, origQuoteOrderQty."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        **_state(order),
        "stopPrice": shown(order.stop_price),
        "icebergQty": shown(order.iceberg),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working_ms != -1,
        "workingTime": order.working_ms,
        **_extras(order),
    }


def amended(order: Order, execution_id: int, now_ms: int) -> dict[str, Any]:
    shape = {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": order.list_id,
        "origClientOrderId": order.old_client_id,
        "clientOrderId": order.client_id,
        "price": shown(order.price),
        "qty": shown(order.quantity),
        "executedQty": shown(order.executed),
        "preventedQty": shown(order.prevented),
        "quoteOrderQty": shown(order.quote_quantity),
        "cumulativeQuoteQty": shown(order.spent),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "workingTime": order.working_ms,
        "selfTradePreventionMode": order.prevention,
    }
    return {"transactTime": now_ms, "executionId": execution_id, "amendedOrder": shape}


def trade(order: Order, fill: Fill) -> dict[str, Any]:
    """Build a row of myTrades."""
    return {
        "symbol": order.symbol,
        "id": fill.trade_id,
        "orderId": order.id,
        "orderListId": order.list_id,
        "price": shown(fill.price),
        "qty": shown(fill.quantity),
        "quoteQty": shown(fill.quote),
        "commission": shown(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.time_ms,
        "isBuyer": order.buys,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def order_list(lists: OrderList) -> dict[str, Any]:
    return {
        "orderListId": lists.id,
        "contingencyType": lists.contingency,
        "listStatusType": lists.status_type,
        "listOrderStatus": lists.order_status,
        "listClientOrderId": lists.client_id,
        "transactionTime": lists.time_ms,
        "symbol": lists.symbol,
        "orders": [
            {"symbol": each.symbol, "orderId": each.id, "clientOrderId": each.client_id}
            for each in lists.orders
        ],
    }


def list_event(lists: OrderList, now_ms: int) -> dict[str, Any]:
    return {
        "e": "listStatus",
        "E": now_ms,
        "s": lists.symbol,
        "g": lists.id,
        "c": lists.contingency,
        "l": lists.status_type,
        "L": lists.order_status,
        "r": "NONE",
        "C": lists.client_id,
        "T": now_ms,
        "O": [{"s": each.symbol, "i": each.id, "c": each.client_id} for each in lists.orders],
    }


def execution(
    order: Order, kind: str, execution_id: int, now_ms: int, fill: Fill | None = None
) -> dict[str, Any]:
    """Build an executionReport of execution type *kind*."""
    naming = {"c": order.client_id, "C": ""}
    if kind == "CANCELED":
        naming = {"c": order.cancel_id, "C": order.client_id}
    elif kind == "REPLACED":
        naming = {"c": order.client_id, "C": order.old_client_id}
    event: dict[str, Any] = {
        "e": "executionReport",
        "E": now_ms,
        "s": order.symbol,
        **naming,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": shown(order.quantity),
        "p": shown(order.price),
        "P": shown(order.stop_price),
        "F": shown(order.iceberg),
        "g": order.list_id,
        "x": kind,
        "X": order.status,
        "r": order.reject_reason,
        "i": order.id,
        "l": shown(fill.quantity if fill else ZERO),
        "z": shown(order.executed),
        "L": shown(fill.price if fill else ZERO),
        "n": shown(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": fill.time_ms if fill else now_ms,
        "t": fill.trade_id if fill else -1,
        "I": execution_id,
        "w": order.rests,
        "m": bool(fill and fill.maker),
        "M": False,
        "O": order.created_ms,
        "Z": shown(order.spent),
        "Y": shown(fill.quote if fill else ZERO),
        "Q": shown(order.quote_quantity),
        "V": order.prevention,
    }
    return event | _conditional(order)


def _conditional(order: Order) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if order.working_ms != -1:
        extras["W"] = order.working_ms
    if order.trailing_delta:
        extras |= {"d": order.trailing_delta, "D": order.trailing_ms}
    if order.strategy_id is not None:
        extras["j"] = order.strategy_id
    if order.strategy_type is not None:
        extras["J"] = order.strategy_type
    if order.prevented_match is not None:
        extras |= {"v": order.prevented_match, "A": shown(order.prevented)}
    if order.expiry_reason:
        extras["eR"] = order.expiry_reason
    return extras


def _state(order: Order) -> dict[str, Any]:
    return {
        "price": shown(order.price),
        "origQty": shown(order.quantity),
        "executedQty": shown(order.executed),
        "origQuoteOrderQty": shown(order.quote_quantity),
        "cummulativeQuoteQty": shown(order.spent),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "selfTradePreventionMode": order.prevention,
    }


def _extras(order: Order) -> dict[str, Any]:
    """The conditional fields of order answers."""
    extras: dict[str, Any] = {}
    if order.type in ALGO_TYPES:
        extras["stopPrice"] = shown(order.stop_price)
    if order.iceberg:
        extras["icebergQty"] = shown(order.iceberg)
    if order.trailing_delta:
        extras |= {"trailingDelta": order.trailing_delta, "trailingTime": order.trailing_ms}
    if order.strategy_id is not None:
        extras["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        extras["strategyType"] = order.strategy_type
    if order.prevented_match is not None:
        extras |= {
            "preventedMatchId": order.prevented_match,
            "preventedQuantity": shown(order.prevented),
        }
    if order.expiry_reason:
        extras["expiryReason"] = order.expiry_reason
    return extras
