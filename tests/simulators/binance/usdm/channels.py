"""Payloads of the public and market streams, by the channel's name."""

from collections.abc import Callable
from decimal import Decimal

from tests.simulators.binance.usdm.amounts import plain, shown
from tests.simulators.binance.usdm.candles import Candle, open_of
from tests.simulators.binance.usdm.market import Market, SymbolMarket
from tests.simulators.binance.usdm.market_state import MarketState

Payload = dict[str, object]
USD_MARGINED, COIN_MARGINED = 1, 2
Levels = dict[Decimal, Decimal]


class Channels:
    """Builds what each stream tells of a symbol.

    F12: since both futures venues were merged, all-market streams carry coin-margined symbols,
    too; `st` is 1 for USDT-M and 2 for COIN-M, `ps` the pair.
    """

    def __init__(self, market: Market, state: MarketState) -> None:
        self.market, self.state = market, state
        self._books: dict[str, tuple[int, Levels, Levels]] = {}

    def everybody(self) -> list[SymbolMarket]:
        return [*self.market.symbols.values(), *self.state.coin_m.values()]

    def origin(self, market: SymbolMarket) -> Payload:
        is_coin = market.symbol in self.state.coin_m
        pair = market.symbol.partition("_")[0]
        return {"ps": pair, "st": COIN_MARGINED if is_coin else USD_MARGINED}

    def all_market(self, row: Callable[[SymbolMarket], Payload]) -> list[Payload]:
        return [row(market) for market in self.everybody()]

    def aggregate(self, market: SymbolMarket) -> Payload:
        row = self.state.last_aggregate(market.symbol)
        return {"e": "aggTrade", "E": self.market.now_ms(), "s": market.symbol} | row | {"st": 1}

    def trade(self, market: SymbolMarket) -> Payload:
        trade = market.trades[-1]
        return {
            "e": "trade",
            "E": self.market.now_ms(),
            "T": trade.time_ms,
            "s": market.symbol,
            "t": trade.trade_id,
            "p": plain(trade.price),
            "q": plain(trade.quantity),
            "X": "MARKET",
            "m": trade.is_buyer_maker,
        }

    def book_ticker(self, market: SymbolMarket) -> Payload:
        now, instrument = self.market.now_ms(), market.instrument
        bid, ask = (
            (market.bids[0] if market.bids else None),
            (market.asks[0] if market.asks else None),
        )
        return {
            "e": "bookTicker",
            "u": market.update_id,
            "s": market.symbol,
            "b": instrument.shown_price(bid.price) if bid else "0",
            "B": instrument.shown_quantity(bid.quantity) if bid else "0",
            "a": instrument.shown_price(ask.price) if ask else "0",
            "A": instrument.shown_quantity(ask.quantity) if ask else "0",
            "T": now,
            "E": now,
        } | self.origin(market)

    def depth(self, market: SymbolMarket) -> Payload:
        """F19: `pu` is the previous event's `u`; a book whose pu does not fit must be fetched anew."""
        bids = {level.price: level.quantity for level in market.bids}
        asks = {level.price: level.quantity for level in market.asks}
        before, old_bids, old_asks = self._books.get(market.symbol, (market.update_id - 3, {}, {}))
        self._books[market.symbol] = market.update_id, bids, asks
        return self._update(market, before, changed(old_bids, bids), changed(old_asks, asks))

    def top(self, market: SymbolMarket, levels: int) -> Payload:
        bids = {level.price: level.quantity for level in market.bids[:levels]}
        asks = {level.price: level.quantity for level in market.asks[:levels]}
        return self._update(market, market.update_id - 3, bids, asks)

    def _update(self, market: SymbolMarket, before: int, bids: Levels, asks: Levels) -> Payload:
        now, instrument = self.market.now_ms(), market.instrument
        return {
            "e": "depthUpdate",
            "E": now,
            "T": now,
            "s": market.symbol,
            "U": before + 1,
            "u": market.update_id,
            "pu": before,
            "b": [[instrument.shown_price(p), instrument.shown_quantity(q)] for p, q in bids.items()],
            "a": [[instrument.shown_price(p), instrument.shown_quantity(q)] for p, q in asks.items()],
        } | self.origin(market)  # fmt: skip

    def mark_price(self, market: SymbolMarket) -> Payload:
        return {
            "e": "markPriceUpdate",
            "E": self.market.now_ms(),
            "s": market.symbol,
            "p": shown(market.mark),
            "ap": shown(market.mark),
            "i": shown(market.index),
            "P": shown(market.index),
            "r": shown(market.funding_rate),
            "T": market.next_funding_ms,
        } | self.origin(market)

    def kline(self, market: SymbolMarket, interval: str, open_ms: int | None = None) -> Payload:
        """The candle that is open now, or the closed one that began at *open_ms*."""
        now = self.market.now_ms()
        at = open_of(now, interval) if open_ms is None else open_ms
        candle = self.state.candles.candle(market.symbol, interval, at)
        told = candle_row(candle, interval, is_closed=now > candle.close_ms)
        told["s"] = market.symbol
        return {"e": "kline", "E": now, "s": market.symbol, "k": told}

    def continuous(self, market: SymbolMarket, interval: str, open_ms: int | None = None) -> Payload:  # fmt: skip
        told = self.kline(market, interval, open_ms)
        inner = told["k"]
        assert isinstance(inner, dict)
        inner.pop("s")
        return {"e": "continuous_kline", "E": told["E"], "ps": market.symbol, "ct": "PERPETUAL", "k": inner}  # fmt: skip

    def ticker(self, market: SymbolMarket) -> Payload:
        day = self.state.day_row(market)
        return {
            "e": "24hrTicker",
            "E": self.market.now_ms(),
            "s": market.symbol,
            "p": day["priceChange"],
            "P": day["priceChangePercent"],
            "w": day["weightedAvgPrice"],
            "c": day["lastPrice"],
            "Q": day["lastQty"],
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
        } | self.origin(market)

    def mini_ticker(self, market: SymbolMarket) -> Payload:
        full = self.ticker(market)
        kept = {name: full[name] for name in ("E", "s", "c", "o", "h", "l", "v", "q", "ps", "st")}
        return {"e": "24hrMiniTicker"} | kept

    def liquidation(self, market: SymbolMarket, side: str, quantity: Decimal, price: Decimal) -> Payload:  # fmt: skip
        now, instrument = self.market.now_ms(), market.instrument
        size, at = instrument.shown_quantity(quantity), plain(price)
        order = {
            "s": market.symbol,
            "S": side,
            "o": "LIMIT",
            "f": "IOC",
            "q": size,
            "p": at,
            "ap": at,
            "X": "FILLED",
            "l": size,
            "z": size,
            "T": now,
        }
        return {"e": "forceOrder", "E": now, "o": order} | self.origin(market)


def changed(before: Levels, after: Levels) -> Levels:
    """The levels that differ; one that is gone has quantity zero."""
    gone = {price: Decimal(0) for price in before if price not in after}
    return gone | {price: q for price, q in after.items() if before.get(price) != q}


def candle_row(candle: Candle, interval: str, *, is_closed: bool) -> Payload:
    return {
        "t": candle.open_ms,
        "T": candle.close_ms,
        "i": interval,
        "f": 100,
        "L": 100 + candle.trades,
        "o": plain(candle.open),
        "c": plain(candle.close),
        "h": plain(candle.high),
        "l": plain(candle.low),
        "v": plain(candle.volume),
        "n": candle.trades,
        "x": is_closed,
        "q": plain(candle.quote),
        "V": plain(candle.taker_volume),
        "Q": plain(candle.taker_quote),
        "B": "0",
    }
