"""The ledger of one account in one answer: the word `ledger` of the controls, for a judge."""

from typing import Any

from tests.simulators.binance.spot.figures import shown
from tests.simulators.binance.spot.venue import Venue


def ledger_of(venue: Venue, account: str) -> dict[str, Any]:
    """Tell balances, orders, fills and payments; amounts exact, times in milliseconds."""
    orders = [o for m in venue.markets.values() for o in m.orders if o.account == account]
    return {
        "balances": {
            asset: shown(each.total) for asset, each in venue.accounts[account].balances.items()
        },
        "positions": {},
        "orders": [
            {
                "id": str(order.id),
                "client_id": order.client_id,
                "symbol": order.symbol,
                "side": order.side,
                "status": order.status,
                "quantity": shown(order.quantity),
                "filled": shown(order.executed),
            }
            for order in orders
        ],
        "fills": [
            {
                "trade_id": str(fill.trade_id),
                "order_id": str(order.id),
                "symbol": order.symbol,
                "side": order.side,
                "price": shown(fill.price),
                "quantity": shown(fill.quantity),
                "fee": shown(fill.fee),
                "fee_asset": fill.fee_asset,
                "time_ms": fill.time_ms,
            }
            for order in orders
            for fill in order.fills
        ],
        "payments": [
            {
                "id": str(each.id),
                "kind": each.kind,
                "asset": each.asset,
                "amount": shown(each.amount),
                "time_ms": each.time_ms,
            }
            for each in venue.transfers
            if each.account == account
        ],
    }
