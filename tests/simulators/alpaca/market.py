"""The market as tests give it: quotes, trades, bars, splits, halts. Nothing moves by itself."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from tests.simulators.alpaca.calendar import NEW_YORK

ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Quote:
    """Zero is no quote. A size of None is more than any order takes."""

    bid: Decimal
    ask: Decimal
    at: datetime
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None


@dataclass(frozen=True)
class Trade:
    price: Decimal
    size: Decimal
    at: datetime
    number: int
    conditions: tuple[str, ...] = ("@",)
    update: str | None = None  # canceled, incorrect, corrected


@dataclass(frozen=True)
class Withdrawal:
    """What becomes of *trade*: cancelled, or corrected by *instead*."""

    trade: Trade
    at: datetime
    instead: Trade | None = None


@dataclass(frozen=True)
class TradingStatus:
    """*code*: H and P halt, T resumes (tape C)."""

    code: str
    message: str
    reason_code: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Bar:
    """*at*: when it begins."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int = 1
    vwap: Decimal | None = None


@dataclass(frozen=True)
class Split:
    """Each share becomes *ratio* shares when *day* begins in New York."""

    symbol: str
    day: date
    ratio: Decimal


@dataclass(frozen=True)
class Happening:
    """One event of a data stream: *kind* is t, q, b, u, d, c, x or s."""

    kind: str
    symbol: str
    data: Quote | Trade | Bar | Withdrawal | TradingStatus
    feed: str | None = None  # bars: the feed they are of; None: every one


Follower = Callable[[Happening], None]


class Market:
    """The newest quote and trade of each symbol, and its minute bars by feed."""

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.trades: dict[str, Trade] = {}
        self.splits: list[Split] = []
        self.halted: set[str] = set()
        self._minutes: dict[tuple[str, str], dict[datetime, Bar]] = defaultdict(dict)
        self._followers: list[Follower] = []
        self._numbers = 0

    def follow(self, follower: Follower) -> None:
        self._followers.append(follower)

    def leave(self, follower: Follower) -> None:
        self._followers.remove(follower)

    def quote(self, symbol: str, quote: Quote) -> None:
        self.quotes[symbol] = quote
        self._tell(Happening("q", symbol, quote))

    def trade(
        self,
        symbol: str,
        price: Decimal,
        size: Decimal,
        at: datetime,
        conditions: tuple[str, ...] = ("@",),
    ) -> None:
        self._numbers += 1
        trade = Trade(price, size, at, self._numbers, conditions)
        self.trades[symbol] = trade
        self._tell(Happening("t", symbol, trade))

    def withdraw(self, symbol: str, at: datetime, instead: Decimal | None = None) -> None:
        """Cancel the newest trade of *symbol*, or correct its price to *instead*."""
        trade = self.trades[symbol]
        if instead is None:
            self.trades[symbol] = replace(trade, update="canceled")
            self._tell(Happening("x", symbol, Withdrawal(trade, at)))
            return
        self._numbers += 1
        corrected = replace(trade, price=instead, number=self._numbers, update="corrected")
        self.trades[symbol] = corrected
        self._tell(Happening("c", symbol, Withdrawal(trade, at, corrected)))

    def halt(self, symbol: str, at: datetime, *, halted: bool) -> None:
        """Halt *symbol*, or let it go on; whoever follows its status is told."""
        told = ("H", "Trading Halt") if halted else ("T", "Trading Resumption")
        (self.halted.add if halted else self.halted.discard)(symbol)
        self._tell(Happening("s", symbol, TradingStatus(*told, "T12", "Information requested", at)))

    def bar(self, symbol: str, bar: Bar, feed: str = "sip") -> None:
        """A minute's bar; one of a minute that is known revises it, and is told as `u`."""
        minutes = self._minutes[symbol, feed]
        kind = "u" if bar.at in minutes else "b"
        minutes[bar.at] = bar
        self._tell(Happening(kind, symbol, bar, feed))

    def daily_bar(self, symbol: str, bar: Bar, feed: str = "sip") -> None:
        """A day's bar so far, for streams alone: history is made of minutes."""
        self._tell(Happening("d", symbol, bar, feed))

    def minutes(self, symbol: str, feed: str) -> list[Bar]:
        """The minute bars of *symbol*, oldest first."""
        return [bar for _, bar in sorted(self._minutes[symbol, feed].items())]

    def take(self, symbol: str, side: str, quantity: Decimal) -> None:
        """Take *quantity* from the quote's size: what one order got is not there for the next."""
        quote = self.quotes[symbol]
        if side == "buy" and quote.ask_size is not None:
            self.quotes[symbol] = replace(quote, ask_size=max(ZERO, quote.ask_size - quantity))
        elif side == "sell" and quote.bid_size is not None:
            self.quotes[symbol] = replace(quote, bid_size=max(ZERO, quote.bid_size - quantity))

    def reachable(self, symbol: str, side: str) -> tuple[Decimal, Decimal | None]:
        """The price and the size that an order of *side* meets; a price of 0 is none."""
        quote = self.quotes.get(symbol)
        if quote is None:
            return ZERO, ZERO
        return (quote.ask, quote.ask_size) if side == "buy" else (quote.bid, quote.bid_size)

    def price(self, symbol: str) -> Decimal:
        """The symbol's worth: the last trade, else the middle of the quote, else 0."""
        trade = self.trades.get(symbol)
        if trade is not None:
            return trade.price
        quote = self.quotes.get(symbol)
        if quote is None:
            return ZERO
        sides = [each for each in (quote.bid, quote.ask) if each]
        return sum(sides, ZERO) / len(sides) if sides else ZERO

    def _tell(self, happening: Happening) -> None:
        for follower in tuple(self._followers):
            follower(happening)


def adjusted(bar: Bar, splits: list[Split]) -> Bar:
    """*bar* as `adjustment=split` tells it: bars before a split in the shares of after it."""
    ratio = Decimal(1)
    for split in splits:
        if bar.at.astimezone(NEW_YORK).date() < split.day:
            ratio *= split.ratio
    if ratio == 1:
        return bar
    return replace(
        bar,
        open=bar.open / ratio,
        high=bar.high / ratio,
        low=bar.low / ratio,
        close=bar.close / ratio,
        volume=bar.volume * ratio,
        vwap=None if bar.vwap is None else bar.vwap / ratio,
    )


def joined(bars: list[Bar], starts_at: datetime) -> Bar:
    """One bar from *starts_at* of *bars*, which are in order and not none."""
    volume = sum((bar.volume for bar in bars), ZERO)
    value = sum(((bar.vwap or bar.close) * bar.volume for bar in bars), ZERO)
    return Bar(
        at=starts_at,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=volume,
        trades=sum(bar.trades for bar in bars),
        vwap=value / volume if volume else bars[-1].close,
    )


def flat_bars(start: datetime, count: int, price: Decimal, step: Decimal = ZERO) -> list[Bar]:
    """*count* minute bars from *start*, each *step* above the one before."""
    made = []
    for number in range(count):
        close = price + step * number
        made.append(
            Bar(
                at=start + timedelta(minutes=number),
                open=close - step,
                high=max(close, close - step),
                low=min(close, close - step),
                close=close,
                volume=Decimal(100 + number % 7),
                trades=10,
                vwap=close,
            )
        )
    return made
