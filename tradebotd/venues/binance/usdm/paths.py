"""Allow-list of Binance USDT-M: each call that the adapter can make, with its weight.

A call that is not in this list cannot be made. There is none that transfers, converts, borrows, or
moves margin between positions. F17: `GET openOrder` is left out, which says "does not exist" of
orders that were filled.
"""

from typing import Final

from tradebotd.venues.binance.calls import Call, Method

TIME: Final = Call(Method.GET, "/fapi/v1/time", 1, signed=False)
EXCHANGE_INFO: Final = Call(Method.GET, "/fapi/v1/exchangeInfo", 1, signed=False)
# F16: the used-weight header is wrong on the tickers of books and of prices.
PRICE: Final = Call(Method.GET, "/fapi/v2/ticker/price", 1, signed=False, tells_weight=False)
PRICES: Final = Call(Method.GET, "/fapi/v2/ticker/price", 2, signed=False, tells_weight=False)
BOOK: Final = Call(Method.GET, "/fapi/v1/ticker/bookTicker", 2, signed=False, tells_weight=False)
BOOKS: Final = Call(Method.GET, "/fapi/v1/ticker/bookTicker", 5, signed=False, tells_weight=False)
MARK: Final = Call(Method.GET, "/fapi/v1/premiumIndex", 1, signed=False)
MARKS: Final = Call(Method.GET, "/fapi/v1/premiumIndex", 10, signed=False)
ACCOUNT: Final = Call(Method.GET, "/fapi/v3/account", 5)
POSITIONS: Final = Call(Method.GET, "/fapi/v3/positionRisk", 5)
MODES: Final = Call(Method.GET, "/fapi/v1/accountConfig", 5)
COMMISSION: Final = Call(Method.GET, "/fapi/v1/commissionRate", 20)
BRACKETS: Final = Call(Method.GET, "/fapi/v1/leverageBracket", 1)
BURNS_BNB: Final = Call(Method.GET, "/fapi/v1/feeBurn", 30)
SET_LEVERAGE: Final = Call(Method.POST, "/fapi/v1/leverage", 1)
SET_MARGIN_TYPE: Final = Call(Method.POST, "/fapi/v1/marginType", 1)
SET_POSITION_MODE: Final = Call(Method.POST, "/fapi/v1/positionSide/dual", 1)
PLACE: Final = Call(Method.POST, "/fapi/v1/order", 0, orders=1, acts=True)
QUERY: Final = Call(Method.GET, "/fapi/v1/order", 1)
CANCEL: Final = Call(Method.DELETE, "/fapi/v1/order", 1, acts=True)
# F8: an algo order costs no weight, and one in the counts of orders.
PLACE_ALGO: Final = Call(Method.POST, "/fapi/v1/algoOrder", 0, orders=1, acts=True)
QUERY_ALGO: Final = Call(Method.GET, "/fapi/v1/algoOrder", 1)
CANCEL_ALGO: Final = Call(Method.DELETE, "/fapi/v1/algoOrder", 1, acts=True)
OPEN_ORDERS: Final = Call(Method.GET, "/fapi/v1/openOrders", 1)
ALL_OPEN_ORDERS: Final = Call(Method.GET, "/fapi/v1/openOrders", 40)  # without a symbol
OPEN_ALGOS: Final = Call(Method.GET, "/fapi/v1/openAlgoOrders", 1)
ALL_OPEN_ALGOS: Final = Call(Method.GET, "/fapi/v1/openAlgoOrders", 40)  # without a symbol
ALL_ORDERS: Final = Call(Method.GET, "/fapi/v1/allOrders", 5)
ALL_ALGOS: Final = Call(Method.GET, "/fapi/v1/allAlgoOrders", 5)
TRADES: Final = Call(Method.GET, "/fapi/v1/userTrades", 5)
INCOME: Final = Call(Method.GET, "/fapi/v1/income", 30)
START_STREAM: Final = Call(
    Method.POST, "/fapi/v1/listenKey", 1, signed=False, keyed=True, secret=True
)
KEEP_STREAM: Final = Call(
    Method.PUT, "/fapi/v1/listenKey", 1, signed=False, keyed=True, secret=True
)

CALLS: Final = frozenset(
    {
        *(TIME, EXCHANGE_INFO, PRICE, PRICES, BOOK, BOOKS, MARK, MARKS),
        *(ACCOUNT, POSITIONS, MODES, COMMISSION, BRACKETS, BURNS_BNB),
        *(SET_LEVERAGE, SET_MARGIN_TYPE, SET_POSITION_MODE),
        *(PLACE, QUERY, CANCEL, PLACE_ALGO, QUERY_ALGO, CANCEL_ALGO),
        *(OPEN_ORDERS, ALL_OPEN_ORDERS, OPEN_ALGOS, ALL_OPEN_ALGOS, ALL_ORDERS, ALL_ALGOS),
        *(TRADES, INCOME, START_STREAM, KEEP_STREAM),
    }
)
ALLOWED: Final = frozenset((call.method, call.path) for call in CALLS)

# The futures interface cannot say what a key may do. The wallet of the spot host can, live alone.
WALLET_TIME: Final = Call(Method.GET, "/api/v3/time", 1, signed=False)
PERMISSIONS: Final = Call(Method.GET, "/sapi/v1/account/apiRestrictions", 1)
OF_WALLET: Final = frozenset((call.method, call.path) for call in (WALLET_TIME, PERMISSIONS))
