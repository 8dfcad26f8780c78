"""Orders of Binance spot: requests as parameters; answers and events of theirs as reports.

Pure. Each order says how it is answered (S4: an ACK never tells that an order has expired) and what
becomes of it when it would meet another order of the account: the resting one expires.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from tradebotd.domain.decimals import ZERO, plain
from tradebotd.domain.errors import OrderRejectedError
from tradebotd.domain.fill import Fill
from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.order_type import CONDITIONAL, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.self_trade import SELF_TRADE
from tradebotd.domain.side import Side
from tradebotd.ports.venue import status_of
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.spot.order_names import ALONE, CLIENT_ID, cancel_id, placed_as

Params = dict[str, str]
Requests = Sequence[tuple[ClientOrderId, OrderRequest]]

SIDES: Final[Mapping[Side, str]] = {Side.BUY: "BUY", Side.SELL: "SELL"}
TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP_MARKET: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
ORDER_TYPES: Final[Mapping[str, OrderType]] = MappingProxyType(
    {word: ours for ours, word in TYPES.items()}
)
_TYPES_TOLD: Final[Mapping[str, OrderType]] = {**ORDER_TYPES, "LIMIT_MAKER": OrderType.LIMIT}
_SIDES_TOLD: Final[Mapping[str, Side]] = {word: side for side, word in SIDES.items()}
TIMES: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}
_TIMES_TOLD: Final[Mapping[str, TimeInForce]] = {word: ours for ours, word in TIMES.items()}
WITH_LIMIT: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
STOPS: Final = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
SELF_TRADES: Final = {"selfTradePreventionMode": "EXPIRE_MAKER"}
EXPIRED_IN_MATCH: Final = "EXPIRED_IN_MATCH"
OCO_TRIGGER: Final = "OCO_TRIGGER"


def order_params(client_order_id: ClientOrderId, request: OrderRequest, market: str) -> Params:
    """Return the parameters of a single order. Raises OrderRejectedError: it cannot be said here.

    *market*: the venue's name of the symbol.
    """
    _check(client_order_id, request)
    params = {
        "symbol": market,
        "side": SIDES[request.side],
        "type": TYPES[request.type],
        "quantity": plain(request.quantity),
        "newClientOrderId": client_order_id,
        "newOrderRespType": _answered(request.type),
        **SELF_TRADES,
    }
    if request.type in WITH_LIMIT:
        params["timeInForce"] = TIMES[request.time_in_force]
        params["price"] = _price(request.limit_price, "limit price")
    if request.type in CONDITIONAL:
        params["stopPrice"] = _price(request.stop_price, "stop price")
    return params


def _answered(kind: OrderType) -> str:
    """S4: return how an order is answered: with its fills where it may trade at once."""
    return "RESULT" if kind in CONDITIONAL else "FULL"


def pair_params(orders: Requests, market: str) -> Params:
    """Return the parameters of an OCO: a stop and its target. Raises OrderRejectedError."""
    if len(orders) != 2:
        raise OrderRejectedError(f"linked orders: two are taken, not {len(orders)}")
    for each in orders:
        _check(*each)
    (one_id, one), (other_id, other) = orders
    if (one.symbol, one.side, one.quantity) != (other.symbol, other.side, other.quantity):
        raise OrderRejectedError("linked orders: they differ in symbol, side or quantity")
    if len({one_id, other_id}) != 2:
        raise OrderRejectedError(f"duplicate client order id: {one_id}")
    stops = [each for each in (one.type, other.type) if each in STOPS]
    if len(stops) != 1 or OrderType.MARKET in {one.type, other.type}:
        raise OrderRejectedError("linked orders: one is to be a stop, and the other its target")
    below, above = sorted(orders, key=lambda each: _level(each[1]))
    return {
        "symbol": market,
        "side": SIDES[one.side],
        "quantity": plain(one.quantity),
        **_leg("above", *above),
        **_leg("below", *below),
        "newOrderRespType": "RESULT",
        **SELF_TRADES,
    }


def _level(request: OrderRequest) -> Decimal:
    """Return where an order of a pair stands: its stop price, or its limit where it has none."""
    level = request.limit_price if request.type is OrderType.LIMIT else request.stop_price
    if level is None:
        raise OrderRejectedError(f"linked orders: a {request.type} order without its price")
    return level


def _leg(name: str, client_order_id: ClientOrderId, request: OrderRequest) -> Params:
    is_limit = request.type is OrderType.LIMIT
    leg: Params = {"ClientOrderId": client_order_id}
    leg["Type"] = "LIMIT_MAKER" if is_limit else TYPES[request.type]
    if request.type in CONDITIONAL:
        leg["StopPrice"] = _price(request.stop_price, "stop price")
    if request.type in WITH_LIMIT:
        leg["Price"] = _price(request.limit_price, "limit price")
        if not is_limit:  # a LIMIT_MAKER rests until it is cancelled, and takes no other time
            leg["TimeInForce"] = TIMES[request.time_in_force]
    return {name + word: value for word, value in leg.items()}


def replacement_params(old: ClientOrderId, params: Params) -> Params:
    """Return the parameters by which the order of *params* takes the place of *old*.

    STOP_ON_FAILURE and DO_NOTHING: where *old* cannot be cancelled, or no order may be placed now
    (the count of unfilled orders), *old* rests as before. S17: also an order that was not attempted
    counts as one.
    """
    name = cancel_id(old)
    return {
        **params,
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "orderRateLimitExceededMode": "DO_NOTHING",
        "cancelOrigClientOrderId": old,
        **({} if name is None else {"cancelNewClientOrderId": name}),
    }


def _check(client_order_id: ClientOrderId, request: OrderRequest) -> None:
    if not CLIENT_ID.fullmatch(client_order_id):
        raise OrderRejectedError(f"client order id: {client_order_id!r} is none for this venue")
    if request.position_type is not PositionType.SPOT or request.reduce_only:
        raise OrderRejectedError("spot has no futures positions, and nothing to reduce")
    if request.type in WITH_LIMIT and request.time_in_force not in TIMES:
        raise OrderRejectedError(
            f"{FilterName.TIME_IN_FORCE}: {request.time_in_force} is none of {', '.join(TIMES)}"
        )
    if request.type in CONDITIONAL and request.working_price is not PriceKind.LAST:
        raise OrderRejectedError(
            f"{FilterName.WORKING_PRICE}: stops are compared with the last price, not with the"
            f" {request.working_price}"
        )


def _price(price: Decimal | None, name: str) -> str:
    if price is None:
        raise OrderRejectedError(f"an order of that type needs a {name}")
    return plain(price)


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Reader of orders and fills.

    *symbol_of*: our name of a market of the venue's. *quote_of*: what the market is paid in, None
    where that is not known.

    Raises MalformedAnswerError.
    """

    venue: VenueName
    symbol_of: Callable[[str], str]
    quote_of: Callable[[str], str | None]

    def order(
        self,
        told: Node,
        fills: Sequence[Fill] | None = None,
        *,
        client_id: str = "clientOrderId",
        at: str = "updateTime",
    ) -> OrderReport:
        """Read an order of an answer; *fills*: those of it, where the answer has none itself.

        *client_id*: the field with the id that the order was placed by (a cancel's own is in
        `clientOrderId`); *at*: the field with the time.
        """
        in_list = told.has("orderListId") and told.integer("orderListId") != ALONE
        name = placed_as(told.text(client_id), told.integer("orderId"), in_list=in_list)
        instant = told.instant(at)
        if fills is None and told.has("fills"):
            fills = [self._own_fill(each, told, name, instant) for each in told.rows("fills")]
        filled, quantity = told.not_negative("executedQty"), told.not_negative("origQty")
        if filled > quantity > 0:  # ordered by what it is to cost, it asks for no quantity
            raise told.malformed("has traded more than it asks for")
        status, reason = _state(
            told.text("status"), told.text_if_any("expiryReason"), filled, quantity
        )
        return OrderReport(
            client_order_id=name,
            venue_order_id=VenueOrderId(str(told.integer("orderId"))),
            status=status,
            filled_quantity=filled,
            reason=reason,
            at=instant,
            fills=tuple(fills or ()),
            asked=self._asked(
                told,
                Words("symbol", "side", "type", "timeInForce", "price", "stopPrice"),
                quantity,
            ),
        )

    def placed(self, told: Node) -> OrderReport:
        """Read the answer to a placement; fills that it tells are all that have happened."""
        report = self.order(told, at="transactTime")
        if told.has("fills"):
            traded = sum((fill.quantity for fill in report.fills), ZERO)
            if traded != report.filled_quantity:
                raise told.malformed(f"has fills of {traded}, not of {report.filled_quantity}")
        return report

    def cancelled(self, told: Node, client_order_id: ClientOrderId) -> OrderReport:
        """Read the answer to a cancel: of one order, or of the list that it belongs to."""
        if not told.has("orderReports"):
            return self.order(told, client_id="origClientOrderId", at="transactTime")
        for each in told.rows("orderReports"):
            if each.text("origClientOrderId") == client_order_id:
                return self.order(each, client_id="origClientOrderId", at="transactTime")
        raise told.malformed(f"does not tell of {client_order_id}")

    def pair(self, told: Node, orders: Requests) -> list[OrderReport]:
        """Read the answer to an OCO, in the order in which its legs were asked for."""
        by_id = {each.text("clientOrderId"): each for each in told.rows("orderReports")}
        missing = [name for name, _ in orders if name not in by_id]
        if missing:
            raise told.malformed(f"does not tell of {', '.join(missing)}")
        return [self.placed(by_id[name]) for name, _ in orders]

    def trade(self, told: Node, client_order_id: ClientOrderId | None) -> Fill:
        """Read a row of the list of trades, which has the venue's id of its order alone."""
        return Fill(
            venue=self.venue,
            symbol=self.symbol_of(told.text("symbol")),
            trade_id=TradeId(str(told.integer("id"))),
            client_order_id=client_order_id,
            side=Side.BUY if told.flag("isBuyer") else Side.SELL,
            quantity=told.not_negative("qty"),
            price=told.not_negative("price"),
            fee=told.decimal("commission"),
            fee_asset=told.text("commissionAsset"),
            executed_at=told.instant("time"),
            venue_order_id=VenueOrderId(str(told.integer("orderId"))),
        )

    def event(self, told: Node) -> OrderReport:
        """Read an `executionReport` of the user stream.

        Behind a cancel `c` is the cancel's own id, and `C` the order's.
        """
        number = told.integer("i")
        original = told.text_if_any("C") if told.text("x") == "CANCELED" else None
        in_list = told.has("g") and told.integer("g") != ALONE
        name = placed_as(original or told.text("c"), number, in_list=in_list)
        filled, quantity = told.not_negative("z"), told.not_negative("q")
        if filled > quantity > 0:  # ordered by what it is to cost, it asks for no quantity
            raise told.malformed("has traded more than it asks for")
        status, reason = _state(told.text("X"), told.text_if_any("eR"), filled, quantity)
        if reason is None and told.text("r") != "NONE":
            reason = told.text("r")
        return OrderReport(
            client_order_id=name,
            venue_order_id=VenueOrderId(str(number)),
            status=status,
            filled_quantity=filled,
            reason=reason,
            at=told.instant("T"),
            fills=(self._event_fill(told, name),) if told.text("x") == "TRADE" else (),
            asked=self._asked(told, Words("s", "S", "o", "f", "p", "P"), quantity),
        )

    def _event_fill(self, told: Node, name: ClientOrderId) -> Fill:
        """Read the trade of an event. One that was free may name no asset of its commission."""
        fee, symbol = told.decimal("n"), self.symbol_of(told.text("s"))
        fee_asset = told.text_if_any("N")
        if fee_asset is None:
            fee_asset = self.quote_of(told.text("s"))
            if fee or fee_asset is None:
                raise told.malformed("has a commission without an asset")
        return Fill(
            venue=self.venue,
            symbol=symbol,
            trade_id=TradeId(str(told.integer("t"))),
            client_order_id=name,
            side=_one_of(told, "S", _SIDES_TOLD),
            quantity=told.not_negative("l"),
            price=told.not_negative("L"),
            fee=fee,
            fee_asset=fee_asset,
            executed_at=told.instant("T"),
            venue_order_id=VenueOrderId(str(told.integer("i"))),
        )

    def _own_fill(self, told: Node, order: Node, name: ClientOrderId, at: datetime) -> Fill:
        """Read a fill of an order's own answer, which has the order's time for all of them."""
        return Fill(
            venue=self.venue,
            symbol=self.symbol_of(order.text("symbol")),
            trade_id=TradeId(str(told.integer("tradeId"))),
            client_order_id=name,
            side=_one_of(order, "side", _SIDES_TOLD),
            quantity=told.not_negative("qty"),
            price=told.not_negative("price"),
            fee=told.decimal("commission"),
            fee_asset=told.text("commissionAsset"),
            executed_at=at,
            venue_order_id=VenueOrderId(str(order.integer("orderId"))),
        )

    def _asked(self, told: Node, words: "Words", quantity: Decimal) -> OrderRequest | None:
        """Return what the order asks for; None where its type or time in force is none of ours.

        A market order is told as GTC, and is immediate all the same.
        """
        kind = _TYPES_TOLD.get(told.text(words.type))
        lasts = _TIMES_TOLD.get(told.text(words.time_in_force))
        if kind is None or lasts is None:
            return None
        return OrderRequest(
            venue=self.venue,
            symbol=self.symbol_of(told.text(words.symbol)),
            side=_one_of(told, words.side, _SIDES_TOLD),
            type=kind,
            time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else lasts,
            quantity=quantity,
            limit_price=told.price_if_any(words.price) if kind in WITH_LIMIT else None,
            stop_price=told.price_if_any(words.stop_price) if kind in CONDITIONAL else None,
        )


@dataclass(frozen=True, slots=True)
class Words:
    """Names of an order's fields: those of answers, or the letters of events."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    price: str
    stop_price: str


def _one_of(told: Node, name: str, words: Mapping[str, Side]) -> Side:
    found = words.get(told.text(name))
    if found is None:
        raise told.field(name).malformed(f"is none of {', '.join(words)}")
    return found


def _state(
    word: str, expiry: str | None, filled: Decimal, quantity: Decimal
) -> tuple[OrderStatus, str | None]:
    """S3, S4: return our state and its reason, which of an expired order is why it expired.

    The leg of a pair that makes way for the other one is told as expired; nothing is lost by it, so
    it is cancelled here. Any other stop that has expired has left its position bare, by the price
    range above all (EXECUTION_RULE_PRICE_RANGE_EXCEEDED), and says so.
    """
    status, reason = status_of(word, filled, quantity)
    if word == EXPIRED_IN_MATCH:
        return status, SELF_TRADE
    if status is OrderStatus.EXPIRED and expiry == OCO_TRIGGER:
        return OrderStatus.CANCELED, OCO_TRIGGER
    return status, expiry if status is OrderStatus.EXPIRED else reason
