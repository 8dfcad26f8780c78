"""Orders and fills of the past, everywhere that Binance spot keeps them.

"Order does not exist" (-2013) is no proof: the query reads memory, then a database, and both have
been seen to lag. So an order is looked for in six places. What is returned is complete, or it
raises.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import OrderRejectedError, VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.ports.venue import OrderLookup, status_of
from tradebotd.venues.binance.calls import Call, Interface, side_by_side
from tradebotd.venues.binance.errors import Refusal
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.spot import paths
from tradebotd.venues.binance.spot.order_names import OrderNames, cancel_id, names_a_list
from tradebotd.venues.binance.spot.orders import OrderReader
from tradebotd.venues.binance.spot.trades import PAGE, Trades

NO_SUCH_ORDER: Final = -2013
ARCHIVED: Final = -2026
MOST_STRANGERS: Final = 10  # orders of recent trades that are looked at for our id
MANY_SYMBOLS: Final = paths.ALL_OPEN_ORDERS.weight // paths.OPEN_ORDERS.weight


@dataclass(frozen=True, slots=True)
class Seen:
    """An order that a list has. `row`: as it is told there, where that is the whole order."""

    number: str
    row: Node | None = None


class Lookups:
    """Questions about orders. None of them is refused as an order is."""

    def __init__(
        self,
        interface: Interface,
        reader: OrderReader,
        markets: Markets,
        time: ServerTime,
        names: OrderNames,
        *,
        trades: Trades,
    ) -> None:
        self._interface, self._trades = interface, trades
        self._reader, self._markets, self._time, self._names = reader, markets, time, names

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        with as_questions():
            return await self._trades.fills_since(since, symbols)

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        with as_questions():
            return await self._find(symbol, client_order_id)

    async def _find(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        market, asked = self._markets.market(symbol), {"order"}
        for params in self._ways(symbol, client_order_id):
            told = await self._interface.answer(paths.QUERY, {"symbol": market, **params})
            if isinstance(told, Node):
                told = await self._the_leg(market, client_order_id, told)
                return await self._found(symbol, client_order_id, told, asked)
            if told.code == ARCHIVED:
                return self._lookup(_archived(client_order_id), asked)
            if told.code != NO_SUCH_ORDER:
                raise self._interface.error_of(told)
        seen = await self._seen(market, client_order_id, asked)
        if seen is None:
            return self._lookup(None, asked)
        order = await self._queried(market, seen)
        return await self._found(symbol, client_order_id, order, asked)

    def _ways(self, symbol: str, client_order_id: ClientOrderId) -> Iterator[dict[str, str]]:
        """Yield how an order is asked for: by the venue's id (S17), by its own, by its cancel's."""
        number = self._names.number(symbol, client_order_id)
        if number is not None:
            yield {"orderId": number}
        for name in (client_order_id, cancel_id(client_order_id)):
            if name is not None:
                yield {"origClientOrderId": name}

    async def _queried(self, market: str, seen: "Seen") -> Node:
        """Return an order that a list has: as its query tells it, else as the list does."""
        params = {"symbol": market, "orderId": seen.number}
        told = await self._interface.answer(paths.QUERY, params)
        if isinstance(told, Node):
            return told
        if told.code != NO_SUCH_ORDER:
            raise self._interface.error_of(told)
        if seen.row is None:
            raise VenueUnavailableError(
                f"order {seen.number} of {market} is listed, and its query denies it"
            )
        return seen.row

    async def _the_leg(self, market: str, client_order_id: ClientOrderId, told: Node) -> Node:
        """Return the order itself where the id of a cancel has found an order of its list.

        That id is the same for all orders of the list. Raises VenueUnavailableError where the list
        does not say either which of them was placed by *client_order_id*.
        """
        known = self._names.number(self._markets.symbol(market), client_order_id)
        if not names_a_list(told) or str(told.integer("orderId")) == known:
            return told
        number = told.integer("orderListId")
        rows = await self._interface.ask(paths.ONE_LIST, {"orderListId": str(number)})
        for each in rows.rows("orders"):
            if each.text("clientOrderId") == client_order_id:
                leg = Seen(str(each.integer("orderId")))
                return await self._queried(market, leg)
        raise VenueUnavailableError(
            f"orders of list {number} of {market} have the id of their cancel: which of them was"
            f" {client_order_id} is not told"
        )

    async def _seen(
        self, market: str, client_order_id: ClientOrderId, asked: set[str]
    ) -> "Seen | None":
        """Return where an order is, that its query denies; None: no list has it."""
        of, all_there_may_be = {"symbol": market}, {"limit": str(PAGE)}
        places: tuple[tuple[str, Call, dict[str, str]], ...] = (
            ("openOrders", paths.OPEN_ORDERS, of),
            ("openOrderList", paths.OPEN_LISTS, {}),
            ("allOrders", paths.ALL_ORDERS, of | all_there_may_be),
            ("allOrderList", paths.ALL_LISTS, all_there_may_be),
        )
        numbers: set[int] = set()
        by_cancel: Node | None = None
        for name, call, params in places:
            told = await self._interface.ask(call, params)
            asked.add(name)
            for each in _orders_of(told):
                if each.text("symbol") != market:
                    continue
                number, is_order = each.integer("orderId"), each.has("status")
                numbers.add(number)
                if each.text("clientOrderId") == client_order_id:
                    return Seen(str(number), each if is_order else None)
                if is_order and each.text("clientOrderId") == cancel_id(client_order_id):
                    by_cancel = each
        if by_cancel is None:
            by_cancel = await self._among_strangers(market, client_order_id, numbers, asked)
        if by_cancel is None:
            return None
        leg = await self._the_leg(market, client_order_id, by_cancel)
        return Seen(str(leg.integer("orderId")), leg)

    async def _among_strangers(
        self, market: str, client_order_id: ClientOrderId, seen: set[int], asked: set[str]
    ) -> Node | None:
        """Look at the latest orders that have traded and that no list of orders has told."""
        params = {"symbol": market, "limit": str(PAGE)}
        told = await self._interface.ask(paths.TRADES, params)
        asked.add("myTrades")
        numbers = {each.integer("orderId") for each in told.items()} - seen
        names = {client_order_id, cancel_id(client_order_id)}
        for number in sorted(numbers, reverse=True)[:MOST_STRANGERS]:
            of = {"symbol": market, "orderId": str(number)}
            order = await self._interface.answer(paths.QUERY, of)
            if isinstance(order, Node) and order.text("clientOrderId") in names:
                return order
            if isinstance(order, Refusal) and order.code not in {NO_SUCH_ORDER, ARCHIVED}:
                raise self._interface.error_of(order)
        return None

    async def _found(
        self, symbol: str, client_order_id: ClientOrderId, told: Node, asked: Iterable[str]
    ) -> OrderLookup:
        """Return the order under the id that it was asked for by, with all its fills."""
        report = await self._with_fills(symbol, client_order_id, told)
        return self._lookup(report, asked)

    def _lookup(self, report: OrderReport | None, asked: Iterable[str]) -> OrderLookup:
        return OrderLookup(report=report, endpoints=frozenset(asked), venue_time=self._time.now())

    async def _with_fills(
        self, symbol: str, client_order_id: ClientOrderId, told: Node
    ) -> OrderReport:
        """Return the order with all its fills. Raises VenueUnavailableError while some lag."""
        report = replace(self._reader.order(told), client_order_id=client_order_id)
        self._names.learn(symbol, report)
        if not report.filled_quantity:
            return report
        market = self._markets.market(symbol)
        rows = await self._trades.of_order(market, report.venue_order_id)
        fills = tuple(self._reader.trade(each, report.client_order_id) for each in rows)
        traded = sum((fill.quantity for fill in fills), ZERO)
        if traded < report.filled_quantity:
            raise VenueUnavailableError(
                f"the trades of order {report.venue_order_id} lag behind it"
            )
        if traded > report.filled_quantity:  # it has traded between the two answers
            report = replace(report, filled_quantity=traded, status=_later(report, told, traded))
        return replace(report, fills=fills)

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        with as_questions():
            return await self._open_orders(symbols) if symbols else []

    async def _open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        if len(symbols) > MANY_SYMBOLS:
            answers = [await self._interface.ask(paths.ALL_OPEN_ORDERS)]
        else:
            markets = [self._markets.market(each) for each in sorted(symbols)]
            ask = partial(self._interface.ask, paths.OPEN_ORDERS)
            answers = await side_by_side([partial(ask, {"symbol": each}) for each in markets])
        reports = []
        for each in (order for told in answers for order in told.items()):
            report = self._reader.order(each)
            self._names.learn(self._markets.symbol(each.text("symbol")), report)
            reports.append(report)
        return reports


@contextmanager
def as_questions() -> Iterator[None]:
    """Raise VenueUnavailableError for what is refused here: no order was, and none is known of."""
    try:
        yield
    except OrderRejectedError as error:
        raise VenueUnavailableError(error.reason) from error


def _orders_of(told: Node) -> Iterable[Node]:
    """Yield orders of a list of orders, or of order lists."""
    for each in told.items():
        if each.has("orders"):
            yield from each.rows("orders")
        else:
            yield each


def _later(report: OrderReport, told: Node, traded: Decimal) -> OrderStatus:
    quantity = told.not_negative("origQty")
    if report.status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}:
        return status_of("NEW", traded, quantity)[0]
    return report.status


def _archived(client_order_id: ClientOrderId) -> OrderReport:
    """Return what is known of an order that ended without a fill more than 90 days ago."""
    return OrderReport(
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId("archived"),
        status=OrderStatus.CANCELED,
        reason="it ended without a fill more than 90 days ago (-2026)",
    )
