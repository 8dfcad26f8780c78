"""Calls about conditional orders, which the order endpoints neither take nor show."""

from tests.simulators.binance.usdm.calls import Call, Endpoint, fixed, one_or_all
from tests.simulators.binance.usdm.order_calls import shed
from tests.simulators.binance.usdm.order_requests import read_algo
from tests.simulators.binance.usdm.order_rows import algo_row, queried_algo_row
from tests.simulators.binance.usdm.orders import AlgoOrder, is_forgotten
from tests.simulators.binance.usdm.refusals import RefusalError


def place(call: Call) -> object:
    algo = read_algo(call.venue, call.account, call.params)
    shed(call, reduces=algo.reduce_only or algo.close_position)
    call.venue.algos.place(call.account, algo)
    return algo_row(algo, call.venue.instruments[algo.symbol])


def named(call: Call, code: int) -> AlgoOrder:
    """F8: by algoId or clientAlgoId, for queries and cancels; no symbol is needed."""
    algo_id, client_id = call.number("algoId"), call.params.get("clientAlgoId")
    if algo_id is None and not client_id:
        raise RefusalError(-1102, text="Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")  # fmt: skip
    found = call.account.book.find_algo(algo_id, client_id)
    if found is None:
        raise RefusalError(code)
    return found


def cancel(call: Call) -> object:
    algo = named(call, -2011)
    call.venue.algos.cancel(call.account, algo)
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "code": "200",
        "msg": "success",
    }


def query(call: Call) -> object:
    """F8: cancelled and expired ones are forgotten after 3 days, everything after 90."""
    algo = named(call, -2013)
    if is_forgotten(algo, call.venue.now_ms()):
        raise RefusalError(-2013)
    return queried_algo_row(algo, call.venue.instruments[algo.symbol])


def open_algos(call: Call) -> object:
    algo_id, algo_type = call.number("algoId"), call.params.get("algoType")
    found = [
        algo
        for algo in call.account.book.open_algos(call.symbol())
        if algo.is_waiting and algo_id in {None, algo.algo_id}
    ]
    if algo_type not in {None, "", "CONDITIONAL"}:
        found = []
    return [queried_algo_row(algo, call.venue.instruments[algo.symbol]) for algo in found]


def all_algos(call: Call) -> object:
    if call.symbol() is None:
        raise RefusalError(-1102, name="symbol")
    now, first = call.venue.now_ms(), call.number("algoId")
    limit = call.limit(500, 1000)
    start, end = call.span(7, 90)
    if first is not None:
        start, end = 0, now
    kept = [
        algo
        for algo in call.account.book.algos.values()
        if algo.symbol == call.symbol()
        and not is_forgotten(algo, now)
        and start <= algo.created_ms <= end
        and (first is None or algo.algo_id >= first)
    ]
    ascending = first is not None or call.number("startTime") is not None
    shown = kept[:limit] if ascending else kept[-limit:]
    return [queried_algo_row(algo, call.venue.instruments[algo.symbol]) for algo in shown]


def cancel_all(call: Call) -> object:
    """F8: of one symbol only; the symbol is mandatory."""
    symbol = call.text("symbol")
    if call.symbol() is None:
        raise RefusalError(-1121)
    for algo in call.account.book.open_algos(symbol):
        if algo.is_waiting:
            call.venue.algos.cancel(call.account, algo)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


ENDPOINTS = {
    ("POST", "/fapi/v1/algoOrder"): Endpoint(place, fixed(0), operation="place.stop", orders=1),
    ("GET", "/fapi/v1/algoOrder"): Endpoint(query, fixed(1), operation="query.stop"),
    ("DELETE", "/fapi/v1/algoOrder"): Endpoint(cancel, fixed(1), operation="cancel.stop"),
    ("GET", "/fapi/v1/openAlgoOrders"): Endpoint(open_algos, one_or_all(1, 40), operation="list.open_stops"),
    ("GET", "/fapi/v1/allAlgoOrders"): Endpoint(all_algos, fixed(5), operation="list.stops"),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Endpoint(cancel_all, fixed(1), operation="cancel.stops"),
}  # fmt: skip
