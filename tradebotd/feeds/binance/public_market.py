"""Symbols, trades and order books of Binance, as it tells them without a key."""

from collections.abc import Mapping, Sequence
from typing import Final

from tradebotd.config.binance_weights import book_weight, trades_weight
from tradebotd.domain.errors import FeedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.public_market import (
    DayFigures,
    ListedSymbol,
    OrderBookSnapshot,
    TradePage,
)
from tradebotd.feeds.asking import Told
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.client import Client
from tradebotd.feeds.binance.public_answers import (
    TRADES_AT_ONCE,
    book_of,
    figures_of,
    listed_of,
    page_of,
)
from tradebotd.net.errors import MisshapenError
from tradebotd.storage.held import assert_no_connection_held

LISTS_WAIT: Final = 60.0  # seconds for its turn
RECORDS_WAIT: Final = 8.0  # the next run asks again soon


class BinancePublicMarket:
    """Implements `ports.public_market.PublicMarket`."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self._client = client
        self._interface = client.interface
        spot = client.interface.market == "spot"
        self.kind: Final = PositionType.SPOT if spot else PositionType.FUTURES

    async def close(self) -> None:
        await self._client.close()

    async def tradable(self) -> Sequence[ListedSymbol]:
        """Return what is traded: spot pairs, or perpetuals (quarterly ones end by themselves)."""
        market = self._interface.market
        told = await self._ask(
            self._interface.symbols,
            facts.symbols_query(market),
            facts.symbols_weight(market),
            LISTS_WAIT,
        )
        try:
            return listed_of(told.answer, market)
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def day_figures(self, names: Sequence[str]) -> Mapping[str, DayFigures]:
        """Ask for all symbols at once: as dear as a hundred of them."""
        told = await self._ask(
            self._interface.days, {}, facts.days_weight(self._interface.market), LISTS_WAIT
        )
        try:
            return figures_of(told.answer, frozenset(names))
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def trades(self, name: str, after: int | None) -> TradePage:
        await self._client.learn_time()
        query = {"symbol": name, "limit": str(TRADES_AT_ONCE)}
        if after is not None:
            query["fromId"] = str(after + 1)
        weight = trades_weight(self._interface.market)
        told = await self._ask(self._interface.trades, query, weight, RECORDS_WAIT)
        try:
            return page_of(told.answer, told.source, after, self._client.time.now())
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def order_book(self, name: str, levels: int) -> OrderBookSnapshot:
        """Ask for a snapshot. Spot tells no time with it: it counts as of when it came."""
        await self._client.learn_time()
        query = {"symbol": name, "limit": str(levels)}
        weight = book_weight(self._interface.market, levels)
        told = await self._ask(self._interface.book, query, weight, RECORDS_WAIT)
        try:
            return book_of(told.answer, told.source, self._client.time.now())
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def _ask(self, path: str, query: dict[str, str], weight: int, patience: float) -> Told:
        assert_no_connection_held("a question about the market")
        return await self._client.public(path, query, weight, patience=patience)
