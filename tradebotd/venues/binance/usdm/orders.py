"""Orders of Binance USDT-M: answers and events as reports. Pure.

A stop is an algo order until it is met. Then it becomes an order with an id of its own, under the
same client id, and that one is what trades and ends: our report of it has both ids.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.fill import Fill, Forced, forced_by_name
from tradebotd.domain.ids import ClientOrderId, TradeId, VenueName, VenueOrderId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.order_type import CONDITIONAL, OrderType, TimeInForce
from tradebotd.domain.quote import PriceKind
from tradebotd.domain.self_trade import SELF_TRADE
from tradebotd.domain.side import Side
from tradebotd.ports.venue import status_of
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import MalformedAnswerError, Node
from tradebotd.venues.binance.usdm.order_names import OrderNames, algo_id
from tradebotd.venues.binance.usdm.requests import (
    ORDER_TYPES,
    SIDES,
    TIMES,
    WITH_LIMIT,
    WORKING_TYPES,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")
_SIDES_TOLD: Final[Mapping[str, Side]] = {word: side for side, word in SIDES.items()}
_TIMES_TOLD: Final[Mapping[str, TimeInForce]] = {
    **{word: ours for ours, word in TIMES.items()},
    "GTX": TimeInForce.GTC,  # post-only: it rests like any other
}
_KINDS_TOLD: Final[Mapping[str, PriceKind]] = {word: kind for kind, word in WORKING_TYPES.items()}
CONDITIONAL_WORDS: Final = frozenset(
    {word for word, kind in ORDER_TYPES.items() if kind in CONDITIONAL} | {"TRAILING_STOP_MARKET"}
)
EXPIRED_IN_MATCH: Final = "EXPIRED_IN_MATCH"
FINISHED: Final = "FINISHED"
ALGO_LIVE: Final = frozenset({"TRIGGERING", "TRIGGERED"})  # it is becoming an order, or is one
TRADES: Final = frozenset({"TRADE", "CALCULATED"})  # executions; the latter of a liquidation
UNCHARGED: Final = "USDT"  # asset of no fee, of a market that is none of ours
NOT_ONE_ORDERS: Final = "adl_autoclose"  # an id that every deleveraged position's order has

# F13: words for `er` of ORDER_TRADE_UPDATE; "0": there is none.
EXPIRY_REASONS: Final[Mapping[str, str]] = {
    "1": SELF_TRADE,
    "2": "what an immediate order could not trade has expired",
    "3": SELF_TRADE,
    "4": "nothing was left to reduce",
    "5": "the account was liquidated",
    "6": "its position was closed",
    "7": "the symbol is delisted",
    "8": "its stop has triggered",
    "9": "what a market order could not trade has expired",
}


class Words(NamedTuple):
    """Names of an order's fields: those of answers, or the letters of events."""

    name: str
    id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: str
    price: str
    stop_price: str
    working: str
    reduces: str
    closes: str
    status: str
    at: str


