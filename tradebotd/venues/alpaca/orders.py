"""Orders of Alpaca: requests as JSON; answers and events of theirs as reports. Pure.

Numbers are sent as text. Fractions of a share are orders of the day, whatever their type; crypto is
GTC or IOC. Extended hours are never asked for (A2): stops do not run then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Context, Decimal, localcontext
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
from tradebotd.domain.side import Side
from tradebotd.net.answers import Value
from tradebotd.ports.venue import status_of
from tradebotd.venues.alpaca.names import LONGEST, Pair
from tradebotd.venues.alpaca.payload import (
    amount_if_any,
    id_of,
    instant_of,
    not_negative,
    text_if_any,
)
from tradebotd.venues.alpaca.symbols import Symbols, is_crypto

Body = dict[str, object]
Requests = Sequence[tuple[ClientOrderId, OrderRequest]]

SIDES: Final[Mapping[Side, str]] = {Side.BUY: "buy", Side.SELL: "sell"}
TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "market",
    OrderType.LIMIT: "limit",
    OrderType.STOP_MARKET: "stop",
    OrderType.STOP_LIMIT: "stop_limit",
}
CRYPTO_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT})
WITH_LIMIT: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
STOPS: Final = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT})
_TYPES_TOLD: Final = MappingProxyType({word: ours for ours, word in TYPES.items()})
_SIDES_TOLD: Final = MappingProxyType({word: side for side, word in SIDES.items()})
_TIMES_TOLD: Final = MappingProxyType({each.value: each for each in TimeInForce})
# [reported] Of the notional of a trade, for the smallest volume: what crypto pays at most. No trade
# tells its fee; it is booked on the next day, and taken at once: of a buy in coins, else in USD.
CRYPTO_FEE: Final = Decimal("0.0025")
SOLD_BY_TARGET: Final = "the rest was sold by its target"
FEE_SCALE: Final = Decimal("1e-9")
_EXACT: Final = Context(prec=200)  # of what an answer may hold, so that no product is too long


def order_body(client_order_id: ClientOrderId, request: OrderRequest, market: str) -> Body:
    """Return a single order as JSON. Raises OrderRejectedError: it cannot be said here."""
    _check(client_order_id, request, market)
    body: Body = {
        "symbol": market,
        "side": SIDES[request.side],
        "type": TYPES[request.type],
        "qty": plain(request.quantity),
        "time_in_force": _lasts(request, market),
        "client_order_id": client_order_id,
        **_intent(request, market),
    }
    if request.type in WITH_LIMIT:
        body["limit_price"] = _price(request.limit_price, "limit price")
    if request.type in CONDITIONAL:
        body["stop_price"] = _price(request.stop_price, "stop price")
    return body


def _intent(request: OrderRequest, market: str) -> Body:
    """Return what keeps a sale from opening a short position: spot sells what it holds.

    A margin account would sell short otherwise.
    """
    if request.side is Side.BUY or is_crypto(market):
        return {}
    return {"position_intent": "sell_to_close"}


def _lasts(request: OrderRequest, market: str) -> str:
    """Return the time in force. Raises OrderRejectedError."""
    lasts = request.time_in_force
    if is_crypto(market):
        if request.type is OrderType.MARKET:
            return "ioc"
        if lasts in {TimeInForce.GTC, TimeInForce.IOC} and not (
            request.type is OrderType.STOP_LIMIT and lasts is TimeInForce.IOC
        ):
            return lasts.value
    elif is_fraction(request.quantity):
        if lasts in {TimeInForce.DAY, TimeInForce.GTC} or request.type is OrderType.MARKET:
            return "day"  # the only one that fractions have (`fractions_end_with_the_day`)
    elif lasts in {TimeInForce.DAY, TimeInForce.GTC} or request.type not in CONDITIONAL:
        return lasts.value
    raise OrderRejectedError(f"{FilterName.TIME_IN_FORCE}: {request.type} orders are not {lasts}")


def is_fraction(quantity: Decimal) -> bool:
    return quantity % 1 != 0


def pair_body(orders: Requests, market: str) -> tuple[Pair, Body]:
    """Return an OCO as JSON: a limit order that is the target, with its stop beside it.

    A12: both last as the target does, whatever the stop says; so the target is GTC, always. An OCO
    is refused that would not end a position, so it says no more of that.
    Raises OrderRejectedError.
    """
    if len(orders) != 2:
        raise OrderRejectedError(f"linked orders: two are taken, not {len(orders)}")
    for name, request in orders:
        _check(name, request, market)
    stops = [each for each in orders if each[1].type in STOPS]
    targets = [each for each in orders if each[1].type is OrderType.LIMIT]
    if len(stops) != 1 or len(targets) != 1:
        raise OrderRejectedError(
            f"{FilterName.ORDER_TYPE}: of linked orders one is a stop, and the other a limit order"
        )
    (stop_name, stop), (target_name, target) = stops[0], targets[0]
    if (stop.symbol, stop.side, stop.quantity) != (target.symbol, target.side, target.quantity):
        raise OrderRejectedError("linked orders: they differ in symbol, side or quantity")
    if stop_name == target_name:
        raise OrderRejectedError(f"duplicate client order id: {stop_name}")
    if is_crypto(market):
        raise OrderRejectedError(f"{FilterName.ORDER_TYPE}: crypto has no linked orders")
    if is_fraction(target.quantity):
        raise OrderRejectedError(f"{FilterName.OFF_LOT}: linked orders are of whole shares")
    pair = Pair(target_name, stop_name)
    if len(pair.name) > LONGEST:
        raise OrderRejectedError("client order id: both together are too long for this venue")
    loss: Body = {"stop_price": _price(stop.stop_price, "stop price")}
    if stop.type is OrderType.STOP_LIMIT:
        loss["limit_price"] = _price(stop.limit_price, "limit price")
    return pair, {
        "symbol": market,
        "side": SIDES[target.side],
        "type": "limit",
        "qty": plain(target.quantity),
        "time_in_force": "gtc",
        "order_class": "oco",
        "client_order_id": pair.name,
        "take_profit": {"limit_price": _price(target.limit_price, "limit price")},
        "stop_loss": loss,
    }


def replacement_body(client_order_id: ClientOrderId, request: OrderRequest, market: str) -> Body:
    """Return what is to change of an order. Raises OrderRejectedError.

    A8: whole shares only; the type cannot change, so only prices that *request* has are sent.
    """
    _check(client_order_id, request, market)
    if is_fraction(request.quantity) and not is_crypto(market):
        raise OrderRejectedError(f"{FilterName.OFF_LOT}: only orders of whole shares are replaced")
    body: Body = {"client_order_id": client_order_id, "qty": plain(request.quantity)}
    if request.type in WITH_LIMIT:
        body["limit_price"] = _price(request.limit_price, "limit price")
    if request.type in CONDITIONAL:
        body["stop_price"] = _price(request.stop_price, "stop price")
    return body


def _check(client_order_id: ClientOrderId, request: OrderRequest, market: str) -> None:
    if not 0 < len(client_order_id) <= LONGEST or "." in client_order_id:
        raise OrderRejectedError(f"client order id: {client_order_id!r} is none for this venue")
    if request.position_type is not PositionType.SPOT or request.reduce_only:
        raise OrderRejectedError("it has no futures positions, and nothing to reduce")
    taken = CRYPTO_TYPES if is_crypto(market) else TYPES.keys()
    if request.type not in taken:
        raise OrderRejectedError(
            f"{FilterName.ORDER_TYPE}: {request.type} is none of {', '.join(sorted(taken))}"
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
    """Reader of orders and fills. Raises MisshapenError.

    *size_of*: how much an order was to trade at first, by its id, where the venue makes it less.
    """

    venue: VenueName
    symbols: Symbols
    size_of: Callable[[str], Decimal | None] = lambda _: None

    def order(self, told: Value, name: ClientOrderId, fills: Sequence[Fill] = ()) -> OrderReport:
        """Read an order, which is *name* with us; *fills*: those of it that are known."""
        filled = not_negative(told["filled_qty"])
        quantity = amount_if_any(told, "qty")
        status, reason = status_of(told["status"].text(), filled, quantity)
        size = self.size_of(id_of(told["id"]))
        if size is not None and quantity is not None and size > quantity:
            # The target of the pair has sold a part of it, and the stop was made smaller: to us it
            # is the order that was sent, which ends without that part.
            quantity = size
            if status is OrderStatus.FILLED and filled < size:
                status, reason = OrderStatus.CANCELED, SOLD_BY_TARGET
        return OrderReport(
            client_order_id=name,
            venue_order_id=VenueOrderId(id_of(told["id"])),
            status=status,
            filled_quantity=filled,
            reason=reason,
            at=_changed_at(told),
            fills=tuple(fills),
            asked=self._asked(told, quantity),
        )

    def activity(self, told: Value, name: ClientOrderId | None) -> Fill:
        """Read a FILL of the account's activities, which has the venue's id of its order alone."""
        return self._fill(
            told,
            name=name,
            order_id=id_of(told["order_id"]),
            market=told["symbol"].text(),
            side=told["side"],
            total=not_negative(told["cum_qty"]),
            at=instant_of(told["transaction_time"]),
        )

    def execution(self, event: Value, name: ClientOrderId) -> Fill:
        """Read the fill that an event of the stream tells."""
        order = event["order"]
        return self._fill(
            event,
            name=name,
            order_id=id_of(order["id"]),
            market=order["symbol"].text(),
            side=order["side"],
            total=not_negative(order["filled_qty"]),
            at=instant_of(event["timestamp"]),
        )

    def _fill(
        self,
        told: Value,
        *,
        name: ClientOrderId | None,
        order_id: str,
        market: str,
        side: Value,
        total: Decimal,
        at: datetime,
    ) -> Fill:
        quantity, price = not_negative(told["qty"]), not_negative(told["price"])
        ours = _side(side)
        fee, asset = self._fee(market, ours, quantity, price)
        return Fill(
            venue=self.venue,
            symbol=self.symbols.symbol(market),
            trade_id=trade_id(order_id, total),
            client_order_id=name,
            side=ours,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset=asset,
            executed_at=at,
            venue_order_id=VenueOrderId(order_id),
        )

    def _fee(
        self, market: str, side: Side, quantity: Decimal, price: Decimal
    ) -> tuple[Decimal, str]:
        """Return what a fill cost, which no answer tells: crypto its highest rate, shares nothing.

        Taken for more than it is, it leaves less to sell than is held, never more.
        """
        quote = self.symbols.quote_asset(market)
        if not is_crypto(self.symbols.market(self.symbols.symbol(market))):
            return ZERO, quote
        if side is Side.BUY:
            return _fee_of(quantity), self.symbols.base_asset(market)
        return _fee_of(_EXACT.multiply(quantity, price)), quote

    def _asked(self, told: Value, quantity: Decimal | None) -> OrderRequest | None:
        """Return what the order asks for; None where its type, its time in force or its measure is
        none of ours (a trailing stop, an auction, an amount of money).
        """
        market = text_if_any(told, "symbol")
        kind = _TYPES_TOLD.get(told["type"].text())
        lasts = _TIMES_TOLD.get(told["time_in_force"].text())
        if market is None or kind is None or lasts is None or quantity is None:
            return None
        return OrderRequest(
            venue=self.venue,
            symbol=self.symbols.symbol(market),
            side=_side(told["side"]),
            type=kind,
            time_in_force=lasts,
            quantity=quantity,
            limit_price=amount_if_any(told, "limit_price") if kind in WITH_LIMIT else None,
            stop_price=amount_if_any(told, "stop_price") if kind in CONDITIONAL else None,
        )


def _fee_of(amount: Decimal) -> Decimal:
    """Return the fee of *amount*, rounded up.

    One that is a unit too small makes a position of more than is held, and the venue refuses every
    exit of it.
    """
    with localcontext(_EXACT):
        return (amount * CRYPTO_FEE).quantize(FEE_SCALE, rounding=ROUND_CEILING)


def trade_id(order_id: str, total: Decimal) -> TradeId:
    """Return the identity of a fill: its order, and what is filled of it with this one.

    The stream has an id of each execution, the list of activities one of each activity, and no
    document says that they are the same: the total is told by both.
    """
    return TradeId(f"{order_id}:{plain(total.normalize())}")


def is_live(status: OrderStatus) -> bool:
    return status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN}


def _changed_at(told: Value) -> datetime | None:
    """A6: read when the order changed last; `submitted_at` and `created_at` need not be equal."""
    for name in ("updated_at", "submitted_at", "created_at"):
        found = told.get(name)
        if found is not None:
            return instant_of(found)
    return None


def _side(told: Value) -> Side:
    return _SIDES_TOLD[told.one_of(tuple(_SIDES_TOLD))]
