"""Answers of Alpaca as candles and prices. Strict: a misshapen answer is a MisshapenError."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import structlog

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.alpaca import facts
from tradebotd.feeds.candle_rows import rejected_row, rows_of
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError

_log = structlog.get_logger(__name__)


class Page(NamedTuple):
    """Rows of one symbol in one answer, by their time. `more`: the token of the next answer."""

    candles: Sequence[Candle]
    rejected: Sequence[RejectedCandle]
    duplicates: int
    more: str | None


class Price(NamedTuple):
    price: Decimal
    at: datetime


def page_of(answer: Value, name: str, timeframe: Timeframe, feed: str, source: Source) -> Page:
    """Read the bars of *name*; others are not asked for. Raises MisshapenError."""
    bars = answer.get("bars")
    rows = [] if bars is None else [each for key, each in bars.members() if key == name]
    told = [row for each in rows if each.raw is not None for row in each.items()]
    if len(told) > facts.MOST_ROWS:
        raise source.misshapen("with more rows than were asked for")
    read = rows_of(((row, _candle(row, timeframe, feed)) for row in told), feed)
    more = answer.get("next_page_token")
    token = None if more is None else more.text()
    return Page(*read, token or None)


def trades_of(answer: Value) -> dict[str, Price]:
    """Read latest trades by the provider's names; what makes no last price is left out.

    Raises MisshapenError where the whole is none.
    """
    found: dict[str, Price] = {}
    for name, told in answer["trades"].members():
        try:
            price = price_of(told)
        except MisshapenError as error:
            _log.warning("quote left out", symbol=name, reason=str(error))
            continue
        if price is not None:
            found[name] = price
    return found


def price_of(trade: Value) -> Price | None:
    """Read a trade; None for one that makes no last price. Raises MisshapenError."""
    price, at = trade["p"], trade["t"].timestamp()
    number = price.decimal()
    if number <= 0:
        raise price.wrong("is zero or negative")
    conditions = trade.get("c")
    told = [] if conditions is None else [each.text() for each in conditions.items()]
    if not facts.makes_last_price(told, _text(trade, "u"), _text(trade, "z")):
        return None
    return Price(number, at)


def _text(told: Value, key: str) -> str | None:
    found = told.get(key)
    return None if found is None else found.text()


def candle_of(bar: Value, timeframe: Timeframe) -> Candle:
    """Read a bar. Raises MisshapenError. Whether it makes sense is judged for all feeds alike."""
    ts = facts.bar_time(timeframe, bar["t"].timestamp())
    numbers = [float(bar[each].decimal()) for each in ("o", "h", "l", "c", "v")]
    return Candle(ts, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])


def _candle(row: Value, timeframe: Timeframe, feed: str) -> Candle | RejectedCandle:
    try:
        ts = facts.bar_time(timeframe, row["t"].timestamp())
    except MisshapenError:
        return rejected_row(row, feed, "no open time", None)
    try:
        return candle_of(row, timeframe)
    except MisshapenError:
        return rejected_row(row, feed, "a value is no number", ts)
