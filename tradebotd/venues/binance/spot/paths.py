"""Allow-list of Binance spot: each call that the adapter can make, with its weight.

A call that is not in this list cannot be made. There is none that withdraws, transfers, converts
or borrows; of /sapi only questions about the key and about what came in or left.
"""

from typing import Final

from tradebotd.venues.binance.calls import Call, Method

TIME: Final = Call(Method.GET, "/api/v3/time", 1, signed=False)
EXCHANGE_INFO: Final = Call(Method.GET, "/api/v3/exchangeInfo", 20, signed=False)
PRICES: Final = Call(Method.GET, "/api/v3/ticker/price", 4, signed=False)
BOOKS: Final = Call(Method.GET, "/api/v3/ticker/bookTicker", 4, signed=False)
AVERAGE: Final = Call(Method.GET, "/api/v3/avgPrice", 2, signed=False)
REFERENCE: Final = Call(Method.GET, "/api/v3/referencePrice", 2, signed=False)
ACCOUNT: Final = Call(Method.GET, "/api/v3/account", 20)
COMMISSION: Final = Call(Method.GET, "/api/v3/account/commission", 20)
PLACE: Final = Call(Method.POST, "/api/v3/order", 1, orders=1, acts=True)
QUERY: Final = Call(Method.GET, "/api/v3/order", 4)
CANCEL: Final = Call(Method.DELETE, "/api/v3/order", 1, acts=True)
REPLACE: Final = Call(Method.POST, "/api/v3/order/cancelReplace", 1, orders=1, acts=True)
PLACE_PAIR: Final = Call(Method.POST, "/api/v3/orderList/oco", 1, orders=2, acts=True)
OPEN_ORDERS: Final = Call(Method.GET, "/api/v3/openOrders", 6)
ALL_OPEN_ORDERS: Final = Call(Method.GET, "/api/v3/openOrders", 80)  # without a symbol
ALL_ORDERS: Final = Call(Method.GET, "/api/v3/allOrders", 20)
OPEN_LISTS: Final = Call(Method.GET, "/api/v3/openOrderList", 6)
ONE_LIST: Final = Call(Method.GET, "/api/v3/orderList", 4)
ALL_LISTS: Final = Call(Method.GET, "/api/v3/allOrderList", 20)
TRADES: Final = Call(Method.GET, "/api/v3/myTrades", 20)
TRADES_OF_ORDER: Final = Call(Method.GET, "/api/v3/myTrades", 5)
# The wallet's questions: live only. They have limits of their own, beside REQUEST_WEIGHT.
PERMISSIONS: Final = Call(Method.GET, "/sapi/v1/account/apiRestrictions", 1)
DEPOSITS: Final = Call(Method.GET, "/sapi/v1/capital/deposit/hisrec", 1)
WITHDRAWALS: Final = Call(Method.GET, "/sapi/v1/capital/withdraw/history", 1)
TRANSFERS: Final = Call(Method.GET, "/sapi/v1/asset/transfer", 1)

CALLS: Final = frozenset(
    {
        *(TIME, EXCHANGE_INFO, PRICES, BOOKS, AVERAGE, REFERENCE),
        *(ACCOUNT, COMMISSION, PLACE, QUERY, CANCEL, REPLACE, PLACE_PAIR),
        *(OPEN_ORDERS, ALL_OPEN_ORDERS, ALL_ORDERS, OPEN_LISTS, ONE_LIST, ALL_LISTS),
        *(TRADES, TRADES_OF_ORDER, PERMISSIONS, DEPOSITS, WITHDRAWALS, TRANSFERS),
    }
)
ALLOWED: Final = frozenset((call.method, call.path) for call in CALLS)
# What a connection of the WebSocket API may be asked: to tell of orders, and nothing that trades.
SUBSCRIBE: Final = "userDataStream.subscribe.signature"
LIST_SUBSCRIPTIONS: Final = "session.subscriptions"
SOCKET_METHODS: Final = frozenset({SUBSCRIBE, LIST_SUBSCRIPTIONS})
