"""Orders that are sent, replaced and cancelled at Binance spot.

Each is sent once. A client order id is no idempotency key here: the same one is taken again as soon
as the order that had it is closed, and a market order is closed at once.
"""

from typing import Final

from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.side import Side
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.venue import Replaced, SendBlockedBy
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.binance.calls import Interface
from tradebotd.venues.binance.errors import CODES, Meaning, Refusal, filter_of, reason_of
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.refusal_names import name_of
from tradebotd.venues.binance.spot import paths
from tradebotd.venues.binance.spot.order_names import OrderNames, cancel_id
from tradebotd.venues.binance.spot.orders import (
    OrderReader,
    Requests,
    order_params,
    pair_params,
    replacement_params,
)
from tradebotd.venues.binance.unread_answers import answer_of

DONE_BY_HALF: Final = -2021
NOT_DONE: Final = -2022
OLD_ONE_GONE: Final = "the order before it is cancelled"


class Trading:
    def __init__(
        self, interface: Interface, reader: OrderReader, markets: Markets, names: OrderNames
    ) -> None:
        self._answer = interface.answer
        self._error_of = interface.error_of
        self._reader, self._markets, self._names = reader, markets, names

    async def submit(
        self, client_order_id: ClientOrderId, request: OrderRequest, blocked: SendBlockedBy
    ) -> OrderReport:
        assert_no_connection_held("an order is sent")
        params = order_params(client_order_id, request, self._markets.market(request.symbol))
        with answer_of(client_order_id):
            told = await self._answer(
                paths.PLACE,
                params,
                order=client_order_id,
                send_blocked_by=blocked,
                priority=urgency(request),
            )
            if isinstance(told, Refusal):
                raise self._error_of(told, client_order_id, self._name(told, request))
            return self._learned(request.symbol, self._reader.placed(told))

    async def submit_linked(self, orders: Requests, blocked: SendBlockedBy) -> list[OrderReport]:
        assert_no_connection_held("orders are sent")
        if not orders:
            raise OrderRejectedError("linked orders: there are none")
        first, request = orders[0]
        params = pair_params(orders, self._markets.market(request.symbol))
        with answer_of(first):
            told = await self._answer(
                paths.PLACE_PAIR,
                params,
                order=first,
                send_blocked_by=blocked,
                priority=urgency(request),
            )
            if isinstance(told, Refusal):
                raise self._error_of(told, first, self._name(told, *(each for _, each in orders)))
            reports = self._reader.pair(told, orders)
            return [self._learned(request.symbol, each) for each in reports]

    def _name(self, refusal: Refusal, *requests: OrderRequest) -> str | None:
        """Return the rule that refuses one of *requests*; None where no filter did."""
        named = [name_of(refusal, each, self._markets.instrument(each.symbol)) for each in requests]
        told = filter_of(refusal)
        return next((name for name in named if name is not told), told)

    async def replace(
        self,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        blocked: SendBlockedBy,
    ) -> Replaced:
        """Cancel *old* and place *new* in one call.

        One call, and not a cancel with an order behind it: the engine does both within one message,
        so the position is bare for no round trip, and where *old* cannot be cancelled nothing
        changes. The half that is dangerous, *old* gone and *new* refused, is told at once.
        """
        assert_no_connection_held("an order is replaced")
        if old == new:  # the venue would take the id again, once the old order is cancelled
            raise OrderRejectedError(f"duplicate client order id: {new}")
        params = order_params(new, request, self._markets.market(request.symbol))
        with answer_of(new):
            told = await self._answer(
                paths.REPLACE,
                replacement_params(old, params),
                order=new,
                send_blocked_by=blocked,
                priority=urgency(request),
            )
            if isinstance(told, Refusal):
                raise self._not_replaced(told, new, request)
            return Replaced(
                new=self._learned(
                    request.symbol, self._reader.placed(told.field("newOrderResponse"))
                ),
                old=self._reader.cancelled(told.field("cancelResponse"), old),
            )

    def _not_replaced(
        self, refusal: Refusal, new: ClientOrderId, request: OrderRequest
    ) -> Exception:
        """Return what the refusal of a replacement means. Raises MalformedAnswerError.

        S17, -2021 and -2022: by the code of each half. One that leaves the outcome of its half
        open, or that nobody knows, leaves the whole unknown: then the caller asks for both orders.
        """
        by_half = refusal.code in {DONE_BY_HALF, NOT_DONE} and refusal.status < 500
        if not by_half or refusal.told is None:
            return self._error_of(refusal, new, self._name(refusal, request))
        halves = refusal.told.field("data")
        cancelled = _half(halves, "cancelResult", "cancelResponse", refusal)
        placed = _half(halves, "newOrderResult", "newOrderResponse", refusal)
        if halves.text("newOrderResult") == "SUCCESS":
            return OutcomeUnknownError(new)  # it rests, and what it was to replace may, too
        refused = [half for half in (cancelled, placed) if half is not None]
        if not refused or any(_may_be_done(half) for half in refused):
            return OutcomeUnknownError(new)
        if placed is None:
            return OrderRejectedError(reason_of(refused[0]))
        reason = reason_of(placed, self._name(placed, request))
        rests = cancelled is not None
        return OrderRejectedError(reason if rests else f"{reason} ({OLD_ONE_GONE})")

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel the order; of a pair both, which the venue does by itself."""
        name = cancel_id(client_order_id)
        params = {
            "symbol": self._markets.market(symbol),
            "origClientOrderId": client_order_id,
            **({} if name is None else {"newClientOrderId": name}),
        }
        with answer_of(client_order_id):
            told = await self._answer(
                paths.CANCEL, params, order=client_order_id, priority=Priority.EXIT
            )
            if isinstance(told, Refusal):
                raise self._error_of(told, client_order_id, cancels=True)
            return self._reader.cancelled(told, client_order_id)

    def _learned(self, symbol: str, report: OrderReport) -> OrderReport:
        self._names.learn(symbol, report)
        return report


def urgency(request: OrderRequest) -> Priority:
    """Return in which order an order passes the gate: a spot bot buys to enter and sells to end."""
    if request.side is Side.BUY:
        return Priority.ENTRY
    return Priority.PROTECTIVE if request.type in CONDITIONAL else Priority.EXIT


def _half(halves: Node, result: str, response: str, whole: Refusal) -> Refusal | None:
    """Return the refusal of one half; None where it was done, or not attempted."""
    if halves.text(result) != "FAILURE":
        return None
    told = halves.field(response)
    return Refusal(status=whole.status, code=told.integer("code"), words=told.text("msg"))


def _may_be_done(half: Refusal) -> bool:
    return CODES.get(half.code or 0, Meaning.UNKNOWN) is Meaning.UNKNOWN
