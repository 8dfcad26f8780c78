"""Orders that are sent, replaced and cancelled at Alpaca; each call is made once."""

from collections.abc import Callable

from tradebotd.domain.errors import OrderRejectedError, OutcomeUnknownError, VenueError
from tradebotd.domain.ids import ClientOrderId
from tradebotd.domain.order import OrderReport, OrderRequest
from tradebotd.domain.order_type import CONDITIONAL
from tradebotd.domain.side import Side
from tradebotd.net.answers import Value
from tradebotd.net.rate_limit import Priority
from tradebotd.ports.venue import Replaced, SendBlockedBy
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.alpaca import paths
from tradebotd.venues.alpaca.errors import (
    DUPLICATE,
    NOTHING_TO_CANCEL,
    Refusal,
    cancel_error_of,
    error_of,
    reason_of,
)
from tradebotd.venues.alpaca.lookups import Lookups
from tradebotd.venues.alpaca.names import OrderNames, named_orders
from tradebotd.venues.alpaca.orders import (
    SIDES,
    Body,
    OrderReader,
    Requests,
    is_live,
    order_body,
    pair_body,
    replacement_body,
)
from tradebotd.venues.alpaca.payload import id_of, reading, text_if_any
from tradebotd.venues.alpaca.rest import Rest
from tradebotd.venues.alpaca.symbols import Symbols

Expect = Callable[[str], None]


