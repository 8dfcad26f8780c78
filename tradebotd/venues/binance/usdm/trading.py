"""Orders that are sent to and cancelled at Binance USDT-M.

Each is sent once. A client order id is no idempotency key here: it is unique among open orders
alone (F8: that of an algo order, too), and a market order is closed at once.
"""

from dataclasses import replace
from typing import Final

import anyio
import structlog

from tradebotd.domain.errors import VenueError
from tradebotd.domain.filters import FilterName
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderRequest, OrderStatus
from tradebotd.domain.order_filters import broken_filters
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.quote import Quote
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.venue import SendBlockedBy
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.binance.calls import Call, Interface
from tradebotd.venues.binance.errors import Refusal, filter_of
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.unread_answers import answer_of
from tradebotd.venues.binance.usdm import paths
from tradebotd.venues.binance.usdm.expectations import Expectations
from tradebotd.venues.binance.usdm.lookups import NO_SUCH_ORDER, Lookups
from tradebotd.venues.binance.usdm.order_names import OrderNames, algo_id
from tradebotd.venues.binance.usdm.orders import OrderReader
from tradebotd.venues.binance.usdm.requests import Params, algo_params, order_params

log = structlog.get_logger(__name__)

FILLS_SECONDS: Final = 1.0  # that an order's report waits for the list of its trades
DONE: Final = "200"
PRECISION: Final = -1111
UNKNOWN_ORDER: Final = -2011
NOTHING_TO_CANCEL: Final = frozenset({UNKNOWN_ORDER, NO_SUCH_ORDER})
OF_PRECISION: Final = frozenset({FilterName.OFF_LOT, FilterName.OFF_TICK})


class Trading:
    def __init__(
        self,
        interface: Interface,
        reader: OrderReader,
        markets: Markets,
        names: OrderNames,
        lookups: Lookups,
        expectations: Expectations,
    ) -> None:
        self._answer, self._error_of = interface.answer, interface.error_of
        self._reader, self._markets, self._names = reader, markets, names
        self._lookups, self._expectations = lookups, expectations

    async def submit(
        self, client_order_id: ClientOrderId, request: OrderRequest, blocked: SendBlockedBy
    ) -> OrderReport:
        assert_no_connection_held("an order is sent")
        market = self._markets.market(request.symbol)
        waits = request.type in CONDITIONAL
        params = (algo_params if waits else order_params)(client_order_id, request, market)
        with answer_of(client_order_id):
            call = paths.PLACE_ALGO if waits else paths.PLACE
            told = await self._sent(call, params, client_order_id, request, blocked)
            report = self._reader.algo(told) if waits else self._reader.order(told)
            number = None if waits else told.integer("orderId")
        self._names.learn(request.symbol, report)
        self._expectations.expect(client_order_id)
        if number is None or not report.filled_quantity:
            return report
        return await self._with_fills(request.symbol, report, number)

    async def _with_fills(self, symbol: str, report: OrderReport, number: int) -> OrderReport:
        """Return *report* with its fills where they are told at once; else as it is.

        The order stands all the same, its stop is sent behind this answer, and the stream tells
        the fills.
        """
        why = f"no answer within {FILLS_SECONDS:g} s"
        with anyio.move_on_after(FILLS_SECONDS):
            try:
                return await self._lookups.with_fills(symbol, report, number)
            except VenueError as error:
                why = str(error)
        log.info("fills not told yet", order=report.client_order_id, error=why)
        return report

    async def _sent(
        self,
        call: Call,
        params: Params,
        order: ClientOrderId,
        request: OrderRequest,
        blocked: SendBlockedBy,
    ) -> Node:
        told = await self._answer(
            call, params, order=order, send_blocked_by=blocked, priority=urgency(request)
        )
        if isinstance(told, Refusal):
            raise self._error_of(told, order, self._name(told, request))
        return told

    def _name(self, refusal: Refusal, request: OrderRequest) -> str | None:
        """Return the rule that refuses; a precision (-1111) may be that of a lot or of a tick."""
        instrument = self._markets.instrument(request.symbol)
        if refusal.code != PRECISION or instrument is None:
            return filter_of(refusal)
        price = request.limit_price or request.stop_price or instrument.tick_size
        broken = broken_filters(request, instrument, Quote(last=price))
        return next((name for name, _ in broken if name in OF_PRECISION), filter_of(refusal))

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel the algo order of that id, else the order: a stop may have become one just now.

        Of an id that nobody here knows (the daemon is new) both are tried. Neither cancels what is
        not of this id, and what is gone already is refused.
        """
        assert_no_connection_held("an order is cancelled")
        known = self._names.order(symbol, client_order_id)
        if known is None or self._names.algo(symbol, client_order_id) is not None:
            told = await self._cancelled(
                paths.CANCEL_ALGO, {"clientAlgoId": client_order_id}, client_order_id
            )
            if isinstance(told, Node):
                with answer_of(client_order_id):
                    return self._algo_cancelled(symbol, client_order_id, told)
        of: Params = {"symbol": self._markets.market(symbol)}
        of |= {"origClientOrderId": client_order_id} if known is None else {"orderId": known}
        told = await self._cancelled(paths.CANCEL, of, client_order_id)
        if isinstance(told, Refusal):
            raise self._error_of(told, client_order_id, "nothing to cancel", cancels=True)
        with answer_of(client_order_id):
            report = replace(self._reader.order(told), client_order_id=client_order_id)
        self._names.learn(symbol, report)
        return report

    async def _cancelled(self, call: Call, params: Params, order: ClientOrderId) -> Node | Refusal:
        """Cancel by one of both ways; a refusal is returned where there is nothing of that id."""
        with answer_of(order):
            told = await self._answer(call, params, order=order, priority=Priority.EXIT)
        if isinstance(told, Refusal) and told.code not in NOTHING_TO_CANCEL:
            raise self._error_of(told, order, cancels=True)
        return told

    def _algo_cancelled(self, symbol: str, name: ClientOrderId, told: Node) -> OrderReport:
        """Read the answer, which has both ids and no state: with its code it is a yes.

        Raises MalformedAnswerError for one of another order, or of another code.
        """
        if told.text("code") != DONE or told.text("clientAlgoId") != name:
            raise told.malformed(f"is no yes to the cancel of {name}")
        report = OrderReport(
            client_order_id=name,
            venue_order_id=algo_id(told.integer("algoId")),
            status=OrderStatus.CANCELED,
        )
        self._names.learn(symbol, report)
        return report


def urgency(request: OrderRequest) -> Priority:
    """Return in which order an order passes the gate: what only reduces is never an entry."""
    if not request.reduce_only:
        return Priority.ENTRY
    return Priority.PROTECTIVE if request.type in CONDITIONAL else Priority.EXIT
