"""Market streams: what happened at the venue as events, by the name of the stream."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.binance.spot.candles import SPANS, closing, opening
from tests.simulators.binance.spot.figures import shown
from tests.simulators.binance.spot.market import Market, Trade, printed
from tests.simulators.binance.spot.market_data import agg_row, day_ticker
from tests.simulators.binance.spot.venue import Venue

KLINE = re.compile(r"([^@]+)@kline_([0-9]+[smhdwM])")
PARTIAL = re.compile(r"depth(5|10|20)(@100ms)?")
Subscriber = Callable[[str, Any], None]  # stream and event


@dataclass
class Feed:
    """Streams of one venue. An event is built only if somebody listens to its stream."""

    venue: Venue
    listeners: dict[str, list[Subscriber]] = field(default_factory=dict)
    _opened: dict[str, int] = field(default_factory=dict)  # by kline stream
    _best: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.venue.market_followers.append(self._happened)

    def subscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Listen to *stream*; one that does not exist is silent, as at the venue."""
        self.listeners.setdefault(stream, []).append(subscriber)

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        there = self.listeners.get(stream, [])
        if subscriber in there:
            there.remove(subscriber)
        if not there:
            self.listeners.pop(stream, None)

    def publish(self, stream: str, build: Callable[[], Any]) -> None:
        there = self.listeners.get(stream)
        if there:
            event = build()
            for subscriber in list(there):
                subscriber(stream, event)

    def tick(self) -> None:
        """Close candles whose time is over and open the next ones, by the venue's clock."""
        for stream in list(self.listeners):
            found = KLINE.fullmatch(stream)
            if not found or found[2] not in SPANS:
                continue
            now_opened = opening(found[2], self.venue.now_ms())
            opened = self._opened.setdefault(stream, now_opened)
            if opened < now_opened:
                self._opened[stream] = now_opened
                self._candle(stream, found[1], found[2], opened)
                self._candle(stream, found[1], found[2], now_opened)

    def _happened(self, market: Market, kind: str, payload: Any) -> None:
        name, now = market.symbol.name.lower(), self.venue.now_ms()
        if kind == "trade":
            self._traded(market, name, payload, now)
        elif kind == "depth":
            self._book_changed(market, name, payload, now)
        elif kind == "referencePrice":
            self.publish(
                f"{name}@referencePrice",
                lambda: {
                    "e": "referencePrice",
                    "s": market.symbol.name,
                    "r": None if payload.price is None else shown(payload.price),
                    "t": payload.at_ms,
                },
            )

    def _traded(self, market: Market, name: str, trade: Trade, now: int) -> None:
        symbol = market.symbol.name
        head = {"e": "trade", "E": now, "s": symbol, "t": trade.id, "p": shown(trade.price)}
        tail = {
            "q": shown(trade.quantity),
            "T": trade.time_ms,
            "m": trade.buyer_maker,
            "M": True,
        }
        self.publish(f"{name}@trade", lambda: head | tail)
        self.publish(
            f"{name}@aggTrade", lambda: {"e": "aggTrade", "E": now, "s": symbol} | agg_row(trade)
        )
        self.publish(f"{name}@miniTicker", lambda: mini_ticker(market, now))
        self.publish("!miniTicker@arr", lambda: [mini_ticker(market, now)])
        self.publish(f"{name}@ticker", lambda: ticker(market, now))
        self.tick()
        for stream in list(self.listeners):
            found = KLINE.fullmatch(stream)
            if found and found[1] == name and found[2] in SPANS:
                self._candle(stream, name, found[2], opening(found[2], now))

    def _candle(self, stream: str, name: str, interval: str, opened: int) -> None:
        candle = self.venue.candles[name.upper()].at(interval, opened)
        if candle is None:
            return
        now, closed = self.venue.now_ms(), closing(interval, opened)
        self.publish(stream, lambda: candle.event(name.upper(), interval, closed, now))

    def _book_changed(self, market: Market, name: str, changed: dict[str, Any], now: int) -> None:
        symbol = market.symbol.name
        update = {"e": "depthUpdate", "E": now, "s": symbol} | changed
        for stream in (f"{name}@depth", f"{name}@depth@100ms"):
            self.publish(stream, lambda: update)
        for stream in list(self.listeners):
            owner, _, kind = stream.partition("@")
            found = PARTIAL.fullmatch(kind)
            if found and owner == name:
                count = int(found[1])
                self.publish(stream, lambda count=count: partial(market, count))  # type: ignore[misc]
        best = market.best()
        if self._best.get(symbol) != best:
            self._best[symbol] = best
            self.publish(f"{name}@bookTicker", lambda: book_ticker(market))


def partial(market: Market, count: int) -> dict[str, Any]:
    return {
        "lastUpdateId": market.update_id,
        "bids": printed(market.levels(bids=True)[:count]),
        "asks": printed(market.levels(bids=False)[:count]),
    }


def book_ticker(market: Market) -> dict[str, Any]:
    row = market.book_ticker()
    return {
        "u": market.update_id,
        "s": row["symbol"],
        "b": row["bidPrice"],
        "B": row["bidQty"],
        "a": row["askPrice"],
        "A": row["askQty"],
    }


def mini_ticker(market: Market, now_ms: int) -> dict[str, Any]:
    day = day_ticker(market, now_ms)
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": day["symbol"],
        "c": day["lastPrice"],
        "o": day["openPrice"],
        "h": day["highPrice"],
        "l": day["lowPrice"],
        "v": day["volume"],
        "q": day["quoteVolume"],
    }


def ticker(market: Market, now_ms: int) -> dict[str, Any]:
    day = day_ticker(market, now_ms)
    return {
        "e": "24hrTicker",
        "E": now_ms,
        "s": day["symbol"],
        "p": day["priceChange"],
        "P": day["priceChangePercent"],
        "w": day["weightedAvgPrice"],
        "x": day["prevClosePrice"],
        "c": day["lastPrice"],
        "Q": day["lastQty"],
        "b": day["bidPrice"],
        "B": day["bidQty"],
        "a": day["askPrice"],
        "A": day["askQty"],
        "o": day["openPrice"],
        "h": day["highPrice"],
        "l": day["lowPrice"],
        "v": day["volume"],
        "q": day["quoteVolume"],
        "O": day["openTime"],
        "C": day["closeTime"],
        "F": day["firstId"],
        "L": day["lastId"],
        "n": day["count"],
    }
