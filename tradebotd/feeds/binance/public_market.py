"""Symbols, trades and order books of Binance, as it tells them without a key."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.config.binance_weights import book_weight, trades_weight
from tradebotd.domain.errors import FeedError
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.public_market import (
    DayFigures,
    ListedSymbol,
    OrderBookSnapshot,
    PublicTrade,
    TradePage,
)
from tradebotd.domain.side import Side
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.client import Client, Told
from tradebotd.feeds.binance.depth_messages import snapshot_of
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError
from tradebotd.storage.held import assert_no_connection_held

TRADES_AT_ONCE: Final = 1_000
LISTS_WAIT: Final = 60.0  # seconds for its turn
RECORDS_WAIT: Final = 8.0  # the next run asks again soon

_log = structlog.get_logger(__name__)


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
            rows = told.answer["symbols"].items()
        except MisshapenError as error:
            raise FeedError(str(error)) from error
        found: list[ListedSymbol] = []
        for row in rows:
            try:
                if _is_traded(row, market):
                    found.append(_listed(row))
            except MisshapenError as error:
                _log.warning("listed symbol left out", market=self.name, reason=str(error))
        return found

    async def day_figures(self, names: Sequence[str]) -> Mapping[str, DayFigures]:
        """Ask for all symbols at once: as dear as a hundred of them."""
        told = await self._ask(
            self._interface.days, {}, facts.days_weight(self._interface.market), LISTS_WAIT
        )
        wanted, found = set(names), {}
        try:
            for row in told.answer.items():
                name = row["symbol"].text()
                if name in wanted and (figures := self._figures(row, name)) is not None:
                    found[name] = figures
        except MisshapenError as error:
            raise FeedError(str(error)) from error
        return found

    async def trades(self, name: str, after: int | None) -> TradePage:
        query = {"symbol": name, "limit": str(TRADES_AT_ONCE)}
        if after is not None:
            query["fromId"] = str(after + 1)
        weight = trades_weight(self._interface.market)
        told = await self._ask(self._interface.trades, query, weight, RECORDS_WAIT)
        try:
            return _page_of(told.answer, told.source, after)
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def order_book(self, name: str, levels: int) -> OrderBookSnapshot:
        """Ask for a snapshot. Spot tells no time with it: it counts as of when it came."""
        await self._client.learn_time()
        query = {"symbol": name, "limit": str(levels)}
        weight = book_weight(self._interface.market, levels)
        told = await self._ask(self._interface.book, query, weight, RECORDS_WAIT)
        try:
            return _book_of(told.answer, told.source, self._client.time.now())
        except MisshapenError as error:
            raise FeedError(str(error)) from error

    async def _ask(self, path: str, query: dict[str, str], weight: int, patience: float) -> Told:
        assert_no_connection_held("a question about the market")
        return await self._client.public(path, query, weight, patience=patience)

    def _figures(self, row: Value, name: str) -> DayFigures | None:
        """Read one symbol's day; None where nothing was traded, or it makes no sense."""
        try:
            figures = DayFigures(
                price=row["lastPrice"].decimal(),
                high=row["highPrice"].decimal(),
                low=row["lowPrice"].decimal(),
                turnover=row["quoteVolume"].decimal(),
            )
        except MisshapenError as error:
            _log.warning("day of a symbol left out", symbol=name, reason=str(error))
            return None
        makes_sense = 0 < figures.low <= figures.high and figures.price > 0
        return figures if makes_sense and figures.turnover >= 0 else None


def _is_traded(row: Value, market: facts.MarketName) -> bool:
    if row["status"].text() != "TRADING":
        return False
    if market == "usdm":
        return row["contractType"].text() == "PERPETUAL"
    allowed = row.get("isSpotTradingAllowed")
    return allowed is None or allowed.flag()


def _listed(row: Value) -> ListedSymbol:
    """Read one symbol. S11: a name may hold any letters."""
    listed = ListedSymbol(row["symbol"].text(), row["baseAsset"].text(), row["quoteAsset"].text())
    for text in listed:
        if not text.strip() or len(text) > 64 or not text.isprintable():
            raise row.wrong("has a name that is none")
    return listed


def _page_of(answer: Value, source: Source, after: int | None) -> TradePage:
    """Read a page of trades. Raises MisshapenError where it is not what was asked for."""
    rows = answer.items()
    if len(rows) > TRADES_AT_ONCE:
        raise source.misshapen("with more trades than were asked for")
    trades: list[PublicTrade] = []
    bad, last = 0, after
    for row in rows:
        number = row["a"].integer()
        if number < 0 or (last is not None and number <= last):
            raise source.misshapen(f"with trade {number} behind trade {last}")
        last = number
        trade = _trade(row, number)
        if trade is None:
            bad += 1
        else:
            trades.append(trade)
    return TradePage(
        trades=trades,
        last_id=last if rows else None,
        bad=bad,
        full=len(rows) == TRADES_AT_ONCE,
    )


def _trade(row: Value, number: int) -> PublicTrade | None:
    """Read one trade; None where its values make no sense: the next ones are not kept waiting."""
    try:
        price, quantity = row["p"].decimal(), row["q"].decimal()
        executed_at, buyer_waited = row["T"].instant(), row["m"].flag()
    except MisshapenError as error:
        _log.warning("public trade left out", trade_id=number, reason=str(error))
        return None
    if not facts.is_price(price) or quantity <= 0:
        _log.warning("public trade left out", trade_id=number, price=price, quantity=quantity)
        return None
    side = Side.SELL if buyer_waited else Side.BUY
    return PublicTrade(
        trade_id=number, executed_at=executed_at, price=price, quantity=quantity, side=side
    )


def _book_of(answer: Value, source: Source, came_at: datetime) -> OrderBookSnapshot:
    told = snapshot_of(answer, source)
    if not told.bids and not told.asks:
        raise source.misshapen("with an order book that is empty")
    bids = [price for price, _ in told.bids]
    asks = [price for price, _ in told.asks]
    if bids != sorted(set(bids), reverse=True) or asks != sorted(set(asks)):
        raise source.misshapen("with levels that are out of order")
    if _is_crossed(bids, asks):
        raise source.misshapen("with an order book that is crossed")
    at = answer.get("E")
    return OrderBookSnapshot(
        server_time=came_at if at is None else at.instant(),
        sequence_id=told.last_id,
        bids=told.bids,
        asks=told.asks,
    )


def _is_crossed(bids: Sequence[Decimal], asks: Sequence[Decimal]) -> bool:
    return bool(bids and asks) and bids[0] > asks[0]
