"""Orders of the past, everywhere that Binance USDT-M keeps them.

"Order does not exist" (-2013) is no proof: the query reads memory, then a database, and conditional
orders have been seen to be forgotten for half an hour. So an order is looked for in seven places.
F2, F8: what was cancelled or has expired without a fill is forgotten after three days.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from tradebotd.domain.decimals import ZERO
from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.ids import ClientOrderId, VenueOrderId
from tradebotd.domain.order import OrderReport, OrderStatus
from tradebotd.ports.venue import OrderLookup, status_of
from tradebotd.venues.binance.calls import Call, Interface, side_by_side
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import MalformedAnswerError, Node, to_ms
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.usdm import paths
from tradebotd.venues.binance.usdm.order_names import FAILED, OrderNames
from tradebotd.venues.binance.usdm.orders import CONDITIONAL_WORDS, OrderReader, became_of
from tradebotd.venues.binance.usdm.trades import PAGE, REACH, Trades

log = structlog.get_logger(__name__)

NO_SUCH_ORDER: Final = -2013
FORGOTTEN: Final = timedelta(days=3)
LAGS: Final = timedelta(minutes=10)  # trades behind their order, at most
BEFORE: Final = timedelta(minutes=1)  # that a stop's order may have traded: before its trigger
ALGO_ENDED: Final = frozenset({"FINISHED", "CANCELED", "EXPIRED", "REJECTED"})
MOST_STRANGERS: Final = 10  # orders of recent trades that are looked at for our id
MANY_SYMBOLS: Final = paths.ALL_OPEN_ORDERS.weight // paths.OPEN_ORDERS.weight


class Lookups:
    def __init__(
        self,
        interface: Interface,
        reader: OrderReader,
        markets: Markets,
        time: ServerTime,
        names: OrderNames,
        trades: Trades,
    ) -> None:
        self._ask, self._answer = interface.ask, interface.answer
        self._error_of = interface.error_of
        self._reader, self._markets, self._time = reader, markets, time
        self._names, self._trades = names, trades

    async def find_order(self, symbol: str, client_order_id: ClientOrderId) -> OrderLookup:
        """Ask for the order, then for the algo order, of that id; then look into each list."""
        asked: set[str] = set()
        ways = [self._as_order, self._as_algo]
        if self._names.algo(symbol, client_order_id) is not None:
            ways.reverse()
        report: OrderReport | None = None
        for way in ways:
            report = report or await way(symbol, client_order_id, asked)
        report = report or await self._in_lists(symbol, client_order_id, asked)
        if report is not None:
            report = replace(report, client_order_id=client_order_id)
            self._names.learn(symbol, report)
        return OrderLookup(report=report, endpoints=frozenset(asked), venue_time=self._time.now())

    async def _as_order(
        self, symbol: str, name: ClientOrderId, asked: set[str]
    ) -> OrderReport | None:
        """Return the order; where it was a stop once, with the id that it had then."""
        asked.add("order")
        of = {"symbol": self._markets.market(symbol), "origClientOrderId": name}
        told = await self._told(paths.QUERY, of)
        if told is None:
            return None
        if told.text("origType") in CONDITIONAL_WORDS:
            stop = await self._as_algo(symbol, name, asked)
            if stop is not None:
                return stop
        return await self._with_fills(symbol, told)

    async def _as_algo(
        self, symbol: str, name: ClientOrderId, asked: set[str]
    ) -> OrderReport | None:
        """Return the algo order of that id; its question knows no symbol, so it is compared."""
        asked.add("algoOrder")
        told = await self._told(paths.QUERY_ALGO, {"clientAlgoId": name})
        if told is None or told.text("symbol") != self._markets.market(symbol):
            return None
        return await self._algo_with_fills(symbol, told)

    async def _told(self, call: Call, params: dict[str, str]) -> Node | None:
        told = await self._answer(call, params)
        if isinstance(told, Node):
            return told
        if told.code != NO_SUCH_ORDER:
            raise self._error_of(told)
        return None

    async def _in_lists(
        self, symbol: str, name: ClientOrderId, asked: set[str]
    ) -> OrderReport | None:
        of = {"symbol": self._markets.market(symbol)}
        page = {"limit": str(PAGE)}
        seen: set[int] = set()
        for place, call, params in (
            ("openAlgoOrders", paths.OPEN_ALGOS, of),
            ("openOrders", paths.OPEN_ORDERS, of),
            ("allAlgoOrders", paths.ALL_ALGOS, of | page),
            ("allOrders", paths.ALL_ORDERS, of | page),
        ):
            told = await self._ask(call, params)
            asked.add(place)
            for each in told.items():
                if each.text("symbol") != of["symbol"]:
                    continue
                if each.has("clientAlgoId"):
                    if each.text("clientAlgoId") == name:
                        return await self._algo_with_fills(symbol, each)
                    continue
                seen.add(each.integer("orderId"))
                if each.text("clientOrderId") == name:
                    return await self._with_fills(symbol, each)
        return await self._among_strangers(symbol, name, seen, asked)

    async def _among_strangers(
        self, symbol: str, name: ClientOrderId, seen: set[int], asked: set[str]
    ) -> OrderReport | None:
        """Look at the latest orders that have traded and that no list of orders has told."""
        market = self._markets.market(symbol)
        told = await self._ask(paths.TRADES, {"symbol": market, "limit": str(PAGE)})
        asked.add("userTrades")
        numbers = {each.integer("orderId") for each in told.items()} - seen
        for number in sorted(numbers, reverse=True)[:MOST_STRANGERS]:
            order = await self._told(paths.QUERY, {"symbol": market, "orderId": str(number)})
            if order is not None and order.text("clientOrderId") == name:
                return await self._with_fills(symbol, order)
        return None

    async def _algo_with_fills(self, symbol: str, told: Node) -> OrderReport:
        """Return an algo order, with the state and the fills of what it became."""
        algo = self._reader.algo(told)
        self._names.learn(symbol, algo)
        number = became_of(told)
        if number is None:
            return algo
        of = {"symbol": self._markets.market(symbol), "orderId": str(number)}
        order = await self._told(paths.QUERY, of)
        if order is not None:
            became = await self._with_fills(symbol, order)
            heard = self._names.reason(symbol, algo.client_order_id)
            return replace(
                became,
                client_order_id=algo.client_order_id,
                venue_order_id=algo.venue_order_id,
                other_ids=algo.other_ids,
                asked=algo.asked,
                reason=became.reason or (heard if became.status in FAILED else None),
            )
        if not await self._was_forgotten(of["symbol"], told, number):
            raise VenueUnavailableError(f"order {number} is not told, that a stop has become")
        return replace(
            algo,
            status=OrderStatus.EXPIRED,
            reason="it ended without a fill more than 3 days ago",
        )

    async def _was_forgotten(self, market: str, algo: Node, number: int) -> bool:
        """F2: return whether an order that is denied has ended without a fill, and long ago.

        Its stop must have ended, more than three days ago, and no trade be told of the order.
        """
        if algo.text("algoStatus") not in ALGO_ENDED:
            return False
        updated = algo.instant("updateTime")
        triggered = algo.instant("triggerTime") if algo.has("triggerTime") else updated
        if self._time.now() - max(updated, triggered) < FORGOTTEN:
            return False
        since = min(each for each in (updated, triggered) if to_ms(each))
        return not await self._trades.of_order_since(market, number, since - BEFORE)

    async def with_fills(self, symbol: str, report: OrderReport, number: int) -> OrderReport:
        """Return what was placed with its fills, which no answer to a placement has.

        Raises VenueError: then the stream tells them, or who asks again.
        """
        return await self._filled(symbol, report, number)

    async def _with_fills(self, symbol: str, told: Node) -> OrderReport:
        report = self._reader.order(told)
        self._names.learn(symbol, report)
        if not report.filled_quantity:
            return report
        found = await self._filled(symbol, report, told.integer("orderId"))
        has_traded = found.filled_quantity > report.filled_quantity  # between the two answers
        if has_traded and report.status in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}:
            quantity = told.not_negative("origQty")
            found = replace(found, status=status_of("NEW", found.filled_quantity, quantity)[0])
        return found

    async def _filled(self, symbol: str, report: OrderReport, number: int) -> OrderReport:
        """Return *report* with all its fills. Raises VenueUnavailableError while some lag.

        By the order's number first, which no document says to reach beyond a week; what is missing
        then, and is no lag any more, is looked for window by window.
        """
        market = self._markets.market(symbol)
        rows = await self._trades.of_order(market, number)
        told = sum((each.not_negative("qty") for each in rows), ZERO)
        now = self._time.now()
        if told < report.filled_quantity and report.at is not None and now - report.at > LAGS:
            rows = await self._trades.of_order_since(market, number, now - REACH + BEFORE)
        fills = tuple(self._reader.trade(each, report.client_order_id) for each in rows)
        traded = sum((fill.quantity for fill in fills), ZERO)
        if traded < report.filled_quantity:
            raise VenueUnavailableError(f"the trades of order {number} lag behind it")
        return replace(report, fills=fills, filled_quantity=traded)

    async def open_orders(self, symbols: Collection[str]) -> Sequence[OrderReport]:
        """F4: return what rests in both places: orders, and the algo orders beside them."""
        if not symbols:
            return []
        asks = (
            [partial(self._ask, paths.ALL_OPEN_ORDERS), partial(self._ask, paths.ALL_OPEN_ALGOS)]
            if len(symbols) > MANY_SYMBOLS
            else [
                partial(self._ask, call, {"symbol": self._markets.market(each)})
                for each in sorted(symbols)
                for call in (paths.OPEN_ORDERS, paths.OPEN_ALGOS)
            ]
        )
        rows = [each for told in await side_by_side(asks) for each in told.items()]
        rows.sort(key=lambda each: not each.has("algoId"))  # what a stop became is known by it
        await self._learn_stops(rows)
        return _each_once((each.text("symbol"), self._learned(each)) for each in rows)

    async def _learn_stops(self, rows: Iterable[Node]) -> None:
        """Learn of which stops those orders are that were one, where no list has the stop."""
        told = {each.text("clientAlgoId") for each in rows if each.has("clientAlgoId")}
        for each in rows:
            kind, name = each.text_if_any("origType"), each.text_if_any("clientOrderId")
            symbol = self._markets.symbol(each.text("symbol"))
            if kind not in CONDITIONAL_WORDS or name is None or name in told:
                continue
            number = VenueOrderId(str(each.integer("orderId")))
            known = self._names.name(symbol, number) or ClientOrderId(name)
            if self._names.algo(symbol, known) is None:
                stop = await self._told(paths.QUERY_ALGO, {"clientAlgoId": name})
                if stop is not None and stop.text("symbol") == each.text("symbol"):
                    self._names.learn(symbol, self._reader.algo(stop))

    def _learned(self, told: Node) -> OrderReport:
        """Return what rests; one that cannot be read hides no other: its state is unknown."""
        try:
            report = self._reader.algo(told) if told.has("algoId") else self._reader.order(told)
        except MalformedAnswerError as error:
            log.error("open order not read", error=str(error))  # noqa: TRY400
            return self._reader.unread(told)
        self._names.learn(self._markets.symbol(told.text("symbol")), report)
        return report


def _each_once(reports: Iterable[tuple[str, OrderReport]]) -> list[OrderReport]:
    """Return each order of a market once; of a stop that is told in both places, what it became.

    Ids count up within a market, so those of two markets may be equal.
    """
    found: dict[tuple[str, VenueOrderId], OrderReport] = {}
    for market, report in reports:
        key = market, report.venue_order_id
        known = found.get(key)
        if known is None or not known.other_ids or report.filled_quantity > known.filled_quantity:
            found[key] = report
    return list(found.values())
