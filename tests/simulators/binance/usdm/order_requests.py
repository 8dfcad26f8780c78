"""Requests about orders, read into orders: every parameter rule that needs no account."""

import re
from collections.abc import Mapping
from decimal import Decimal

from tests.simulators.binance.usdm.account import Account
from tests.simulators.binance.usdm.amounts import ZERO, decimal_of, flag_of, integer_of
from tests.simulators.binance.usdm.instruments import TIMES_IN_FORCE, Instrument, listed
from tests.simulators.binance.usdm.orders import AlgoOrder, Order
from tests.simulators.binance.usdm.refusals import RefusalError
from tests.simulators.binance.usdm.venue import Venue

CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
CONDITIONAL_TYPES = ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")  # fmt: skip
PREVENTIONS = ("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")
LAST_GOOD_TILL_MS = 253402300799000
Params = Mapping[str, str]


def needed(params: Params, name: str) -> str:
    """A mandatory parameter.

    Raises:
        RefusalError: -1102.
    """
    if not params.get(name):
        raise RefusalError(-1102, name=name)
    return params[name]


def chosen(params: Params, name: str, values: tuple[str, ...], code: int, default: str = "") -> str:
    """One of *values*, or the code that the venue answers to another one."""
    value = params.get(name) or default or needed(params, name)
    if value not in values:
        raise RefusalError(code, name=name)
    return value


def default_prevention(kind: str) -> str:
    """F9: POST order expires the maker by default, algoOrder prevents nothing."""
    return "EXPIRE_MAKER" if kind == "order" else "NONE"


def good_till(params: Params, now_ms: int) -> int:
    """F16: more than 600 seconds ahead, in whole seconds; milliseconds are cut off.

    Raises:
        RefusalError: -5040, or -1102 when GTD comes without a date.
    """
    if params.get("timeInForce") != "GTD":
        return 0
    date = integer_of(needed(params, "goodTillDate"), "goodTillDate")
    if not now_ms + 600_000 < date < LAST_GOOD_TILL_MS:
        raise RefusalError(-5040)
    return date // 1000 * 1000


def client_id(params: Params, name: str, generated: str) -> str:
    given = params.get(name) or generated
    if not CLIENT_ID.fullmatch(given):
        raise RefusalError(-4015)
    return given


def position_side(params: Params, account: Account) -> str:
    """BOTH in one-way mode, LONG or SHORT in hedge mode.

    Raises:
        RefusalError: -4061.
    """
    side = params.get("positionSide") or "BOTH"
    if (side == "BOTH") == account.dual_side or side not in {"BOTH", "LONG", "SHORT"}:
        raise RefusalError(-4061)
    return side


def reduce_only(params: Params, account: Account) -> bool:
    """The flag, which hedge mode does not take (-1106)."""
    if params.get("reduceOnly") is None:
        return False
    if account.dual_side:
        raise RefusalError(-1106, name="reduceonly")
    return flag_of(params["reduceOnly"], "reduceOnly")


def quantity_of(params: Params, instrument: Instrument, *, is_market: bool) -> Decimal:
    """LOT_SIZE and MARKET_LOT_SIZE.

    Raises:
        RefusalError: -1111, -4003, -4004, -4005 or -4023.
    """
    quantity = decimal_of(needed(params, "quantity"), "quantity")
    if quantity <= ZERO:
        raise RefusalError(-4003)
    if places(quantity) > instrument.quantity_places:
        raise RefusalError(-1111)
    if quantity < instrument.min_quantity:
        raise RefusalError(-4004)
    largest = instrument.max_market_quantity if is_market else instrument.max_quantity
    if quantity > largest:
        raise RefusalError(-4005)
    if quantity % instrument.step:
        raise RefusalError(-4023)
    return quantity


def price_of(params: Params, instrument: Instrument, name: str = "price") -> Decimal:
    """PRICE_FILTER.

    Raises:
        RefusalError: -1111, -4001, -4002, -4013 or -4014.
    """
    price = decimal_of(needed(params, name), name)
    if price <= ZERO:
        raise RefusalError(-4001 if name == "price" else -4006)
    if places(price) > instrument.price_places:
        raise RefusalError(-1111)
    if price > instrument.max_price:
        raise RefusalError(-4002)
    if price < instrument.min_price:
        raise RefusalError(-4013)
    if price % instrument.tick:
        raise RefusalError(-4014)
    return price


def places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def check_band(instrument: Instrument, side: str, price: Decimal, mark: Decimal) -> None:
    """PERCENT_PRICE, round the mark price: a BUY not too high, a SELL not too low.

    Raises:
        RefusalError: -4016 or -4024.
    """
    highest = mark * instrument.multiplier_up
    lowest = mark * instrument.multiplier_down
    if side == "BUY" and price > highest:
        raise RefusalError(-4016, bound=instrument.shown_price(highest))
    if side == "SELL" and price < lowest:
        raise RefusalError(-4024, bound=instrument.shown_price(lowest))


def check_notional(instrument: Instrument, quantity: Decimal, price: Decimal) -> None:
    """MIN_NOTIONAL, which reduce-only orders are spared (-4164)."""
    if quantity * price < instrument.notional:
        raise RefusalError(-4164, notional=instrument.notional)


