"""Candles: seeded ones, and those that trades make; the unfinished one is the last row."""

import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.simulators.binance.errors import refusal
from tests.simulators.binance.spot.figures import ZERO, shown
from tests.simulators.binance.spot.market import Trade

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
FIRST_MONDAY = 4 * DAY  # 1970-01-05
SPANS = {
    "1s": 1000, "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE,
    "30m": 30 * MINUTE, "1h": HOUR, "2h": 2 * HOUR, "4h": 4 * HOUR, "6h": 6 * HOUR,
    "8h": 8 * HOUR, "12h": 12 * HOUR, "1d": DAY, "3d": 3 * DAY, "1w": WEEK, "1M": 0,
}  # fmt: skip
ZONE = re.compile(r"([+-]?)(\d{1,2})(?::(\d{2}))?")


@dataclass(slots=True)
class Candle:
    opened_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote: Decimal = ZERO
    trades: int = 0
    taker_base: Decimal = ZERO
    taker_quote: Decimal = ZERO
    first_trade: int = -1
    last_trade: int = -1

    def join(self, later: "Candle") -> None:
        """Add *later*, which follows this one."""
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote += later.quote
        self.trades += later.trades
        self.taker_base += later.taker_base
        self.taker_quote += later.taker_quote
        if self.first_trade == -1:
            self.first_trade = later.first_trade
        self.last_trade = max(self.last_trade, later.last_trade)

    def row(self, closed_ms: int) -> list[Any]:
        return [
            self.opened_ms,
            shown(self.open),
            shown(self.high),
            shown(self.low),
            shown(self.close),
            shown(self.volume),
            closed_ms,
            shown(self.quote),
            self.trades,
            shown(self.taker_base),
            shown(self.taker_quote),
            "0",
        ]

    def event(self, symbol: str, interval: str, closed_ms: int, now_ms: int) -> dict[str, Any]:
        """Build a kline event; x tells that the candle is closed."""
        candle = {
            "t": self.opened_ms,
            "T": closed_ms,
            "s": symbol,
            "i": interval,
            "f": self.first_trade,
            "L": self.last_trade,
            "o": shown(self.open),
            "c": shown(self.close),
            "h": shown(self.high),
            "l": shown(self.low),
            "v": shown(self.volume),
            "n": self.trades,
            "x": closed_ms < now_ms,
            "q": shown(self.quote),
            "V": shown(self.taker_base),
            "Q": shown(self.taker_quote),
            "B": "0",
        }
        return {"e": "kline", "E": now_ms, "s": symbol, "k": candle}


@dataclass
class Candles:
    """A symbol's candles, kept by second; longer ones are made on demand."""

    _seconds: dict[int, Candle] = field(default_factory=dict)
    _times: list[int] = field(default_factory=list)  # of those, in order
    _seeded: dict[str, dict[int, Candle]] = field(default_factory=dict)

    def seed(self, interval: str, candles: Iterable[Candle]) -> None:
        """Put closed candles of *interval* into the past."""
        self._seeded.setdefault(interval, {}).update({c.opened_ms: c for c in candles})

    def add(self, trade: Trade) -> None:
        taker = ZERO if trade.buyer_maker else trade.quantity
        taker_quote = ZERO if trade.buyer_maker else trade.quote
        second = trade.time_ms // 1000 * 1000
        new = Candle(
            second, trade.price, trade.price, trade.price, trade.price, trade.quantity, trade.quote,
            1, taker, taker_quote, trade.id, trade.id,
        )  # fmt: skip
        old = self._seconds.get(second)
        if old is None:
            self._seconds[second] = new
            insort(self._times, second)
        else:
            old.join(new)

    def list(self, interval: str, now_ms: int, zone_ms: int = 0, since: int = 0) -> list[Candle]:
        """List candles from *since* to the unfinished one; times without trades have flat ones."""
        made: dict[int, Candle] = dict(self._seeded.get(interval, {}))
        seeded = set(made)
        for second in self._times:
            candle = self._seconds[second]
            opened = opening(interval, second, zone_ms)
            if opened in seeded:
                continue
            if opened in made:
                made[opened].join(candle)
            else:
                made[opened] = _copied(candle, opened)
        return _filled(made, interval, now_ms, zone_ms, since)

    def at(self, interval: str, opened_ms: int) -> Candle | None:
        """Build the candle that opened at *opened_ms*: a flat one without trades, None before any."""
        first = bisect_left(self._times, opened_ms)
        last = bisect_left(self._times, closing(interval, opened_ms) + 1)
        if first == last:
            if not first:
                return None
            close = self._seconds[self._times[first - 1]].close
            return Candle(opened_ms, close, close, close, close)
        candle = _copied(self._seconds[self._times[first]], opened_ms)
        for second in self._times[first + 1 : last]:
            candle.join(self._seconds[second])
        return candle


def selected(
    there: Sequence[Candle], start: int | None, end: int | None, limit: int
) -> Sequence[Candle]:
    """Choose rows as all lists of the venue do: the oldest from *start*, else the newest to *end*."""
    opened = [candle.opened_ms for candle in there]
    first = bisect_left(opened, start) if start is not None else 0
    last = bisect_left(opened, end + 1) if end is not None else len(opened)
    within = there[first:last]
    return within[:limit] if start is not None else within[max(0, len(within) - limit) :]


def opening(interval: str, at_ms: int, zone_ms: int = 0) -> int:
    """Find when the candle of *at_ms* opened; raises -1120 for an interval that there is not."""
    if interval not in SPANS:
        raise refusal(-1120)
    local = at_ms + zone_ms
    if interval == "1M":
        at = datetime.fromtimestamp(local / 1000, UTC)
        month = datetime(at.year, at.month, 1, tzinfo=UTC)
        return int(month.timestamp() * 1000) - zone_ms
    offset = FIRST_MONDAY if interval == "1w" else 0
    span = SPANS[interval]
    return (local - offset) // span * span + offset - zone_ms


def closing(interval: str, opened_ms: int, zone_ms: int = 0) -> int:
    """Find the last millisecond of the candle that opened at *opened_ms*."""
    if interval == "1M":
        return opening("1M", opened_ms + 32 * DAY, zone_ms) - 1
    return opened_ms + SPANS[interval] - 1


def zone_of(text: str) -> int:
    """Read `timeZone` in milliseconds; raises -1130 beyond -12:00 … +14:00."""
    found = ZONE.fullmatch(text)
    if not found:
        raise refusal(-1130, "timeZone")
    offset = int(found[2]) * HOUR + int(found[3] or 0) * MINUTE
    offset = -offset if found[1] == "-" else offset
    if not -12 * HOUR <= offset <= 14 * HOUR:
        raise refusal(-1130, "timeZone")
    return offset


def _copied(candle: Candle, opened_ms: int) -> Candle:
    return Candle(
        opened_ms, candle.open, candle.high, candle.low, candle.close, candle.volume,
        candle.quote, candle.trades, candle.taker_base, candle.taker_quote,
        candle.first_trade, candle.last_trade,
    )  # fmt: skip


def _filled(
    made: dict[int, Candle], interval: str, now_ms: int, zone_ms: int, since: int
) -> list[Candle]:
    if not made:
        return []
    before = [opened for opened in made if opened < since]
    close = made[max(before)].close if before else ZERO
    at, out = opening(interval, since, zone_ms) if before else min(made), []
    while at <= now_ms:
        candle = made.get(at) or Candle(at, close, close, close, close)
        out.append(candle)
        close = candle.close
        at = closing(interval, at, zone_ms) + 1
    return out
