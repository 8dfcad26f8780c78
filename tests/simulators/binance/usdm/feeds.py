"""What happens in the market and in the accounts, told to the streams that carry it."""

from collections.abc import Callable, Iterator

from tests.simulators.binance.usdm.account import Account, Event
from tests.simulators.binance.usdm.candles import INTERVALS, open_of
from tests.simulators.binance.usdm.channels import Channels, Payload
from tests.simulators.binance.usdm.hub import Hub
from tests.simulators.binance.usdm.listen_keys import ListenKey, ListenKeys
from tests.simulators.binance.usdm.market import PublicTrade, SymbolMarket
from tests.simulators.binance.usdm.orders import Order

DEPTHS = (5, 10, 20)


class Feeds:
    """Publishes at once what is told at once, and by `beat` what comes every second."""

    def __init__(self, channels: Channels, hub: Hub, keys: ListenKeys) -> None:
        self.channels, self.hub, self.keys = channels, hub, keys
        self._opens: dict[str, int] = {}
        channels.market.on_trade.append(self._traded)
        channels.market.on_change.append(self._book_changed)
        keys.on_expired.append(self._expired)

    def follow(self, account: Account) -> None:
        """Send the account's events to its user stream."""
        account.listeners.append(lambda event: self._private(account, event))

    def beat(self) -> None:
        """Tell what comes by the clock: marks, candles, tickers."""
        wanted = self.hub.channels()
        for market in self.channels.everybody():
            self._by_clock(market, wanted)
        rows = self.channels
        for channel, row in (
            ("!markPrice@arr", rows.mark_price),
            ("!markPrice@arr@1s", rows.mark_price),
            ("!ticker@arr", rows.ticker),
            ("!miniTicker@arr", rows.mini_ticker),
        ):
            if channel in wanted:
                self.hub.publish(channel, rows.all_market(row))
        if "!bookTicker" in wanted:
            for market in self.channels.state.coin_m.values():
                self.hub.publish("!bookTicker", rows.book_ticker(market))

    def liquidated(self, order: Order) -> None:
        """Tell everybody of a liquidation."""
        market = self.channels.market[order.symbol]
        told = self.channels.liquidation(market, order.side, order.executed, order.average_price)
        for channel in (f"{order.symbol.lower()}@forceOrder", "!forceOrder@arr"):
            self.hub.publish(channel, told)

    def tell(self, channel: str, payload: Payload) -> None:
        """Publish what a test made up, such as contractInfo or a trading session."""
        self.hub.publish(channel, payload)

    def _by_clock(self, market: SymbolMarket, wanted: set[str]) -> None:
        symbol, rows = market.symbol.lower(), self.channels
        timed: list[tuple[str, Callable[[SymbolMarket], Payload]]] = [
            (f"{symbol}@markPrice", rows.mark_price),
            (f"{symbol}@markPrice@1s", rows.mark_price),
            (f"{symbol}@ticker", rows.ticker),
            (f"{symbol}@miniTicker", rows.mini_ticker),
        ]
        for channel, row in timed:
            if channel in wanted:
                self.hub.publish(channel, row(market))
        self._klines(market, wanted)

    def _klines(self, market: SymbolMarket, wanted: set[str]) -> None:
        """Send the open candle; when one has closed, first that one, once, with `x` true."""
        for interval in INTERVALS:
            for channel, row in self._kline_channels(market, interval):
                if channel not in wanted:
                    continue
                now_open = open_of(self.channels.market.now_ms(), interval)
                before = self._opens.get(channel, now_open)
                if before < now_open:
                    self.hub.publish(channel, row(market, interval, before))
                self._opens[channel] = now_open
                self.hub.publish(channel, row(market, interval, None))

    def _kline_channels(
        self, market: SymbolMarket, interval: str
    ) -> Iterator[tuple[str, Callable[[SymbolMarket, str, int | None], Payload]]]:
        symbol = market.symbol.lower()
        yield f"{symbol}@kline_{interval}", self.channels.kline
        yield f"{symbol}_perpetual@continuousKline_{interval}", self.channels.continuous

    def _traded(self, market: SymbolMarket, _: PublicTrade) -> None:
        wanted, symbol = self.hub.channels(), market.symbol.lower()
        for channel, row in (
            (f"{symbol}@aggTrade", self.channels.aggregate),
            (f"{symbol}@trade", self.channels.trade),
        ):
            if channel in wanted:
                self.hub.publish(channel, row(market))
        self._klines(market, wanted)

    def _book_changed(self, market: SymbolMarket) -> None:
        wanted, symbol = self.hub.channels(), market.symbol.lower()
        for channel in (f"{symbol}@bookTicker", "!bookTicker"):
            if channel in wanted:
                self.hub.publish(channel, self.channels.book_ticker(market))
        update = self.channels.depth(market)  # also when nobody listens: `pu` goes on
        for speed in ("", "@100ms", "@250ms", "@500ms"):
            for topic in ("depth", "rpiDepth"):
                self.hub.publish(f"{symbol}@{topic}{speed}", update)
            for levels in DEPTHS:
                channel = f"{symbol}@depth{levels}{speed}"
                if channel in wanted:
                    self.hub.publish(channel, self.channels.top(market, levels))

    def _private(self, account: Account, event: Event) -> None:
        key = self.keys.key_of(account.name)
        if key is not None:
            self.hub.publish(key, event, name=str(event["e"]))

    def _expired(self, listen_key: ListenKey) -> None:
        """Tell listenKeyExpired; the connection stays open and silent after it."""
        now = self.channels.market.now_ms()
        told = {"e": "listenKeyExpired", "E": now, "listenKey": listen_key.key}
        self.hub.publish(listen_key.key, told, name="listenKeyExpired")
