"""Requests of Binance USDT-M: our orders as parameters. Pure.

Stops and targets are algo orders, which have a path, a parameter for the id and a list of their
own. Each order says which position it is of (BOTH: an account in hedge mode refuses it), what it is
compared with, and what becomes of it when it would meet another order of the account.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tradebotd.domain.decimals import plain
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderRequest
from tradebotd.domain.order_type import CONDITIONAL, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.side import Side

Params = dict[str, str]

SIDES: Final[Mapping[Side, str]] = {Side.BUY: "BUY", Side.SELL: "SELL"}
TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP_MARKET: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
}
ORDER_TYPES: Final[Mapping[str, OrderType]] = MappingProxyType(
    {word: ours for ours, word in TYPES.items()}
)
TIMES: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}
WORKING_TYPES: Final[Mapping[PriceKind, str]] = {
    PriceKind.LAST: "CONTRACT_PRICE",
    PriceKind.MARK: "MARK_PRICE",
}
WITH_LIMIT: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)
ONE_WAY: Final = "BOTH"


def self_trade_params() -> Params:
    """F9: return what becomes of two orders of the account that meet: the resting one expires.

    Left out, an order expires the resting one and an algo order trades with it.
    """
    return {"selfTradePreventionMode": "EXPIRE_MAKER"}


def order_params(client_order_id: ClientOrderId, request: OrderRequest, market: str) -> Params:
    """Return the parameters of a market or limit order. Raises OrderRejectedError.

    *market*: the venue's name of the symbol. RESULT: an ACK would not tell that it has expired.
    """
    _check(client_order_id, request)
    params = {
        **_common(request, market),
        "newClientOrderId": client_order_id,
        "newOrderRespType": "RESULT",
    }
    if request.type is OrderType.LIMIT:
        params["timeInForce"] = TIMES[request.time_in_force]
        params["price"] = _price(request.limit_price, "limit price")
    return params


def algo_params(client_order_id: ClientOrderId, request: OrderRequest, market: str) -> Params:
    """Return the parameters of a stop or a target. Raises OrderRejectedError.

    The price protection is off: a stop that it keeps from triggering has protected nothing.
    """
    _check(client_order_id, request)
    if request.working_price not in WORKING_TYPES:
        raise OrderRejectedError(
            f"{FilterName.WORKING_PRICE}: stops are compared with the last or the mark price, not"
            f" with the {request.working_price}"
        )
    params = {
        **_common(request, market),
        "algoType": "CONDITIONAL",
        "clientAlgoId": client_order_id,
        "triggerPrice": _price(request.stop_price, "stop price"),
        "workingType": WORKING_TYPES[request.working_price],
        "priceProtect": "false",
        "timeInForce": TIMES[request.time_in_force],
    }
    if request.type in WITH_LIMIT:
        params["price"] = _price(request.limit_price, "limit price")
    return params


def _common(request: OrderRequest, market: str) -> Params:
    return {
        "symbol": market,
        "side": SIDES[request.side],
        "positionSide": ONE_WAY,
        "type": TYPES[request.type],
        "quantity": plain(request.quantity),
        "reduceOnly": "true" if request.reduce_only else "false",
        **self_trade_params(),
    }


def _check(client_order_id: ClientOrderId, request: OrderRequest) -> None:
    if not CLIENT_ID.fullmatch(client_order_id):
        raise OrderRejectedError(f"client order id: {client_order_id!r} is none for this venue")
    if request.position_type is not PositionType.FUTURES:
        raise OrderRejectedError("USDT-M has futures alone, and no balance of what is traded")
    taken = (TimeInForce.GTC,) if request.type in CONDITIONAL else tuple(TIMES)
    if request.type is not OrderType.MARKET and request.time_in_force not in taken:
        raise OrderRejectedError(
            f"{FilterName.TIME_IN_FORCE}: {request.time_in_force} is none of {', '.join(taken)}"
        )


def _price(price: Decimal | None, name: str) -> str:
    if price is None:
        raise OrderRejectedError(f"an order of that type needs a {name}")
    return plain(price)
