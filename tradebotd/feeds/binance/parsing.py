"""Answers of Binance as candles and prices. Strict: a misshapen answer is a MisshapenError."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import structlog

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.timeframe import EPOCH, Timeframe
from tradebotd.feeds.binance import facts
from tradebotd.feeds.candle_rows import rejected_row, rows_of
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError

_log = structlog.get_logger(__name__)


class Page(NamedTuple):
    """Rows of one answer, by their time. `last`: open time of the latest row, closed or not."""

    candles: Sequence[Candle]
    rejected: Sequence[RejectedCandle]
    duplicates: int
    last: datetime | None
    rows: int


def page_of(
    answer: Value, timeframe: Timeframe, name: str, source: Source, venue_now: datetime
) -> Page:
    """Read the rows of one answer; the unfinished one is left out. Raises MisshapenError."""
    rows = answer.items()
    if len(rows) > facts.SPOT.rows:
        raise source.misshapen("with more rows than were asked for")
    read = [
        (row, candle)
        for row in rows
        if (candle := _candle(row, timeframe, name, venue_now)) is not None
    ]
    last = max((candle.ts for _, candle in read if candle.ts is not None), default=None)
    return Page(*rows_of(read, name), last, len(rows))


def prices_of(answer: Value, source: Source) -> dict[str, Decimal]:
    """Read last prices by the venue's names, of one symbol or of many; bad ones are left out.

    Raises MisshapenError where the whole is neither.
    """
    rows = answer.items() if isinstance(answer.raw, list) else [answer]
    found: dict[str, Decimal] = {}
    for row in rows:
        name = row["symbol"].text()
        try:
            price = row["price"].decimal()
            if not facts.is_price(price):
                raise source.misshapen("with a price that is zero or negative")
        except MisshapenError as error:
            _log.warning("quote left out", symbol=name, reason=str(error))
            continue
        found[name] = price
    return found


def _candle(
    row: Value, timeframe: Timeframe, name: str, venue_now: datetime
) -> Candle | RejectedCandle | None:
    """A candle, or why it is none; None: it is not over."""
    cells = row.items() if isinstance(row.raw, list) else []
    try:
        opened, ts = cells[0].integer(), cells[0].instant()
    except (MisshapenError, IndexError):
        return rejected_row(row, name, "no open time", None)
    try:
        closes = cells[6].integer()
    except (MisshapenError, IndexError):
        return rejected_row(row, name, "no close time", ts)
    if closes != facts.close_ms(opened, timeframe):
        return rejected_row(row, name, f"not a candle of {timeframe}", ts)
    if not facts.is_closed(closes, venue_now):
        return None
    try:
        return candle_of(ts, cells[1:6])
    except MisshapenError:
        return rejected_row(row, name, "a value is no number", ts)


def candle_of(ts: datetime, cells: Sequence[Value]) -> Candle:
    """Read open, high, low, close and volume. Raises MisshapenError.

    Whether they make sense is judged for all feeds alike.
    """
    numbers = [float(each.decimal()) for each in cells]
    return Candle(ts, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4])


def in_ms(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)