def read_order(venue: Venue, account: Account, params: Params) -> Order:
    """Read POST /fapi/v1/order.

    Raises:
        RefusalError: whatever the parameters break; -4120 for conditional types, which moved to
            algoOrder, and -4116 for the id of an OPEN order.
    """
    instrument = listed(venue.instruments, needed(params, "symbol"))
    symbol = instrument.symbol
    side = chosen(params, "side", ("BUY", "SELL"), -1117)
    kind = chosen(params, "type", ("LIMIT", "MARKET", *CONDITIONAL_TYPES), -1116)
    if kind in CONDITIONAL_TYPES:
        raise RefusalError(-4120)
    chosen(params, "newOrderRespType", ("ACK", "RESULT"), -1136, "ACK")
    reduces = reduce_only(params, account)
    is_market = kind == "MARKET"
    if not is_market:
        needed(params, "timeInForce")
    elif params.get("price"):
        raise RefusalError(-1106, name="price")
    tif = chosen(params, "timeInForce", TIMES_IN_FORCE, -1115, "GTC")
    quantity = quantity_of(params, instrument, is_market=is_market)
    market = venue.market[symbol]
    price = ZERO if is_market else price_of(params, instrument)
    if price:
        check_band(instrument, side, price, market.mark)
    if not reduces:
        check_notional(instrument, quantity, price or market.mark)
    order = Order(
        venue.engine.next_order_id(symbol),
        client_id(params, "newClientOrderId", f"sim{venue.now_ms()}{len(account.book.orders)}"),
        symbol,
        side,
        kind,
        quantity,
        price,
        venue.now_ms(),
        position_side(params, account),
        tif,
        reduce_only=reduces,
        self_trade_prevention=chosen(
            params, "selfTradePreventionMode", PREVENTIONS, -5039, default_prevention("order")
        ),
        good_till_ms=good_till(params, venue.now_ms()),
    )
    if account.book.has_open_client_id(symbol, order.client_id):
        raise RefusalError(-4116)
    return order


def read_modification(venue: Venue, order: Order, params: Params) -> tuple[Decimal, Decimal]:  # fmt: skip
    """F10: read PUT /fapi/v1/order into (price, quantity); both are mandatory.

    Raises:
        RefusalError: -5025, -5026, -5047 or what a filter says.
    """
    instrument = venue.instruments[order.symbol]
    if order.type != "LIMIT":
        raise RefusalError(-5025)
    if order.modifications >= 10_000:
        raise RefusalError(-5026)
    wants_reduce_only = flag_of(params.get("reduceOnly") or "false", "reduceOnly")
    if wants_reduce_only and not order.reduce_only:
        raise RefusalError(-5047)
    if needed(params, "side") != order.side:
        raise RefusalError(-1117)
    quantity = quantity_of(params, instrument, is_market=False)
    price = price_of(params, instrument)
    check_band(instrument, order.side, price, venue.market[order.symbol].mark)
    if not wants_reduce_only:
        check_notional(instrument, quantity, price)
    return price, quantity


def read_algo(venue: Venue, account: Account, params: Params) -> AlgoOrder:
    """Read POST /fapi/v1/algoOrder (F8).

    Raises:
        RefusalError: whatever the parameters break; -4116 for the id of an OPEN one.
    """
    chosen(params, "algoType", ("CONDITIONAL",), -1130)
    instrument = listed(venue.instruments, needed(params, "symbol"))
    side = chosen(params, "side", ("BUY", "SELL"), -1117)
    kind = chosen(params, "type", CONDITIONAL_TYPES, -1116)
    closes = flag_of(params.get("closePosition") or "false", "closePosition")
    is_limit = kind in {"STOP", "TAKE_PROFIT"}
    is_trailing = kind == "TRAILING_STOP_MARKET"
    if closes and (is_limit or is_trailing):
        raise RefusalError(-4136, type=kind)
    if closes and params.get("quantity"):
        raise RefusalError(-4137)
    if closes and params.get("reduceOnly"):
        raise RefusalError(-1106, name="reduceonly")
    quantity = ZERO if closes else quantity_of(params, instrument, is_market=not is_limit)
    tif = chosen(params, "timeInForce", (*TIMES_IN_FORCE, "GTE_GTC"), -1115, "GTC")
    algo = AlgoOrder(
        venue.algos.next_id(),
        client_id(params, "clientAlgoId", f"sim{venue.now_ms()}{len(account.book.algos)}"),
        instrument.symbol,
        side,
        kind,
        quantity,
        price_of(params, instrument) if is_limit else ZERO,
        ZERO if is_trailing else price_of(params, instrument, "triggerPrice"),
        venue.now_ms(),
        position_side(params, account),
        "GTE_GTC" if closes else tif,
        chosen(params, "workingType", ("MARK_PRICE", "CONTRACT_PRICE"), -1130, "CONTRACT_PRICE"),
        flag_of((params.get("priceProtect") or "false").lower(), "priceProtect"),
        closes,
        reduce_only(params, account),
        chosen(params, "selfTradePreventionMode", PREVENTIONS, -5039, default_prevention("algo")),
        good_till(params, venue.now_ms()),
    )
    if is_trailing:
        algo.callback_rate = decimal_of(needed(params, "callbackRate"), "callbackRate")
        if params.get("activatePrice"):
            algo.activate_price = price_of(params, instrument, "activatePrice")
    if account.book.has_open_algo_client_id(algo.client_id):
        raise RefusalError(-4116)
    return algo
