"""Prices, instruments and commissions of Binance spot."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

import anyio
import orjson
import structlog

from tradebotd.domain.errors import VenueError, VenueUnavailableError
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.quote import Quote
from tradebotd.ports.clock import HostClock
from tradebotd.ports.venue import Commission
from tradebotd.venues.binance.calls import Call, Interface, side_by_side
from tradebotd.venues.binance.errors import Refusal
from tradebotd.venues.binance.filters import delisted, instrument_of
from tradebotd.venues.binance.limits import Limits
from tradebotd.venues.binance.markets import Markets
from tradebotd.venues.binance.payload import Node
from tradebotd.venues.binance.spot import answers, paths
from tradebotd.venues.binance.spot.orders import ORDER_TYPES

log = structlog.get_logger(__name__)

BAD_SYMBOL: Final = -1121
NO_REFERENCE: Final = -2043
NOT_FOUND: Final = 404  # a rehearsal may lack the call
AVERAGE_WAIT: Final = 2.0  # seconds
AVERAGE_SECONDS: Final = 30.0  # an average of minutes is worth asking for so often
MOST_NAMED: Final = 100  # symbols in one question: more make its URL too long
MOST_AVERAGED: Final = 3  # symbols whose averages are asked for in one call: two questions each


@dataclass(frozen=True, slots=True)
class Average:
    price: Decimal
    asked_at: float  # monotonic seconds


class MarketData:
    """Questions about symbols, which need no key but for commissions."""

    def __init__(
        self, interface: Interface, markets: Markets, limits: Limits, host: HostClock
    ) -> None:
        self._ask, self._answer = interface.ask, interface.answer
        self._error_of = interface.error_of
        self._markets, self._limits, self._host = markets, limits, host
        self._averages: dict[str, Average] = {}
        self._commissions: dict[str, Commission] = {}  # of a question that was not answered whole

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        """Return last price, bid and ask of all *symbols* in two calls side by side.

        Averages, which have no batch call, are asked for where few symbols are: an entry asks for
        its own. Of many they are told where they are known, so that a sweep is not kept waiting.
        """
        if not symbols:
            return {}
        names = [(each.symbol, self._markets.market(each.symbol)) for each in symbols]
        averaged = [
            self._markets.market(each.symbol) for each in symbols if each.instrument.average_minutes
        ]
        few = len(symbols) <= MOST_AVERAGED
        asks: list[Callable[[], Awaitable[Node | None]]] = [
            *(partial(self._of_all, call, names) for call in (paths.PRICES, paths.BOOKS)),
            *(partial(self._try_average, each) for each in averaged if few),
        ]
        prices, books = [each for each in await side_by_side(asks) if each is not None]
        return answers.quotes_of(
            names,
            answers.prices_of(prices),
            answers.books_of(books),
            {market: told.price for market in averaged if (told := self._fresh(market))},
        )

    async def _of_all(self, call: Call, names: Sequence[tuple[str, str]]) -> Node:
        """Ask for the named symbols; for all there are where one of them is not listed any more."""
        if len(names) > MOST_NAMED:  # all there are weigh no more
            return await self._ask(call)
        told = await self._named(call, [market for _, market in names])
        return await self._ask(call) if told is None else told

    async def _named(self, call: Call, markets: list[str]) -> Node | None:
        """Ask for *markets*; None where one of them is not listed any more."""
        told = await self._answer(call, {"symbols": _listed(markets)})
        if isinstance(told, Node):
            return told
        if told.code != BAD_SYMBOL:
            raise self._error_of(told)
        return None

    def _fresh(self, market: str) -> Average | None:
        known = self._averages.get(market)
        if known is None or self._host.monotonic() - known.asked_at > AVERAGE_SECONDS:
            return None
        return known

    async def _try_average(self, market: str) -> None:
        """Learn the average where that takes no trouble: prices are told without one, too."""
        try:
            with anyio.move_on_after(AVERAGE_WAIT):
                await self._learn_average(market)
        except VenueError as error:
            log.info("average price not told", market=market, error=str(error))

    async def _learn_average(self, market: str) -> None:
        """S10: learn the price that filters judge by: the reference price, else the average."""
        if self._fresh(market) is not None:
            return
        of, asked_at = {"symbol": market}, self._host.monotonic()
        told = await self._answer(paths.REFERENCE, of)
        price = None
        if isinstance(told, Node):
            price = answers.reference_price(told)
        elif told.code != NO_REFERENCE and told.status != NOT_FOUND:
            raise self._error_of(told)
        if price is None:
            price = answers.average_price(await self._ask(paths.AVERAGE, of))
        if price is not None:
            self._averages[market] = Average(price, asked_at)

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        """Return *symbols* as they are listed now.

        By one question: for all there are, which weighs no more, where they are many. Whatever is
        left out there is asked for by its name.
        """
        if not symbols:
            return {}
        wanted = {self._markets.market(each.symbol): each for each in symbols}
        found: dict[str, Node] = {}
        for told in await self._listed_now(list(wanted)):
            self._limits.learn(told.field("rateLimits"))
            found |= _by_market(told)
        missing = [each for market, each in wanted.items() if market not in found]
        gone = await side_by_side([partial(self._instrument, each) for each in missing])
        listed = {
            symbol.symbol: self._markets.learn(instrument_of(symbol, found[market], ORDER_TYPES))
            for market, symbol in wanted.items()
            if market in found
        }
        return listed | {each.symbol: each for each in gone}

    async def _listed_now(self, markets: list[str]) -> list[Node]:
        """Ask for *markets*, by halves where one of them is not listed any more.

        All there are would weigh no more, but are 3,000: tens of megabytes, part of which stays in
        use. Of halves with a single one nothing is told.
        """
        if len(markets) > MOST_NAMED:
            return [await self._ask(paths.EXCHANGE_INFO)]
        told = await self._named(paths.EXCHANGE_INFO, markets)
        if told is not None:
            return [told]
        middle, answers = len(markets) // 2, list[Node]()
        for half in (markets[:middle], markets[middle:]):
            if len(half) > 1:
                self._check_spare(paths.EXCHANGE_INFO)
                answers += await self._listed_now(half)
        return answers

    async def _instrument(self, symbol: MarketSymbol) -> Instrument:
        """Ask for one alone, which the answer for all has left out."""
        market = self._markets.market(symbol.symbol)
        self._check_spare(paths.EXCHANGE_INFO)
        told = await self._answer(paths.EXCHANGE_INFO, {"symbol": market})
        if isinstance(told, Refusal):
            if told.code != BAD_SYMBOL:
                raise self._error_of(told)
            return delisted(symbol)
        found = _by_market(told)
        if market not in found:
            raise told.malformed(f"does not tell of {market}")
        return self._markets.learn(instrument_of(symbol, found[market], ORDER_TYPES))

    async def commissions(self, symbols: Sequence[MarketSymbol]) -> dict[str, Commission]:
        """Return the commissions of all *symbols*, each of which is asked for by itself.

        What was told is kept until all are: where the limits end a question, the next one goes on.
        """
        markets = {each.symbol: self._markets.market(each.symbol) for each in symbols}
        missing = [each for each in markets.values() if each not in self._commissions]
        await side_by_side([partial(self._learn_commission, each) for each in missing])
        told = {symbol: self._commissions[market] for symbol, market in markets.items()}
        self._commissions.clear()
        return told

    async def _learn_commission(self, market: str) -> None:
        self._check_spare(paths.COMMISSION)
        told = await self._ask(paths.COMMISSION, {"symbol": market})
        self._commissions[market] = answers.commission_of(told)

    def _check_spare(self, call: Call) -> None:
        """Raise VenueUnavailableError where *call*, one of many, would starve other questions."""
        if call.weight > self._limits.spare():
            raise VenueUnavailableError(f"{call.path}: too much was asked for at once")


def _listed(markets: list[str]) -> str:
    return orjson.dumps(markets).decode()


def _by_market(told: Node) -> dict[str, Node]:
    return {each.text("symbol"): each for each in told.rows("symbols")}
