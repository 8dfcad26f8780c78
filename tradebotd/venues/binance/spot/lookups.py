"""Orders and fills of the past, everywhere that Binance spot keeps them.

"Order does not exist" (-2013) is no proof: the query reads memory, then a database, and both have
been seen to lag. So an order is looked for in six places; a list is read in windows and pages until
it ends. What is returned is complete, or it raises.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.ports.venue import OrderLookup, status_of
from tradebotd.venues.binance.calls import Call, Interface, side_by_side
from tradebotd.venues.binance.errors import Refusal
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node, to_ms
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.spot import paths
from tradebotd.venues.binance.spot.orders import OrderReader, cancel_id

NO_SUCH_ORDER: Final = -2013
ARCHIVED: Final = -2026
PAGE: Final = 1000
LONGEST: Final = timedelta(hours=24)  # of one question for trades or orders
MOST_WINDOWS: Final = 800  # of a day each: two years
MOST_PAGES: Final = 1000
MOST_NAMES: Final = 20_000  # client ids by the venue's
MOST_STRANGERS: Final = 10  # orders of recent trades that are looked at for our id
MANY_SYMBOLS: Final = paths.ALL_OPEN_ORDERS.weight // paths.OPEN_ORDERS.weight


class OrderNames:
    """Client ids of orders by market and the venue's id, as answers and events have told them."""

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[str, VenueOrderId], ClientOrderId] = OrderedDict()
        self._numbers: dict[tuple[str, ClientOrderId], VenueOrderId] = {}

    def learn(self, symbol: str, report: OrderReport) -> None:
        """Learn an order, which keeps the id that it was known by first, not a cancel's."""
        key = (symbol, report.venue_order_id)
        name = self._names.setdefault(key, report.client_order_id)
        self._names.move_to_end(key)
        self._numbers[symbol, name] = report.venue_order_id
        if len(self._names) > MOST_NAMES:
            (where, _), forgotten = self._names.popitem(last=False)
            self._numbers.pop((where, forgotten), None)

    def number(self, symbol: str, name: ClientOrderId) -> VenueOrderId | None:
        return self._numbers.get((symbol, name))

    def name(self, symbol: str, order: VenueOrderId) -> ClientOrderId | None:
        return self._names.get((symbol, order))


