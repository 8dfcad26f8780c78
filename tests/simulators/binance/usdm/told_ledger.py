"""The ledger of one account in one answer: the word `ledger` of the controls, for a judge."""

from typing import Any

from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import plain

OF_TRADES = frozenset({"REALIZED_PNL", "COMMISSION"})


def ledger_of(account: Account) -> dict[str, Any]:
    """Tell wallets, positions, orders (conditional ones among them), fills and payments.

    A conditional order is a row of its own, `actual` names the one that it became; amounts are
    exact, times in milliseconds.
    """
    held: dict[str, Any] = {}
    for position in account.held():
        held[position.symbol] = held.get(position.symbol, 0) + position.amount
    return {
        "balances": {asset: plain(total) for asset, total in account.wallets.items()},
        "positions": {symbol: plain(amount) for symbol, amount in held.items()},
        "orders": [
            {
                "id": str(order.order_id),
                "client_id": order.client_id,
                "symbol": order.symbol,
                "side": order.side,
                "status": order.status,
                "quantity": plain(order.quantity),
                "filled": plain(order.executed),
                "of_algo": None if order.algo_id is None else str(order.algo_id),
            }
            for order in account.book.orders.values()
        ]
        + [
            {
                "id": str(algo.algo_id),
                "client_id": algo.client_id,
                "symbol": algo.symbol,
                "side": algo.side,
                "status": algo.status,
                "quantity": plain(algo.quantity),
                "filled": "0" if algo.actual is None else plain(algo.actual.executed),
                "actual": None if algo.actual is None else str(algo.actual.order_id),
            }
            for algo in account.book.algos.values()
        ],
        "fills": [
            {
                "trade_id": str(trade.trade_id),
                "order_id": str(trade.order_id),
                "symbol": trade.symbol,
                "side": trade.side,
                "price": plain(trade.price),
                "quantity": plain(trade.quantity),
                "fee": plain(trade.commission),
                "fee_asset": trade.commission_asset,
                "realized": plain(trade.realized),
                "time_ms": trade.time_ms,
            }
            for trade in account.trades
        ],
        "payments": [
            {
                "id": str(each.tran_id),
                "kind": each.type,
                "asset": each.asset,
                "amount": plain(each.amount),
                "symbol": each.symbol,
                "time_ms": each.time_ms,
            }
            for each in account.incomes
            if each.type not in OF_TRADES
        ],
    }