OF_ORDER: Final = Words(
    *("clientOrderId", "orderId", "symbol", "side", "origType", "timeInForce", "origQty"),
    *("price", "stopPrice", "workingType", "reduceOnly", "closePosition", "status", "updateTime"),
)
OF_ALGO: Final = Words(
    *("clientAlgoId", "algoId", "symbol", "side", "orderType", "timeInForce", "quantity"),
    *("price", "triggerPrice", "workingType", "reduceOnly", "closePosition", "algoStatus"),
    "updateTime",
)
OF_ORDER_EVENT: Final = Words(
    *("c", "i", "s", "S", "ot", "f", "q", "p", "sp", "wt", "R", "cp", "X", "T"),
)
OF_ALGO_EVENT: Final = Words(
    *("caid", "aid", "s", "S", "o", "f", "q", "p", "tp", "wt", "R", "cp", "X", "T"),
)


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Reader of orders and fills. *names* tells which order was a stop, and under which id.

    Raises MalformedAnswerError.
    """

    venue: VenueName
    markets: Markets
    names: OrderNames

    def order(self, told: Node) -> OrderReport:
        """Read an order of an answer: of a question, a list, a placement, or a cancel.

        An answer to a placement has neither fills nor an average price (since July 2026).
        """
        return self._order(told, OF_ORDER, told.not_negative("executedQty"))

    def algo(self, told: Node) -> OrderReport:
        """Read an algo order of an answer: its own state, and not that of what it became.

        `actualQty` is no quantity that was traded: the vendor's examples have it of a cancelled
        order, too. So what was traded is asked of the order itself.
        """
        return self._algo(told, told, OF_ALGO, told.text_if_any("actualOrderId"))

    def unread(self, told: Node) -> OrderReport:
        """Return what is known of a row of which nothing but its ids can be read."""
        is_algo = told.has("algoId")
        words = OF_ALGO if is_algo else OF_ORDER
        number = told.integer(words.id)
        return OrderReport(
            client_order_id=client_id(told.text(words.name), number),
            venue_order_id=algo_id(number) if is_algo else VenueOrderId(str(number)),
            status=OrderStatus.UNKNOWN,
            reason="the venue tells it in a form that cannot be read",
        )

    def order_event(self, event: Node) -> OrderReport:
        """Read an ORDER_TRADE_UPDATE; F13: `er` says why an order has expired."""
        told = event.field("o")
        report = self._order(told, OF_ORDER_EVENT, told.not_negative("z"))
        fill = self._event_fill(told, report)
        reason = report.reason
        if report.status is OrderStatus.EXPIRED and reason is None:
            reason = expiry_reason(told)
        return replace(report, fills=() if fill is None else (fill,), reason=reason)

    def algo_event(self, event: Node) -> OrderReport:
        """Read an ALGO_UPDATE; F5: `rm` is why it was rejected, or has expired."""
        told = event.field("o")
        report = self._algo(told, event, OF_ALGO_EVENT, told.text_if_any("ai"))
        if report.status in {OrderStatus.REJECTED, OrderStatus.EXPIRED}:
            reason = told.text_if_any("rm") or "the venue tells no reason"
            return replace(report, reason=reason)
        return report

    def trade(self, told: Node, name: ClientOrderId | None) -> Fill:
        """Read a row of the list of trades, which has the venue's id of its order alone."""
        return Fill(
            venue=self.venue,
            symbol=self.markets.symbol(told.text("symbol")),
            trade_id=TradeId(str(told.integer("id"))),
            client_order_id=name,
            side=_one_of(told, "side", _SIDES_TOLD),
            quantity=told.not_negative("qty"),
            price=told.not_negative("price"),
            fee=told.decimal("commission"),
            fee_asset=told.text("commissionAsset"),
            executed_at=told.instant("time"),
            venue_order_id=VenueOrderId(str(told.integer("orderId"))),
            forced=None if name is None else forced_by_name(name),
        )

    def _order(self, told: Node, words: Words, filled: Decimal) -> OrderReport:
        number = told.integer(words.id)
        symbol = self.markets.symbol(told.text(words.symbol))
        own_id = VenueOrderId(str(number))
        name = self.names.name(symbol, own_id) or client_id(told.text(words.name), number)
        first_id = self.names.algo(symbol, name)
        quantity = told.not_negative(words.quantity)
        status, reason = status_of(told.text(words.status), filled, quantity)
        if told.text(words.status) == EXPIRED_IN_MATCH:
            reason = SELF_TRADE
        return OrderReport(
            client_order_id=name,
            venue_order_id=first_id or own_id,
            other_ids=() if first_id is None else (own_id,),
            status=status,
            filled_quantity=filled,
            reason=reason,
            at=told.instant(words.at),
            asked=self._asked(told, words, quantity),
            forced=forced_of(name),
        )

    def _algo(self, told: Node, timed: Node, words: Words, became: str | None) -> OrderReport:
        number = told.integer(words.id)
        name = client_id(told.text(words.name), number)
        word, quantity = told.text(words.status), told.not_negative(words.quantity)
        status, reason = algo_status(word)
        symbol = self.markets.symbol(told.text(words.symbol))
        if status is OrderStatus.REJECTED or status is OrderStatus.EXPIRED:
            reason = self.names.reason(symbol, name)
        return OrderReport(
            client_order_id=name,
            venue_order_id=algo_id(number),
            other_ids=() if not became else (_order_number(told, became),),
            status=status,
            reason=reason,
            at=timed.instant(words.at),
            asked=self._asked(told, words, quantity),
        )

    def _event_fill(self, told: Node, report: OrderReport) -> Fill | None:
        quantity, trade = told.not_negative("l"), told.integer("t")
        if told.text("x") not in TRADES or not quantity or trade <= 0:
            return None  # without its number it is asked for in the list of trades
        symbol = told.text("s")
        fee, fee_asset = told.decimal_if_any("n") or ZERO, told.text_if_any("N")
        if fee and not fee_asset:
            raise told.malformed("has a fee 'n' of no asset")
        return Fill(
            venue=self.venue,
            symbol=self.markets.symbol(symbol),
            trade_id=TradeId(str(trade)),
            client_order_id=report.client_order_id,
            side=_one_of(told, "S", _SIDES_TOLD),
            quantity=quantity,
            price=told.not_negative("L"),
            fee=fee,  # left out where nothing is charged
            fee_asset=fee_asset or self.markets.quote_asset(symbol) or UNCHARGED,
            executed_at=told.instant("T"),
            venue_order_id=VenueOrderId(str(told.integer("i"))),
            forced=report.forced,
        )

    def _asked(self, told: Node, words: Words, quantity: Decimal) -> OrderRequest | None:
        """Return what the order asks for; None where that cannot be read: its state counts more."""
        try:
            return self._request(told, words, quantity)
        except MalformedAnswerError as error:
            log.warning("order request not read", venue=self.venue, error=str(error))
            return None

    def _request(self, told: Node, words: Words, quantity: Decimal) -> OrderRequest | None:
        """Return what the order asks for; None where it is none of ours in type or time.

        A market order is told as GTC, and is immediate all the same.
        """
        kind = ORDER_TYPES.get(told.text(words.type))
        lasts = _TIMES_TOLD.get(told.text(words.time_in_force))
        closes = told.has(words.closes) and told.flag(words.closes)
        if kind is None or lasts is None or closes:
            return None
        waits = kind in CONDITIONAL
        return OrderRequest(
            venue=self.venue,
            symbol=self.markets.symbol(told.text(words.symbol)),
            side=_one_of(told, words.side, _SIDES_TOLD),
            type=kind,
            time_in_force=TimeInForce.IOC if kind is OrderType.MARKET else lasts,
            quantity=quantity,
            position_type=PositionType.FUTURES,
            limit_price=told.price_if_any(words.price) if kind in WITH_LIMIT else None,
            stop_price=told.price_if_any(words.stop_price) if waits else None,
            reduce_only=told.flag(words.reduces),
            working_price=_one_of(told, words.working, _KINDS_TOLD) if waits else PriceKind.LAST,
        )