class Lookups:
    """Questions about orders and fills."""

    def __init__(
        self,
        interface: Interface,
        reader: OrderReader,
        markets: Markets,
        time: ServerTime,
        names: OrderNames,
    ) -> None:
        self._ask, self._answer = interface.ask, interface.answer
        self._error_of = interface.error_of
        self._reader, self._markets, self._time, self._names = reader, markets, time, names

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        market, asked = self._markets.market(symbol), {"order"}
        for params in self._ways(symbol, client_order_id):
            told = await self._answer(paths.QUERY, {"symbol": market, **params})
            if isinstance(told, Node):
                return await self._found(symbol, client_order_id, told, asked)
            if told.code == ARCHIVED:
                return self._lookup(_archived(client_order_id), asked)
            if told.code != NO_SUCH_ORDER:
                raise self._error_of(told)
        number = await self._number_of(market, client_order_id, asked)
        if number is None:
            return self._lookup(None, asked)
        order = await self._ask(paths.QUERY, {"symbol": market, "orderId": number})
        return await self._found(symbol, client_order_id, order, asked)

    def _ways(self, symbol: str, client_order_id: ClientOrderId) -> Iterator[dict[str, str]]:
        """Yield how an order is asked for: by its id, by that of its cancel, by the venue's."""
        for name in (client_order_id, cancel_id(client_order_id)):
            if name is not None:
                yield {"origClientOrderId": name}
        number = self._names.number(symbol, client_order_id)
        if number is not None:
            yield {"orderId": number}

    async def _number_of(
        self, market: str, client_order_id: ClientOrderId, asked: set[str]
    ) -> str | None:
        """Return the venue's id of an order that its query denies; None: no list has it."""
        of, all_there_may_be = {"symbol": market}, {"limit": str(PAGE)}
        places: tuple[tuple[str, Call, dict[str, str]], ...] = (
            ("openOrders", paths.OPEN_ORDERS, of),
            ("openOrderList", paths.OPEN_LISTS, {}),
            ("allOrders", paths.ALL_ORDERS, of | all_there_may_be),
            ("allOrderList", paths.ALL_LISTS, all_there_may_be),
        )
        seen: set[int] = set()
        names = {client_order_id, cancel_id(client_order_id)}
        for name, call, params in places:
            told = await self._ask(call, params)
            asked.add(name)
            for each in _orders_of(told):
                number = each.integer("orderId")
                if each.text("symbol") != market:
                    continue
                seen.add(number)
                if each.text("clientOrderId") in names:
                    return str(number)
        return await self._among_strangers(market, client_order_id, seen, asked)

    async def _among_strangers(
        self, market: str, client_order_id: ClientOrderId, seen: set[int], asked: set[str]
    ) -> str | None:
        """Look at the latest orders that have traded and that no list of orders has told."""
        told = await self._ask(paths.TRADES, {"symbol": market, "limit": str(PAGE)})
        asked.add("myTrades")
        numbers = {each.integer("orderId") for each in told.items()} - seen
        for number in sorted(numbers, reverse=True)[:MOST_STRANGERS]:
            order = await self._answer(paths.QUERY, {"symbol": market, "orderId": str(number)})
            names = {client_order_id, cancel_id(client_order_id)}
            if isinstance(order, Node) and order.text("clientOrderId") in names:
                return str(number)
            if isinstance(order, Refusal) and order.code not in {NO_SUCH_ORDER, ARCHIVED}:
                raise self._error_of(order)
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
        params = {"symbol": self._markets.market(symbol), "orderId": report.venue_order_id}
        rows = await self._pages(paths.TRADES_OF_ORDER, params, "0")
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
        if not symbols:
            return []
        if len(symbols) > MANY_SYMBOLS:
            answers = [await self._ask(paths.ALL_OPEN_ORDERS)]
        else:
            answers = await side_by_side(
                [
                    partial(self._ask, paths.OPEN_ORDERS, {"symbol": self._markets.market(each)})
                    for each in sorted(symbols)
                ]
            )
        reports = []
        for each in (order for told in answers for order in told.items()):
            report = self._reader.order(each)
            self._names.learn(self._markets.symbol(each.text("symbol")), report)
            reports.append(report)
        return reports

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        told = await side_by_side(
            [partial(self._fills_of, each, since) for each in sorted(symbols)] if symbols else []
        )
        fills = [fill for each in told for fill in each]
        return sorted(fills, key=lambda fill: (fill.executed_at, fill.symbol, int(fill.trade_id)))

    async def _fills_of(self, symbol: str, since: datetime) -> list[Fill]:
        market = self._markets.market(symbol)
        rows = await self._trades_since(market, since)
        numbers = {each.integer("orderId") for each in rows}
        unnamed = {
            number
            for number in numbers
            if self._names.name(symbol, VenueOrderId(str(number))) is None
        }
        if unnamed:
            await self._learn_names(symbol, min(unnamed))
        return [
            self._reader.trade(
                each, self._names.name(symbol, VenueOrderId(str(each.integer("orderId"))))
            )
            for each in rows
        ]

    async def _learn_names(self, symbol: str, first: int) -> None:
        """Learn the client ids of orders from *first* on: one page, the rest stay without one."""
        params = {
            "symbol": self._markets.market(symbol),
            "orderId": str(first),
            "limit": str(PAGE),
        }
        for each in (await self._ask(paths.ALL_ORDERS, params)).items():
            self._names.learn(symbol, self._reader.order(each))

    async def _trades_since(self, market: str, since: datetime) -> list[Node]:
        """Return the trades from *since* on: by windows of a day to the first, then by their ids.

        A question may span 24 hours; ids of trades rise within a symbol.
        """
        start, end = to_ms(since), to_ms(self._time.now() + timedelta(minutes=1))
        step = LONGEST // timedelta(milliseconds=1)
        for _ in range(MOST_WINDOWS):
            window = {
                "symbol": market,
                "startTime": str(start),
                "endTime": str(min(start + step, end)),
                "limit": str(PAGE),
            }
            rows = list((await self._ask(paths.TRADES, window)).items())
            if rows:
                after = {"symbol": market}
                return rows + await self._pages(
                    paths.TRADES, after, str(rows[-1].integer("id") + 1)
                )
            start += step
            if start > end:
                return []
        raise VenueUnavailableError(f"trades of {market} since {since} are too far back")

    async def _pages(self, call: Call, params: dict[str, str], first: str) -> list[Node]:
        """Return all trades from the id *first* on, page by page."""
        found: list[Node] = []
        for _ in range(MOST_PAGES):
            told = await self._ask(call, {**params, "fromId": first, "limit": str(PAGE)})
            rows = list(told.items())
            found += rows
            if len(rows) < PAGE:
                return found
            last = rows[-1].integer("id")
            if last < int(first):
                raise told.malformed("goes back")
            first = str(last + 1)
        raise VenueUnavailableError(f"{call.path}: more than {MOST_PAGES} pages")


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
