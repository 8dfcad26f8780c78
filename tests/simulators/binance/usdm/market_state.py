"""What the market remembers for its public answers: candles, aggregate trades, sessions."""

from collections import defaultdict, deque
from dataclasses import dataclass
from decimal import Decimal

from tests.simulators.binance.usdm.amounts import ZERO, plain, shown
from tests.simulators.binance.usdm.candles import MINUTE_MS, Candles
from tests.simulators.binance.usdm.instruments import Instrument
from tests.simulators.binance.usdm.market import Level, Market, PublicTrade, SymbolMarket

Row = dict[str, object]


@dataclass(frozen=True)
class AggTrade:
    agg_id: int
    trade: PublicTrade

    def row(self) -> Row:
        trade = self.trade
        return {
            "a": self.agg_id,
            "p": plain(trade.price),
            "q": plain(trade.quantity),
            "nq": plain(trade.quantity),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.is_buyer_maker,
        }


class MarketState:
    """Listens to the market's trades.

    Attributes:
        coin_m: markets of the coin-margined side, which all-market streams carry, too (F12).
        sessions: by market, what tradingSchedule answers (F14).
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.candles = Candles(market)
        self.sessions = {"EQUITY": share_sessions(market.now_ms())}
        self.coin_m = {"BTCUSD_PERP": coin_market()}
        self._aggregates: dict[str, deque[AggTrade]] = defaultdict(lambda: deque(maxlen=5000))
        self._ids: dict[str, int] = defaultdict(lambda: 900_000)
        market.on_trade.append(self._traded)

    def agg_rows(self, symbol: str) -> list[Row]:
        return [aggregate.row() for aggregate in self._aggregates[symbol]]

    def last_aggregate(self, symbol: str) -> Row:
        return self._aggregates[symbol][-1].row()

    def day_row(self, market: SymbolMarket) -> Row:
        """The last 24 hours, by the minute."""
        now = self.market.now_ms()
        symbol = market.symbol
        if symbol in self.coin_m:
            opened, high, low, volume, quote = (market.last,) * 3 + (ZERO, ZERO)
        else:
            hours = [
                self.candles.candle(symbol, "1h", at)
                for at in range((now // 3_600_000 - 23) * 3_600_000, now + 1, 3_600_000)
            ]
            opened = hours[0].open
            high, low = max(c.high for c in hours), min(c.low for c in hours)
            volume = sum((c.volume for c in hours), ZERO)
            quote = sum((c.quote for c in hours), ZERO)
        change = market.last - opened
        places = market.instrument.price_places
        return {
            "symbol": symbol,
            "priceChange": shown(change, places),
            "priceChangePercent": shown(change / opened * 100, 3),
            "weightedAvgPrice": shown(quote / volume if volume else market.last, places),
            "lastPrice": shown(market.last, places),
            "lastQty": plain(market.trades[-1].quantity) if market.trades else "0",
            "openPrice": shown(opened, places),
            "highPrice": shown(high, places),
            "lowPrice": shown(low, places),
            "volume": plain(volume),
            "quoteVolume": plain(quote),
            "openTime": now - 1440 * MINUTE_MS,
            "closeTime": now,
            "firstId": market.trades[0].trade_id if market.trades else 0,
            "lastId": market.trades[-1].trade_id if market.trades else 0,
            "count": len(market.trades),
        }

    def _traded(self, market: SymbolMarket, trade: PublicTrade) -> None:
        self._ids[market.symbol] += 1
        self._aggregates[market.symbol].append(AggTrade(self._ids[market.symbol], trade))


def share_sessions(now_ms: int) -> list[Row]:
    """Sessions of shares from a week before the day to a week behind it, in UTC and without holidays."""
    day_ms = 24 * 60 * MINUTE_MS
    rows: list[Row] = []
    for day in range(now_ms // day_ms - 8, now_ms // day_ms + 8):
        is_weekend = (day + 3) % 7 >= 5  # day 0 was a Thursday
        parts = ["NO_TRADING"] if is_weekend else ["OVERNIGHT", "PRE_MARKET", "REGULAR", "AFTER_MARKET"]  # fmt: skip
        starts = [0, 9 * 60, 14 * 60 + 30, 21 * 60][: len(parts)]
        for part, start, end in zip(parts, starts, [*starts[1:], 24 * 60], strict=True):
            times: Row = {"startTime": day * day_ms + start * MINUTE_MS, "endTime": day * day_ms + end * MINUTE_MS}  # fmt: skip
            rows.append(times | {"type": part})
    return rows


def coin_market() -> SymbolMarket:
    """One market of the coin-margined side, quoted in dollars."""
    tick = Decimal("0.1")
    instrument = Instrument("BTCUSD_PERP", "BTC", tick, Decimal(1), Decimal(60000), quote="USD", quantity_places=0)  # fmt: skip
    price = instrument.price
    market = SymbolMarket(instrument, price, price)
    market.bids, market.asks = [Level(price - tick, Decimal(500))], [Level(price, Decimal(500))]
    return market
