"""The ledger of the account in one answer: the word `ledger` of the controls, for a judge."""

from typing import Any

from tests.simulators.alpaca.desk import Desk
from tests.simulators.alpaca.orders import Order
from tests.simulators.shared.clock import to_ms
from tests.simulators.shared.money import text

OF_CASH = frozenset({"CSD", "CSW", "DIV"})


def ledger_of(desk: Desk) -> dict[str, Any]:
    """Tell cash and coins, orders with their legs, fills with their fees, and payments.

    Alpaca names no fee of a fill, this does; amounts are exact, times in milliseconds.
    """
    return {
        "balances": {desk.terms.currency: text(desk.ledger.cash)}
        | {_asset(desk, name): text(each.quantity) for name, each in desk.ledger.holdings.items()},
        "positions": {},
        "orders": [_order(each) for each in desk.book.all],
        "fills": [
            {
                "order_id": each.order.id,
                "total": text(each.total),
                "symbol": each.order.asset.symbol,
                "side": each.order.side.upper(),
                "price": text(each.price),
                "quantity": text(each.quantity),
                "fee": text(each.fee),
                "fee_asset": each.fee_asset,
                "time_ms": to_ms(each.at),
            }
            for each in desk.executions
        ],
        "payments": [
            {
                "id": each.body["id"],
                "kind": each.body["activity_type"],
                "asset": each.body["currency"],
                "amount": each.body["net_amount"],
                "time_ms": to_ms(each.at),
            }
            for each in desk.activities.all
            if each.body["activity_type"] in OF_CASH
        ],
    }


def _asset(desk: Desk, position_symbol: str) -> str:
    asset = desk.assets.get(position_symbol)
    if asset is None or not asset.is_crypto:
        return position_symbol
    return asset.symbol.partition("/")[0]


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.id,
        "client_id": order.client_order_id,
        "symbol": order.asset.symbol,
        "side": order.side.upper(),
        "status": order.status.value,
        "quantity": None if order.quantity is None else text(order.quantity),
        "filled": text(order.filled),
        "replaces": order.replaces,
        "role": order.role,
    }
