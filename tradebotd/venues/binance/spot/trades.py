"""Trades of Binance spot: read in windows and pages until they end, or not at all."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from tradebotd.domain.errors import VenueUnavailableError
from tradebotd.domain.fill import Fill
from tradebotd.domain.ids import VenueOrderId
from tradebotd.venues.binance.calls import Call, Interface, side_by_side
from tradebotd.venues.binance.limits import Limits
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node, to_ms
from tradebotd.venues.binance.server_time import ServerTime
from tradebotd.venues.binance.spot import paths
from tradebotd.venues.binance.spot.order_names import OrderNames, names_a_list
from tradebotd.venues.binance.spot.orders import OrderReader

PAGE: Final = 1000
LONGEST: Final = timedelta(hours=24)  # of one question for trades or orders
MOST_WINDOWS: Final = 800  # of a day each: two years
MOST_PAGES: Final = 1000


class Trades:
    """Questions about trades. Those of many symbols leave weight to whatever else is asked."""

    def __init__(
        self,
        interface: Interface,
        reader: OrderReader,
        markets: Markets,
        time: ServerTime,
        names: OrderNames,
        *,
        limits: Limits,
    ) -> None:
        self._interface, self._limits = interface, limits
        self._reader, self._markets, self._time, self._names = reader, markets, time, names

    async def fills_since(self, since: datetime, symbols: Collection[str]) -> Sequence[Fill]:
        told = await side_by_side(
            [partial(self._fills_of, each, since) for each in sorted(symbols)] if symbols else []
        )
        fills = [fill for each in told for fill in each]
        return sorted(fills, key=lambda fill: (fill.executed_at, fill.symbol, int(fill.trade_id)))

    async def of_order(self, market: str, number: VenueOrderId) -> list[Node]:
        params = {"symbol": market, "orderId": number}
        return await self._pages(paths.TRADES_OF_ORDER, params, "0")

    async def _ask(self, call: Call, params: dict[str, str]) -> Node:
        """Ask while there is weight to spare. Raises VenueUnavailableError where there is none."""
        if call.weight > self._limits.spare():
            raise VenueUnavailableError(f"{call.path}: too much was asked for at once")
        return await self._interface.ask(call, params)

    async def _fills_of(self, symbol: str, since: datetime) -> list[Fill]:
        rows = await self._trades_since(self._markets.market(symbol), since)
        numbers = {each.integer("orderId") for each in rows}
        unnamed = [
            number
            for number in numbers
            if self._names.name(symbol, VenueOrderId(str(number))) is None
        ]
        if unnamed:
            await self._learn_names(symbol, min(unnamed))
        return [
            self._reader.trade(
                each, self._names.name(symbol, VenueOrderId(str(each.integer("orderId"))))
            )
            for each in rows
        ]

    async def _learn_names(self, symbol: str, first: int) -> None:
        """Learn the client ids of orders from *first* on: one page, the rest stay without one.

        So does an order that is told under the id of a cancel of its list.
        """
        params = {
            "symbol": self._markets.market(symbol),
            "orderId": str(first),
            "limit": str(PAGE),
        }
        for each in (await self._ask(paths.ALL_ORDERS, params)).items():
            if not names_a_list(each):
                self._names.learn(symbol, self._reader.order(each))

    async def _trades_since(self, market: str, since: datetime) -> list[Node]:
        """Return the trades from *since* on; ids of trades rise within a symbol.

        The latest page is all of them where it is not full, or begins before *since*.
        """
        of, first_ms = {"symbol": market}, to_ms(since)
        latest = list((await self._ask(paths.TRADES, {**of, "limit": str(PAGE)})).items())
        if len(latest) < PAGE or to_ms(latest[0].instant("time")) < first_ms:
            return [each for each in latest if to_ms(each.instant("time")) >= first_ms]
        rows = await self._first_since(market, first_ms)
        if not rows:
            return []
        after = str(rows[-1].integer("id") + 1)
        return rows + await self._pages(paths.TRADES, of, after)

    async def _first_since(self, market: str, start: int) -> list[Node]:
        """Return all trades of the first window that has some, by windows of a day.

        A question may span 24 hours. Nothing says which part of a window a full page has, so the
        window is halved until its page is not full.
        """
        end = to_ms(self._time.now() + timedelta(minutes=1))
        step = LONGEST // timedelta(milliseconds=1)
        for _ in range(MOST_WINDOWS):
            window = {
                "symbol": market,
                "startTime": str(start),
                "endTime": str(min(start + step, end)),
                "limit": str(PAGE),
            }
            rows = list((await self._ask(paths.TRADES, window)).items())
            if len(rows) >= PAGE and step > 0:
                step //= 2
                continue
            if len(rows) >= PAGE:
                raise VenueUnavailableError(f"trades of {market}: a full page in a millisecond")
            if rows:
                return rows
            start += step + 1
            if start > end:
                return []
        raise VenueUnavailableError(f"trades of {market} since {start} are too far back")

    async def _pages(self, call: Call, params: dict[str, str], first: str) -> list[Node]:
        """Return all trades from the id *first* on, page by page."""
        found: list[Node] = []
        for _ in range(MOST_PAGES):
            page = {**params, "fromId": first, "limit": str(PAGE)}
            is_of_one = call is paths.TRADES_OF_ORDER
            told = await (self._interface.ask if is_of_one else self._ask)(call, page)
            rows = list(told.items())
            found += rows
            if len(rows) < PAGE:
                return found
            last = rows[-1].integer("id")
            if last < int(first):
                raise told.malformed("goes back")
            first = str(last + 1)
        raise VenueUnavailableError(f"{call.path}: more than {MOST_PAGES} pages")
