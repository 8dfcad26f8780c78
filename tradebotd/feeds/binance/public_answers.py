"""Answers of Binance about its markets. Strict: a misshapen answer is a MisshapenError."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog

from tradebotd.domain.public_market import (
    DayFigures,
    ListedSymbol,
    OrderBookSnapshot,
    PublicTrade,
    TradePage,
)
from tradebotd.domain.side import Side
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.depth_messages import snapshot_of
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError

TRADES_AT_ONCE: Final = 1_000
LATEST_BOOK: Final = timedelta(minutes=10)  # between what it says and when it came
LARGEST: Final = 2**63 - 1  # of a number of the venue's that is stored

_log = structlog.get_logger(__name__)


def listed_of(answer: Value, market: facts.MarketName) -> list[ListedSymbol]:
    """Read what is traded; a row that is misshapen is left out, and not the others."""
    found: list[ListedSymbol] = []
    for row in answer["symbols"].items():
        try:
            if _is_traded(row, market):
                found.append(_listed(row))
        except MisshapenError as error:
            _log.warning("listed symbol left out", reason=str(error))
    return found


def figures_of(answer: Value, names: Collection[str]) -> Mapping[str, DayFigures]:
    """Read the last 24 hours of *names*."""
    found: dict[str, DayFigures] = {}
    for row in answer.items():
        name = row["symbol"].text()
        if name in names and (figures := _figures(row, name)) is not None:
            found[name] = figures
    return found


def _figures(row: Value, name: str) -> DayFigures | None:
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


def page_of(answer: Value, source: Source, after: int | None, venue_now: datetime) -> TradePage:
    """Read a page of trades. Raises MisshapenError where it is not what was asked for."""
    rows = answer.items()
    if len(rows) > TRADES_AT_ONCE:
        raise source.misshapen("with more trades than were asked for")
    trades: list[PublicTrade] = []
    bad, last = 0, after
    for row in rows:
        number = row["a"].integer()
        if not 0 <= number <= LARGEST or (last is not None and number <= last):
            raise source.misshapen(f"with trade {number} behind trade {last}")
        last = number
        trade = _trade(row, number, venue_now)
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


def _trade(row: Value, number: int, venue_now: datetime) -> PublicTrade | None:
    """Read one trade; None where its values make no sense: the next ones are not kept waiting."""
    try:
        price, quantity = row["p"].decimal(), row["q"].decimal()
        executed_at, buyer_waited = row["T"].instant(), row["m"].flag()
    except MisshapenError as error:
        _log.warning("public trade left out", trade_id=number, reason=str(error))
        return None
    makes_sense = facts.is_price(price) and quantity > 0
    if not makes_sense or not facts.is_time_of_trade(executed_at, venue_now):
        _log.warning("public trade left out", trade_id=number, price=price, at=executed_at)
        return None
    side = Side.SELL if buyer_waited else Side.BUY
    return PublicTrade(
        trade_id=number, executed_at=executed_at, price=price, quantity=quantity, side=side
    )


def book_of(answer: Value, source: Source, came_at: datetime) -> OrderBookSnapshot:
    told = snapshot_of(answer, source)
    if not told.bids and not told.asks:
        raise source.misshapen("with an order book that is empty")
    if not 0 <= told.last_id <= LARGEST:
        raise source.misshapen("with a sequence that is none")
    bids = [price for price, _ in told.bids]
    asks = [price for price, _ in told.asks]
    if bids != sorted(set(bids), reverse=True) or asks != sorted(set(asks)):
        raise source.misshapen("with levels that are out of order")
    if _is_crossed(bids, asks):
        raise source.misshapen("with an order book that is crossed")
    at = answer.get("E")
    told_at = came_at if at is None else at.instant()
    if abs(told_at - came_at) > LATEST_BOOK:
        raise source.misshapen("with an order book of another time")
    return OrderBookSnapshot(
        server_time=told_at,
        sequence_id=told.last_id,
        bids=told.bids,
        asks=told.asks,
    )


def _is_crossed(bids: Sequence[Decimal], asks: Sequence[Decimal]) -> bool:
    return bool(bids and asks) and bids[0] > asks[0]
