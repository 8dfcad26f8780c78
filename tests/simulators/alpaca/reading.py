"""Order requests as they are read: names, figures, and what must or must not be there."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tests.simulators.alpaca.assets import Asset, Assets
from tests.simulators.alpaca.orders import Order
from tests.simulators.alpaca.refusals import RequestRefusedError, invalid, malformed

TYPES: Final = ("market", "limit", "stop", "stop_limit", "trailing_stop")
TIMES: Final = ("day", "gtc", "opg", "cls", "ioc", "fok")
CLASSES: Final = ("", "simple", "bracket", "oco", "oto", "mleg")
INTENTS: Final = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
LONGEST_ID: Final = 128
DECIMALS: Final = 9


@dataclass(frozen=True)
class Exits:
    """The prices of a bracket's, an OCO's or an OTO's legs. A time in force in them is not read (A12)."""

    take_profit: Decimal | None = None
    stop: Decimal | None = None
    stop_limit: Decimal | None = None


def read_order(body: Any, assets: Assets, now: datetime) -> tuple[Order, Exits]:
    """The order that *body* asks for, with nothing judged that needs the account or the market.

    Raises RequestRefusedError (422).
    """
    if not isinstance(body, dict):
        raise malformed("request body format is invalid")
    asset = read_asset(body, assets)
    order = Order(
        asset=asset,
        side=_one_of(body, "side", ("buy", "sell")),
        type=_one_of(body, "type", TYPES),
        time_in_force=_one_of(body, "time_in_force", TIMES),
        order_class=_one_of(body, "order_class", CLASSES, default=""),
        position_intent=_one_of(body, "position_intent", ("", *INTENTS), default=""),
        client_order_id=read_client_id(body),
        created_at=now,
        quantity=figure(body, "qty"),
        notional=figure(body, "notional"),
        limit_price=figure(body, "limit_price"),
        stop_price=figure(body, "stop_price"),
        trail_price=figure(body, "trail_price"),
        trail_percent=figure(body, "trail_percent"),
        extended_hours=_flag(body, "extended_hours"),
    )
    _check_size(order)
    _check_prices(order)
    return order, read_exits(body)


def read_asset(body: dict[str, Any], assets: Assets) -> Asset:
    """Raises RequestRefusedError (422) for one that is missing, unknown or not traded."""
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise malformed("symbol is required")
    asset = assets.get(symbol)
    if asset is None:
        raise invalid(f'asset "{symbol}" not found')
    if not asset.tradable:
        raise invalid(f"asset {symbol} is not active")
    return asset


def read_client_id(body: dict[str, Any]) -> str:
    told = body.get("client_order_id")
    if told is None or told == "":
        return str(uuid.uuid4())
    if not isinstance(told, str) or len(told) > LONGEST_ID:
        raise malformed("client_order_id must be no more than 128 characters")
    return told


def read_exits(body: dict[str, Any]) -> Exits:
    take_profit = body.get("take_profit") or {}
    stop_loss = body.get("stop_loss") or {}
    if not isinstance(take_profit, dict) or not isinstance(stop_loss, dict):
        raise malformed("request body format is invalid")
    return Exits(
        take_profit=figure(take_profit, "limit_price"),
        stop=figure(stop_loss, "stop_price"),
        stop_limit=figure(stop_loss, "limit_price"),
    )


def figure(body: dict[str, Any], name: str) -> Decimal | None:
    """A figure, told as text or as a number; None if it is not there. Raises RequestRefusedError (422)."""
    told = body.get(name)
    if told is None or told == "":
        return None
    try:
        value = Decimal(str(told))
    except InvalidOperation as error:
        raise malformed(f"invalid {name}") from error
    if not value.is_finite():
        raise malformed(f"invalid {name}")
    if value <= 0:
        raise malformed(f"{name.replace('_', ' ')} must be > 0")
    return value


def decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _one_of(
    body: dict[str, Any], name: str, words: tuple[str, ...], default: str | None = None
) -> str:
    told = body.get(name, default)
    if told is None and default is not None:
        told = default
    if not isinstance(told, str) or told not in words:
        raise malformed(f"invalid {name}" if name in body else f"{name} is required")
    return told


def _flag(body: dict[str, Any], name: str) -> bool:
    told = body.get(name)
    if told not in {None, True, False}:
        raise malformed(f"invalid {name}")
    return bool(told)


def _check_size(order: Order) -> None:
    if order.quantity is None and order.notional is None:
        raise malformed("qty or notional is required")
    if order.quantity is not None and order.notional is not None:
        raise malformed("only one of qty or notional is accepted")
    size = order.quantity if order.quantity is not None else order.notional
    if size is not None and decimals(size) > DECIMALS:
        raise malformed("qty and notional take 9 decimals at most")


def _check_prices(order: Order) -> None:
    if order.order_class == "mleg":
        raise malformed("mleg orders are for options")
    limit, stop = order.limit_price is not None, order.stop_price is not None
    trails = (order.trail_price is not None) + (order.trail_percent is not None)
    refusal: RequestRefusedError | None = None
    if trails and order.type != "trailing_stop":
        refusal = malformed(f"{order.type} orders require no trail")
    elif order.type == "market" and (limit or stop):
        refusal = malformed("market orders require no stop or limit price")
    elif order.type == "limit" and order.order_class != "oco" and not limit:
        refusal = malformed("limit orders require limit price")
    elif order.type == "limit" and stop:
        refusal = malformed("limit orders require only limit price")
    elif order.type == "stop" and (limit or not stop):
        refusal = malformed("stop orders require only stop price")
    elif order.type == "stop_limit" and not (limit and stop):
        refusal = malformed("stop limit orders require both stop and limit price")
    elif order.type == "trailing_stop" and (trails != 1 or limit or stop):
        refusal = malformed("trailing stop orders must specify one of trail_price or trail_percent")
    if refusal is not None:
        raise refusal
