"""Answers about orders, conditional orders and trades, with the venue's field names."""

from tests.simulators.binance.usdm.amounts import ZERO, plain, shown
from tests.simulators.binance.usdm.instruments import Instrument
from tests.simulators.binance.usdm.orders import AlgoOrder, Order, Trade

Row = dict[str, object]


def order_row(order: Order, instrument: Instrument) -> Row:
    """What all answers about an order have in common."""
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status,
        "clientOrderId": order.client_id,
        "price": instrument.shown_price(order.price),
        "origQty": instrument.shown_quantity(order.quantity),
        "executedQty": instrument.shown_quantity(order.executed),
        "timeInForce": order.time_in_force,
        "type": order.type,
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": order.side,
        "positionSide": order.position_side,
        "stopPrice": instrument.shown_price(order.stop_price),
        "workingType": order.working_type,
        "priceProtect": order.price_protect,
        "origType": order.original_type or order.type,
        "priceMatch": "NONE",
        "selfTradePreventionMode": order.self_trade_prevention,
        "goodTillDate": order.good_till_ms,
        "updateTime": order.updated_ms,
    }


def placed_row(order: Order, instrument: Instrument, response: str) -> Row:
    """The answer to POST, PUT and DELETE: no avgPrice and no cumQuote since July 2026.

    An ACK shows the order as it was accepted, not what became of it.
    """
    row = order_row(order, instrument)
    if response == "ACK":
        row |= {"status": "NEW", "executedQty": instrument.shown_quantity(ZERO)}
    row["cumQty"] = row["executedQty"]
    if order.modify_id is not None:
        row["modifyId"] = order.modify_id
    return row


def queried_row(order: Order, instrument: Instrument) -> Row:
    return order_row(order, instrument) | {
        "avgPrice": shown(order.average_price, instrument.price_places + 3),
        "cumQuote": plain(order.quote),
        "time": order.created_ms,
    }


def forced_row(order: Order, instrument: Instrument) -> Row:
    row = queried_row(order, instrument)
    for name in ("closePosition", "priceProtect", "priceMatch", "goodTillDate", "selfTradePreventionMode"):  # fmt: skip
        del row[name]
    return row


def trade_row(trade: Trade, instrument: Instrument) -> Row:
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": trade.side,
        "price": plain(trade.price),
        "qty": instrument.shown_quantity(trade.quantity),
        "realizedPnl": plain(trade.realized),
        "quoteQty": plain(trade.price * trade.quantity),
        "commission": shown(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time_ms,
        "positionSide": trade.position_side,
        "buyer": trade.side == "BUY",
        "maker": trade.is_maker,
        "marginAsset": instrument.margin_asset,
        "pair": trade.symbol,
    }


def algo_row(algo: AlgoOrder, instrument: Instrument) -> Row:
    """The answer to POST algoOrder."""
    is_trailing = algo.type == "TRAILING_STOP_MARKET"
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type,
        "symbol": algo.symbol,
        "side": algo.side,
        "positionSide": algo.position_side,
        "timeInForce": algo.time_in_force,
        "quantity": instrument.shown_quantity(algo.quantity),
        "algoStatus": algo.status,
        "triggerPrice": instrument.shown_price(algo.trigger_price),
        "price": instrument.shown_price(algo.price),
        "icebergQuantity": None,
        "selfTradePreventionMode": algo.self_trade_prevention,
        "workingType": algo.working_type,
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "activatePrice": instrument.shown_price(algo.activate_price) if is_trailing else "",
        "callbackRate": plain(algo.callback_rate) if is_trailing else "",
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": algo.good_till_ms,
    }


def queried_algo_row(algo: AlgoOrder, instrument: Instrument) -> Row:
    """The answer to a query: it knows the actual order, too, once there is one."""
    row = algo_row(algo, instrument)
    actual = algo.actual
    del row["activatePrice"], row["callbackRate"]
    return row | {
        "actualOrderId": str(actual.order_id) if actual else "",
        "actualPrice": shown(actual.average_price if actual else ZERO, 5),
        "actualQty": instrument.shown_quantity(actual.executed) if actual else "0",
        "actualType": actual.type if actual else "",
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
    }