def algo_status(word: str) -> tuple[OrderStatus, str | None]:
    """Return our state of an algo order.

    FINISHED does not say how: what it became has filled, or was cancelled, or has expired. So it is
    `unknown` until that order is asked.
    """
    if word in ALGO_LIVE:
        return OrderStatus.NEW, None
    return status_of(word)


def expiry_reason(told: Node) -> str | None:
    """F13: return why an order has expired; None where it is not told."""
    code = told.text_if_any("er")
    if code is None or code == "0":
        return None
    return EXPIRY_REASONS.get(code, f"expiry reason {code}")


def client_id(told: str, number: int) -> ClientOrderId:
    """Return the id that an order is known by: one that many may have is told with its number."""
    if not told or told == NOT_ONE_ORDERS:
        return ClientOrderId(f"{told or 'venue'}-{number}")
    return ClientOrderId(told)


def forced_of(name: ClientOrderId) -> Forced | None:
    """Return how the venue closes a position by an order of that name; None: somebody sent it."""
    return forced_by_name(name)


def became_of(told: Node) -> int | None:
    """Return the id of what an algo order became; None while it waits, or where it never did."""
    became = told.text_if_any("actualOrderId")
    return int(_order_number(told, became)) if became else None


def _order_number(told: Node, text: str) -> VenueOrderId:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise told.malformed(f"has no number of an order, but {text[:20]!r}")
    return VenueOrderId(str(int(text)))


def _one_of(told: Node, name: str, words: Mapping[str, T]) -> T:
    found = words.get(told.text(name))
    if found is None:
        raise told.field(name).malformed(f"is none of {', '.join(words)}")
    return found
