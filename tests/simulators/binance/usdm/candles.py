"""Candles: before the simulator's start a made-up wave, from then on what was traded."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

from tests.simulators.binance.usdm.amounts import ZERO, plain
from tests.simulators.binance.usdm.market import Market, PublicTrade, SymbolMarket
from tests.simulators.binance.usdm.refusals import RefusalError

MINUTE_MS = 60_000
MINUTES = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480,
    "12h": 720, "1d": 1440, "3d": 4320, "1w": 10080,
}  # fmt: skip
INTERVALS = (*MINUTES, "1M")
WAVE_MS = 7 * 24 * 60 * MINUTE_MS  # from one top of the wave to the next
WAVE = Decimal("0.02")
MONDAY_MS = 4 * 24 * 60 * MINUTE_MS  # 1970-01-05, where weeks are counted from


@dataclass
class Candle:
    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    trades: int = 0
    taker_volume: Decimal = ZERO
    taker_quote: Decimal = ZERO

    def take(self, other: "Candle") -> None:
        """Join a later candle to this one."""
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume
        self.quote += other.quote
        self.trades += other.trades
        self.taker_volume += other.taker_volume
        self.taker_quote += other.taker_quote

    def row(self) -> list[object]:
        return [
            self.open_ms,
            plain(self.open),
            plain(self.high),
            plain(self.low),
            plain(self.close),
            plain(self.volume),
            self.close_ms,
            plain(self.quote),
            self.trades,
            plain(self.taker_volume),
            plain(self.taker_quote),
            "0",
        ]


class Candles:
    """All intervals of all symbols; each is built from the same minutes, so they never disagree."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.start_ms = market.now_ms() // MINUTE_MS * MINUTE_MS
        self._minutes: dict[str, dict[int, Candle]] = defaultdict(dict)
        self._base = {symbol: each.last for symbol, each in market.symbols.items()}
        market.on_trade.append(self._traded)

    def rows(self, symbol: str, interval: str, start_ms: int | None, end_ms: int | None, limit: int) -> list[list[object]]:  # fmt: skip
        """At most *limit* candles by open time, the unfinished one included.

        Raises:
            RefusalError: -1120 for an interval that there is not.
        """
        if interval not in INTERVALS:
            raise RefusalError(-1120)
        now = self.market.now_ms()
        end = now if end_ms is None else min(end_ms, now)
        opens: list[int] = []
        if start_ms is None:
            at = open_of(end, interval)
            while len(opens) < limit:
                opens.append(at)
                at = open_of(at - 1, interval)
            opens.reverse()
        else:
            at = open_of(start_ms + length_before(interval) - 1, interval)
            at = at if at >= start_ms else next_open(at, interval)
            while at <= end and len(opens) < limit:
                opens.append(at)
                at = next_open(at, interval)
        return [self.candle(symbol, interval, at).row() for at in opens]

    def candle(self, symbol: str, interval: str, open_ms: int) -> Candle:
        close_ms = next_open(open_ms, interval) - 1
        joined: Candle | None = None
        if open_ms < self.start_ms:
            joined = self._waved(symbol, open_ms, min(close_ms, self.start_ms - 1))
        last = min(close_ms, self.market.now_ms())
        for minute in self._traded_minutes(symbol, max(open_ms, self.start_ms), last):
            if joined is None:
                joined = Candle(open_ms, close_ms, minute.open, minute.high, minute.low, minute.close)  # fmt: skip
                joined.volume, joined.quote, joined.trades = minute.volume, minute.quote, minute.trades  # fmt: skip
                joined.taker_volume, joined.taker_quote = minute.taker_volume, minute.taker_quote
            else:
                joined.take(minute)
        if joined is None:
            price = self._price_before(symbol, open_ms)
            joined = Candle(open_ms, close_ms, price, price, price, price)
        joined.open_ms, joined.close_ms = open_ms, close_ms
        return joined

    def _traded_minutes(self, symbol: str, first_ms: int, last_ms: int) -> Iterator[Candle]:
        minutes = self._minutes[symbol]
        span = range(-(-first_ms // MINUTE_MS) * MINUTE_MS, last_ms + 1, MINUTE_MS)
        for at in span if len(span) < len(minutes) else sorted(minutes):
            if first_ms <= at <= last_ms and at in minutes:
                yield minutes[at]

    def _price_before(self, symbol: str, at_ms: int) -> Decimal:
        earlier = [at for at in self._minutes[symbol] if at < at_ms]
        return self._minutes[symbol][max(earlier)].close if earlier else self._base[symbol]

    def _waved(self, symbol: str, first_ms: int, last_ms: int) -> Candle:
        """The made-up part: a triangle wave that ends at the price of the simulator's start."""
        first, last = self._wave_price(symbol, first_ms), self._wave_price(symbol, last_ms + 1)
        inside = [first, last]
        for turn in range(first_ms // (WAVE_MS // 4), last_ms // (WAVE_MS // 4) + 1):
            at = turn * (WAVE_MS // 4)
            if first_ms < at <= last_ms:
                inside.append(self._wave_price(symbol, at))
        minutes = Decimal((last_ms + 1 - first_ms) // MINUTE_MS)
        volume = minutes * 12
        candle = Candle(first_ms, last_ms, first, max(inside), min(inside), last, volume)
        candle.quote, candle.trades = volume * first, int(minutes) * 30
        candle.taker_volume, candle.taker_quote = volume / 2, volume * first / 2
        return candle

    def _wave_price(self, symbol: str, at_ms: int) -> Decimal:
        base, tick = self._base[symbol], self.market[symbol].instrument.tick
        if at_ms >= self.start_ms:
            return base
        quarter = Decimal(WAVE_MS) / 4
        height = (triangle(at_ms, quarter) - triangle(self.start_ms, quarter)) * WAVE
        return ((base * (1 + height)) / tick).quantize(Decimal(1), ROUND_HALF_UP) * tick

    def _traded(self, market: SymbolMarket, trade: PublicTrade) -> None:
        open_ms = trade.time_ms // MINUTE_MS * MINUTE_MS
        quote = trade.price * trade.quantity
        taker = ZERO if trade.is_buyer_maker else trade.quantity
        one = Candle(
            open_ms,
            open_ms + MINUTE_MS - 1,
            trade.price,
            trade.price,
            trade.price,
            trade.price,
            trade.quantity,
            quote,
            1,
            taker,
            taker * trade.price,
        )
        minutes = self._minutes[market.symbol]
        if open_ms in minutes:
            minutes[open_ms].take(one)
        else:
            minutes[open_ms] = one


def triangle(at_ms: int, quarter: Decimal) -> Decimal:
    """A wave between -1 and 1, straight between its turns at odd quarters."""
    phase = Decimal(at_ms) / quarter % 4
    if phase <= 1:
        return phase
    return 2 - phase if phase <= 3 else phase - 4


def length_before(interval: str) -> int:
    return 31 * 1440 * MINUTE_MS if interval == "1M" else MINUTES[interval] * MINUTE_MS


def open_of(at_ms: int, interval: str) -> int:
    """The open time of the candle that *at_ms* lies in; weeks begin on Monday."""
    if interval == "1M":
        month = datetime.fromtimestamp(at_ms // 1000, UTC).replace(day=1, hour=0, minute=0, second=0)  # fmt: skip
        return int(month.timestamp()) * 1000
    length = MINUTES[interval] * MINUTE_MS
    shift = MONDAY_MS if interval == "1w" else 0
    return (at_ms - shift) // length * length + shift


def next_open(open_ms: int, interval: str) -> int:
    if interval == "1M":
        return open_of(open_ms + 32 * 1440 * MINUTE_MS, "1M")
    return open_ms + MINUTES[interval] * MINUTE_MS