class Trading:
    """*expect*: is told of each order by its id: the order stream must speak of it."""

    def __init__(
        self,
        rest: Rest,
        reader: OrderReader,
        symbols: Symbols,
        names: OrderNames,
        lookups: Lookups,
        expect: Expect,
    ) -> None:
        self._rest, self._reader, self._symbols = rest, reader, symbols
        self._names, self._lookups, self._expect = names, lookups, expect

    async def submit(
        self, client_order_id: ClientOrderId, request: OrderRequest, blocked: SendBlockedBy
    ) -> OrderReport:
        assert_no_connection_held("an order is sent")
        body = order_body(client_order_id, request, self._symbols.market(request.symbol))
        with reading(client_order_id):
            told = await self._acted(paths.PLACE, client_order_id, body, blocked, urgency(request))
            _check_name(told, client_order_id)
            return self._taken(told, client_order_id, request)

    async def submit_linked(self, orders: Requests, blocked: SendBlockedBy) -> list[OrderReport]:
        """Send a pair as one OCO: the venue takes both, or none."""
        assert_no_connection_held("orders are sent")
        if not orders:
            raise OrderRejectedError("linked orders: there are none")
        for name, _ in orders:
            if self._names.order_id(name) is not None:  # the venue sees both ids as one
                raise OrderRejectedError(f"{DUPLICATE}: {name}")
        first, request = orders[0]
        pair, body = pair_body(orders, self._symbols.market(request.symbol))
        with reading(first):
            told = await self._acted(paths.PLACE, first, body, blocked, Priority.PROTECTIVE)
            _check_name(told, pair.name)
            self._names.learn_all(told)
            by_name = {name: each for each, name in named_orders(told)}
            if set(pair) - by_name.keys():
                raise told.wrong("does not tell of both orders of the pair")
            return [self._taken(by_name[name], name, request) for name, request in orders]

    async def replace(
        self,
        old: ClientOrderId,
        new: ClientOrderId,
        request: OrderRequest,
        blocked: SendBlockedBy,
    ) -> Replaced:
        """A8: ask for *new* in the place of *old*: a yes is a promise, which the stream keeps."""
        assert_no_connection_held("an order is replaced")
        market = self._symbols.market(request.symbol)
        body = replacement_body(new, request, market)
        with reading():
            order_id = await self._id_of(request.symbol, old, urgency(request))
        if order_id is None:
            raise OrderRejectedError(f"{old}: the venue has no such order to replace")
        if self._names.left_of_pair(order_id) == request.quantity:
            del body["qty"]  # of a pair it cannot be changed, and is refused as it is
        with reading(new):
            told = await self._acted(
                paths.REPLACE, new, body, blocked, urgency(request), of=order_id
            )
            _check_name(told, new)
            if text_if_any(told, "replaces") not in {None, order_id}:
                raise told["replaces"].wrong(f"is not the order {old}")
            report = self._taken(told, new, request)
            self._names.is_of_pair(order_id, report.venue_order_id, request.quantity)
            self._names.promise(order_id, report.venue_order_id)
            return Replaced(new=report)

    async def cancel(self, symbol: str, client_order_id: ClientOrderId) -> OrderReport:
        """Cancel the order; of a pair both, which the venue does by itself.

        204 says that it will be tried: what it is then is asked for, and `pending_cancel` is live.
        """
        assert_no_connection_held("an order is cancelled")
        with reading():
            order_id = await self._id_of(symbol, client_order_id, Priority.EXIT)
        if order_id is None:
            raise OrderRejectedError(f"{NOTHING_TO_CANCEL}: {client_order_id} is not known")
        refusal = await self._cancelled(order_id, client_order_id)
        if refusal is not None and refusal.says_too_late:
            tip = await self._to_cancel_instead(refusal, order_id, client_order_id)
            if isinstance(tip, OrderReport):
                return tip
            order_id = tip
            refusal = await self._cancelled(order_id, client_order_id)
        if refusal is not None:
            raise cancel_error_of(refusal, client_order_id)
        try:
            with reading(client_order_id):
                order = await self._lookups.by_id(order_id, Priority.EXIT)
                if order is not None:
                    if self._names.is_replacement(order_id):
                        return await self._lookups.whole(order, client_order_id, Priority.EXIT)
                    return self._reader.order(order, client_order_id)
        except VenueError as error:
            raise OutcomeUnknownError(client_order_id) from error
        raise OutcomeUnknownError(client_order_id)

    async def _cancelled(self, order_id: str, client_order_id: ClientOrderId) -> Refusal | None:
        with reading(client_order_id):
            told = await self._rest.answer(
                paths.CANCEL, of=order_id, order=client_order_id, priority=Priority.EXIT
            )
        return told if isinstance(told, Refusal) else None

    async def _to_cancel_instead(
        self, refusal: Refusal, order_id: str, client_order_id: ClientOrderId
    ) -> str | OrderReport:
        """Return the id of what is in the order's place, or the order where it is being cancelled.

        Raises OrderRejectedError where it is over, VenueUnavailableError where it is not.
        """
        with reading():
            order = await self._lookups.by_id(order_id, Priority.EXIT)
            chain = [] if order is None else await self._lookups.chain(order, Priority.EXIT)
            if not chain:
                raise cancel_error_of(refusal, client_order_id)
            ids = [id_of(each["id"]) for each in chain]
            self._names.follow(client_order_id, ids)
            if ids[-1] != order_id:
                return ids[-1]
            report = self._reader.order(chain[-1], client_order_id)
            if not is_live(report.status):
                raise OrderRejectedError(reason_of(refusal, NOTHING_TO_CANCEL))
            if chain[-1]["status"].text() == "pending_cancel":
                return report
            if self._names.promised(order_id) is not None:  # until our own replacement is decided
                raise OrderRejectedError(reason_of(refusal, "being replaced"))
        raise cancel_error_of(refusal, client_order_id)

    async def _id_of(
        self, symbol: str, client_order_id: ClientOrderId, priority: Priority
    ) -> str | None:
        """Return the id of the order, or of what is known to be in its place."""
        known = self._names.tip(client_order_id)
        if known is not None:
            return known
        found = await self._lookups.found(symbol, client_order_id, set(), priority)
        return None if found is None else id_of(found["id"])

    async def _acted(
        self,
        call: paths.Call,
        order: ClientOrderId,
        body: Body,
        blocked: SendBlockedBy,
        priority: Priority,
        of: str = "",
    ) -> Value:
        """Return the answer. Raises what a refusal means, OutcomeUnknownError, MisshapenError."""
        told = await self._rest.answer(
            call, of=of, body=body, order=order, send_blocked_by=blocked, priority=priority
        )
        if isinstance(told, Refusal):
            raise error_of(told, order)
        return told

    def _taken(self, told: Value, name: ClientOrderId, request: OrderRequest) -> OrderReport:
        """Read the order that was taken. Raises MisshapenError: it is about another one."""
        asked = (request.symbol, SIDES[request.side])
        if (self._symbols.symbol(told["symbol"].text()), told["side"].text()) != asked:
            raise told.wrong(f"is of another symbol or side than {name}")
        report = self._reader.order(told, name)
        self._names.learn(report.venue_order_id, name)
        if text_if_any(told, "order_class") != "oco":  # a stop of a pair may wait in silence
            self._expect(report.venue_order_id)
        return report


def _check_name(told: Value, name: str) -> None:
    """Raise MisshapenError where the order that was taken has not the client id *name*."""
    if told["client_order_id"].text() != name:
        raise told["client_order_id"].wrong(f"is not that of {name}")


def urgency(request: OrderRequest) -> Priority:
    """Return in which order an order passes the gate: a spot bot buys to enter and sells to end."""
    if request.side is Side.BUY:
        return Priority.ENTRY
    return Priority.PROTECTIVE if request.type in CONDITIONAL else Priority.EXIT
