"""Prices and instruments of Alpaca, asked for in batches where the venue has them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import anyio
import structlog

from tradebotd.domain.errors import VenueError
from tradebotd.domain.filters import SymbolStatus
from tradebotd.domain.instrument import Instrument, MarketSymbol
from tradebotd.domain.quote import PriceKind, Quote
from tradebotd.net.answers import Value
from tradebotd.net.errors import MisshapenError
from tradebotd.storage.held import assert_no_connection_held
from tradebotd.venues.alpaca import paths
from tradebotd.venues.alpaca.answers import books_of, times_of, trades_of
from tradebotd.venues.alpaca.assets import instrument_of
from tradebotd.venues.alpaca.errors import Refusal, error_of
from tradebotd.venues.alpaca.rest import Rest
from tradebotd.venues.alpaca.symbols import Symbols, is_crypto, short_name

AT_ONCE: Final = 4
BATCH: Final = 100  # symbols in one question
MANY_ASSETS: Final = 30  # beyond it the whole list is one answer of megabytes, and still cheaper

log = structlog.get_logger(__name__)

T = TypeVar("T")


class _Books(NamedTuple):
    """Bid and ask by the venue's name, and since when they are so."""

    sides: Mapping[str, tuple[Decimal | None, Decimal | None]] = MappingProxyType({})
    times: Mapping[str, datetime] = MappingProxyType({})


class MarketData:
    """*feed*: of stocks; `iex` is free and one exchange, `sip` all of them.

    *kinds*: of price that quotes tell; a kind that is not claimed is not asked for.
    """

    def __init__(
        self, rest: Rest, symbols: Symbols, feed: str, kinds: frozenset[PriceKind]
    ) -> None:
        self._rest, self._symbols, self._feed, self._kinds = rest, symbols, feed, kinds
        self._known: dict[str, Decimal] = {}  # last prices of shares

    async def quotes(self, symbols: Sequence[MarketSymbol]) -> dict[str, Quote]:
        """Return last prices, and bid and ask where they are claimed; no trade, no quote."""
        if not symbols:
            return {}
        markets = [self._symbols.market(each.symbol) for each in symbols]
        trades = await self._trades(markets)
        prices, traded_at = _merged(map(trades_of, trades)), _times(trades, "trades")
        books = await self._books_if_told(markets) if PriceKind.BID in self._kinds else _Books()
        quotes: dict[str, Quote] = {}
        for each, market in zip(symbols, markets, strict=True):
            if market in prices:
                bid, ask = books.sides.get(market, (None, None))
                told = {PriceKind.LAST: traded_at.get(market)}
                told |= dict.fromkeys((PriceKind.BID, PriceKind.ASK), books.times.get(market))
                times = {kind: at for kind, at in told.items() if at is not None}
                quotes[each.symbol] = Quote(last=prices[market], bid=bid, ask=ask, times=times)
        return quotes

    async def _trades(self, markets: Sequence[str]) -> Sequence[Value]:
        return await self._batches(markets, paths.STOCK_TRADES, paths.CRYPTO_TRADES)

    async def _books(self, markets: Sequence[str]) -> _Books:
        told = await self._batches(markets, paths.STOCK_QUOTES, paths.CRYPTO_QUOTES)
        return _Books(_merged(map(books_of, told)), _times(told, "quotes"))

    async def _books_if_told(self, markets: Sequence[str]) -> _Books:
        """Return bids and asks; none where they cannot be had: last prices are told without."""
        try:
            return await self._books(markets)
        except (VenueError, MisshapenError) as error:
            log.warning("bids and asks not told", error=str(error))
            return _Books()

    async def _learn_prices(self, markets: Sequence[str]) -> None:
        """Learn last prices, which only pick a tick size: without new ones the known ones do."""
        if not markets:
            return
        try:
            self._known.update(_merged(map(trades_of, await self._trades(markets))))
        except (VenueError, MisshapenError) as error:
            log.warning("last prices not told", error=str(error))

    async def _batches(
        self, markets: Sequence[str], stocks: paths.Call, crypto: paths.Call
    ) -> list[Value]:
        asks = []
        for call, names, more in (
            (stocks, [each for each in markets if not is_crypto(each)], {"feed": self._feed}),
            (crypto, [each for each in markets if is_crypto(each)], {}),
        ):
            for start in range(0, len(names), BATCH):
                query = {"symbols": ",".join(names[start : start + BATCH]), **more}
                asks.append(partial(self._rest.ask, call, query))
        return await side_by_side(asks)

    async def instruments(self, symbols: Sequence[MarketSymbol]) -> dict[str, Instrument]:
        """Return filters and status of *symbols*; one that the venue does not list is delisted."""
        if not symbols:
            return {}
        markets = {each.symbol: self._symbols.market(each.symbol) for each in symbols}
        assets = await self._assets(list(markets.values()))
        shares = [each for each in markets.values() if not is_crypto(each)]
        await self._learn_prices(shares)
        prices = self._known
        told = {}
        for each in symbols:
            market = markets[each.symbol]
            asset = assets.get(market)
            if asset is None:
                told[each.symbol] = replace(each.instrument, status=SymbolStatus.DELISTED)
            else:
                told[each.symbol] = instrument_of(asset, each.instrument, prices.get(market))
        return told

    async def _assets(self, markets: Sequence[str]) -> dict[str, Value]:
        if len(markets) <= MANY_ASSETS:
            found = await side_by_side([partial(self._asset, each) for each in markets])
            return {
                market: told
                for market, told in zip(markets, found, strict=True)
                if told is not None
            }
        kinds = {"crypto" if is_crypto(each) else "us_equity" for each in markets}
        lists = await side_by_side(
            [partial(self._rest.ask, paths.ASSETS, {"asset_class": each}) for each in sorted(kinds)]
        )
        wanted = set(markets)
        return {
            market: each
            for told in lists
            for each in told.items()
            if (market := each["symbol"].text()) in wanted
        }

    async def _asset(self, market: str) -> Value | None:
        """Return one asset; None where the venue does not know it."""
        told = await self._rest.answer(paths.ASSET, of=short_name(market))
        if isinstance(told, Refusal):
            if told.is_not_found:
                return None
            raise error_of(told)
        return told


def _merged(parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    return {market: told for part in parts for market, told in part.items()}


def _times(answers: Sequence[Value], key: str) -> dict[str, datetime]:
    return _merged(times_of(each[key]) for each in answers)


async def side_by_side(asks: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Await questions, a few at once, and return their results in order.

    Raises the first VenueError or MisshapenError; the others are cancelled then.
    """
    assert_no_connection_held("questions are asked side by side")  # each is a task of its own
    if len(asks) == 1:
        return [await asks[0]()]
    found: dict[int, T] = {}
    errors: list[VenueError | MisshapenError] = []
    turn = anyio.CapacityLimiter(AT_ONCE)

    async def one(number: int, ask: Callable[[], Awaitable[T]]) -> None:
        async with turn:
            try:
                found[number] = await ask()
            except (VenueError, MisshapenError) as error:
                errors.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for number, ask in enumerate(asks):
            tasks.start_soon(one, number, ask)
    if errors:
        raise errors[0]
    return [found[number] for number in range(len(asks))]
