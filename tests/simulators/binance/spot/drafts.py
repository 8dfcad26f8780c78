"""Requests for orders, read and judged before the engine sees them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from tests.simulators.binance.errors import VenueError, refusal
from tests.simulators.binance.spot.figures import ZERO, decimal_of, integer_of
from tests.simulators.binance.spot.orders import ALGO_TYPES, Order
from tests.simulators.binance.spot.symbols import ORDER_TYPES, Symbol

CLIENT_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")
WITH_LIMIT = ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
WITH_TIME = ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
FULL_BY_DEFAULT = ("MARKET", "LIMIT")
_given = count(1)


@dataclass(frozen=True)
class Names:
    """Names of one order's parameters: of a single order, or of a list's leg (`aboveStopPrice`)."""

    prefix: str = ""

    def of(self, name: str) -> str:
        return self.prefix + name[0].upper() + name[1:] if self.prefix else name

    @property
    def client_id(self) -> str:
        return f"{self.prefix}ClientOrderId" if self.prefix else "newClientOrderId"


def read_order(
    params: Mapping[str, str],
    symbol: Symbol,
    account: str,
    names: Names = Names(),
    **fixed: Any,
) -> Order:
    """Read one order; *fixed* are fields that a list gives to its legs (side, quantity).

    Raises -1102, -1106, -1114 … -1117 and -1013 for what the order's type does not allow.
    """
    kind = _one_of(params, names.of("type"), ORDER_TYPES, -1116)
    order = Order(
        symbol=symbol.name,
        base=symbol.base,
        quote_asset=symbol.quote,
        account=account,
        client_id=client_id_of(params, names.client_id),
        side=fixed.get("side") or side_of(params, names.of("side")),
        type=kind,
        quantity=fixed.get("quantity") or decimal_of(params, names.of("quantity")) or ZERO,
        quote_quantity=ZERO if names.prefix else decimal_of(params, "quoteOrderQty") or ZERO,
        price=decimal_of(params, names.of("price")) or ZERO,
        stop_price=decimal_of(params, names.of("stopPrice")) or ZERO,
        trailing_delta=integer_of(params, names.of("trailingDelta")) or 0,
        iceberg=decimal_of(params, names.of("icebergQty")) or ZERO,
        strategy_id=integer_of(params, names.of("strategyId")),
        strategy_type=integer_of(params, names.of("strategyType")),
    )
    order.time_in_force = _time_in_force(params, names, kind)
    order.prevention = _prevention(params, symbol)
    _check_shape(order, names, needs_quantity=fixed.get("quantity") is None)
    _check_symbol(order, symbol)
    return order


def side_of(params: Mapping[str, str], name: str) -> str:
    return _one_of(params, name, ("BUY", "SELL"), -1117)


def client_id_of(params: Mapping[str, str], name: str) -> str:
    """Read a client id, or make one as the venue does for orders sent without."""
    given = params.get(name)
    if given is None:
        return f"sim{next(_given):019d}"
    if not CLIENT_ID.fullmatch(given):
        raise refusal(-1100, name, "^[a-zA-Z0-9-_]{1,36}$")
    return given


def response_type(params: Mapping[str, str], kind: str) -> str:
    """S4: MARKET and LIMIT answer FULL, all others ACK, unless asked for another."""
    asked = params.get("newOrderRespType")
    if asked is None:
        return "FULL" if kind in FULL_BY_DEFAULT else "ACK"
    if asked not in {"ACK", "RESULT", "FULL"}:
        raise refusal(-1130, "newOrderRespType")
    return asked


def _one_of(params: Mapping[str, str], name: str, values: tuple[str, ...], code: int) -> str:
    value = params.get(name)
    if not value:
        raise refusal(-1102, name)
    if value not in values:
        raise refusal(code)
    return value


def _time_in_force(params: Mapping[str, str], names: Names, kind: str) -> str:
    name = names.of("timeInForce")
    if kind not in WITH_TIME:
        if name in params:
            raise refusal(-1106, name)
        return "GTC"
    return _one_of(params, name, ("GTC", "IOC", "FOK"), -1115)


def _prevention(params: Mapping[str, str], symbol: Symbol) -> str:
    mode = params.get("selfTradePreventionMode", symbol.default_prevention)
    if mode not in symbol.preventions:
        text = "This symbol does not allow the specified self-trade prevention mode."
        raise VenueError(-1013, text)
    return mode


def _check_shape(order: Order, names: Names, *, needs_quantity: bool) -> None:
    """Refuse parameters that the type wants and were not sent, or that it has no use for."""
    if order.quote_quantity and order.type != "MARKET":
        raise refusal(-1106, "quoteOrderQty")
    if order.quantity and order.quote_quantity:
        raise refusal(-1106, "quantity")
    _want(order.quantity or order.quote_quantity or not needs_quantity, names.of("quantity"))
    if order.type in WITH_LIMIT:
        _want(order.price, names.of("price"))
    elif order.price:
        raise refusal(-1106, names.of("price"))
    if order.type in ALGO_TYPES:
        _want(order.stop_price or order.trailing_delta, names.of("stopPrice"))
    elif order.stop_price:
        raise refusal(-1106, names.of("stopPrice"))
    if order.iceberg and order.time_in_force != "GTC":
        raise refusal(-1130, names.of("icebergQty"))
    if order.strategy_type is not None and order.strategy_type < 1_000_000:
        raise VenueError(-1134, "strategyType was less than 1000000.")


def _want(value: Decimal | int | bool, name: str) -> None:  # noqa: FBT001 - any of them, or zero
    if not value:
        raise refusal(-1102, name)


def _check_symbol(order: Order, symbol: Symbol) -> None:
    if order.type not in symbol.order_types:
        word = order.type.replace("_", " ").capitalize()
        raise VenueError(-1013, f"{word} orders are not supported for this symbol.")
    if order.trailing_delta and not symbol.trailing_stop_allowed:
        raise VenueError(-1013, "Trailing stop orders are not supported for this symbol.")
    if order.iceberg and not symbol.iceberg_allowed:
        raise VenueError(-1013, "Iceberg orders are not supported for this symbol.")
    if order.quote_quantity and not symbol.quote_order_qty_allowed:
        text = "Quote order qty market orders are not support for this symbol."
        raise VenueError(-1013, text)
