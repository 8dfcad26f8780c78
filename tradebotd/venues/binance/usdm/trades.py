"""Fills of Binance USDT-M: windows of seven days to the first, then pages by their ids.

What is returned is complete, or it raises.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueOrderId
from tradebotd.venues.binance.calls import Interface, side_by_side
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node, to_ms
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.usdm import paths
from tradebotd.venues.binance.usdm.order_names import OrderNames
from tradebotd.venues.binance.usdm.orders import CONDITIONAL_WORDS, OrderReader

log = structlog.get_logger(__name__)

PAGE: Final = 1000
LONGEST: Final = timedelta(days=7) - timedelta(seconds=1)  # of one question: no whole week
REACH: Final = timedelta(days=89)  # F1: three months back, and no further
MOST_PAGES: Final = 1000
MOST_ASKED: Final = 200  # orders that are asked for one by one
NO_SUCH_ORDER: Final = -2013
A_MINUTE: Final = timedelta(minutes=1)


class Trades:
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

    async def of_order(self, market: str, number: int) -> list[Node]:
        """Return the trades of one order, page by page.

        From the first id on: without one the latest page is told, and of the last seven days alone.
        """
        return await self._pages({"symbol": market, "orderId": str(number)}, 0)

    async def of_order_since(self, market: str, number: int, since: datetime) -> list[Node]:
        """Return the trades of one order from *since* on: found by windows, however old they are.

        Raises VenueUnavailableError for what is out of reach.
        """
        rows = await self._rows_since(market, since)
        return [each for each in rows if each.integer("orderId") == number]

    async def since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        told = await side_by_side(
            [partial(self._fills_of, each, since) for each in sorted(symbols)] if symbols else []
        )
        fills = [fill for each in told for fill in each]
        return sorted(fills, key=lambda fill: (fill.executed_at, fill.symbol, int(fill.trade_id)))

    async def _fills_of(self, symbol: str, since: datetime) -> list[Fill]:
        rows = await self._rows_since(self._markets.market(symbol), since)
        numbers = {each.integer("orderId") for each in rows}
        unnamed = {n for n in numbers if self._names.name(symbol, _id(n)) is None}
        if unnamed:
            await self._learn_names(symbol, unnamed)
        return [
            self._reader.trade(each, self._names.name(symbol, _id(each.integer("orderId"))))
            for each in rows
        ]

    async def _learn_names(self, symbol: str, unnamed: set[int]) -> None:
        """Learn the client ids of *unnamed* orders: by a page of them, then one by one.

        What stops became is learned from the stops: nothing says that both are of one name.
        Raises VenueUnavailableError where too many are on no page.
        """
        of = {"symbol": self._markets.market(symbol), "limit": str(PAGE)}
        first = {**of, "orderId": str(min(unnamed))}
        orders = list((await self._ask(paths.ALL_ORDERS, first)).items())
        left = unnamed - {each.integer("orderId") for each in orders}
        if len(left) > MOST_ASKED:
            raise VenueUnavailableError(f"{len(left)} orders of {symbol} that traded have no name")
        for number in sorted(left):
            alone = {"symbol": of["symbol"], "orderId": str(number)}
            told = await self._answer(paths.QUERY, alone)
            if isinstance(told, Node):
                orders.append(told)
            elif told.code != NO_SUCH_ORDER:
                raise self._error_of(told)
            else:
                log.warning("order of trades not told", symbol=symbol, order=number)
        if any(each.text("origType") in CONDITIONAL_WORDS for each in orders):
            for each in (await self._ask(paths.ALL_ALGOS, of)).items():
                self._names.learn(symbol, self._reader.algo(each))
        for each in orders:
            self._names.learn(symbol, self._reader.order(each))

    async def _rows_since(self, market: str, since: datetime) -> list[Node]:
        """F1: return the trades from *since* on, which may be no older than three months."""
        now = self._time.now()
        if since < now - REACH:
            raise VenueUnavailableError(f"trades of {market} before {now - REACH} are not told")
        start, end = since, now + A_MINUTE
        while start <= end:
            window = {
                "symbol": market,
                "startTime": str(to_ms(start)),
                "endTime": str(to_ms(min(start + LONGEST, end))),
                "limit": str(PAGE),
            }
            rows = list((await self._ask(paths.TRADES, window)).items())
            if rows:
                after = rows[-1].integer("id") + 1
                return rows + await self._pages({"symbol": market}, after)
            start += LONGEST
        return []

    async def _pages(self, of: dict[str, str], first: int) -> list[Node]:
        """Return all trades from the id *first* on: ids rise within a symbol."""
        found: list[Node] = []
        for _ in range(MOST_PAGES):
            params = {**of, "fromId": str(first), "limit": str(PAGE)}
            rows = list((await self._ask(paths.TRADES, params)).items())
            found += rows
            if len(rows) < PAGE:
                return found
            first = _next_id(rows, first)
        raise VenueUnavailableError(f"{of['symbol']} has more than {MOST_PAGES} pages of trades")


def _next_id(rows: list[Node], first: int) -> int:
    last = rows[-1].integer("id")
    if last < first:
        raise rows[-1].malformed("goes back")
    return last + 1


def _id(number: int) -> VenueOrderId:
    return VenueOrderId(str(number))
