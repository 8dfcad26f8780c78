"""Answers of Twelve Data as candles and prices. Strict: a misshapen answer is a MisshapenError."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.candle import Candle, RejectedCandle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.candle_rows import rejected_row, rows_of
from tradebotd.feeds.twelvedata.facts import MOST_ROWS, bar_time
from tradebotd.feeds.twelvedata.refusals import Refusal, refusal_of
from tradebotd.net.answers import Source, Value
from tradebotd.net.errors import MisshapenError

_PRICES: Final = ("open", "high", "low", "close")


class Series(NamedTuple):
    """Bars in the order of their times; `zone` is the exchange's, None for pairs."""

    candles: Sequence[Candle]
    rejected: Sequence[RejectedCandle]
    duplicates: int
    zone: str | None


def parts_of(answer: Value, names: Sequence[str], *, batch: bool) -> dict[str, Value]:
    """The part of each of *names*; of one that was left out, none.

    A refusal of the whole is the part of all of them. Raises MisshapenError.
    """
    if not batch or refusal_of(answer) is not None:
        return dict.fromkeys(names, answer)
    parts = dict(answer.members())
    return {name: parts[name] for name in names if name in parts}


def series_of(part: Value, timeframe: Timeframe, name: str, source: Source) -> Series | Refusal:
    """Read the bars of one symbol, newest first as they come. Raises MisshapenError."""
    refused = refusal_of(part)
    if refused is not None:
        return refused
    rows = part["values"].items()
    if len(rows) > MOST_ROWS:
        raise source.misshapen("with more rows than were asked for")
    read = rows_of(((row, _candle(row, timeframe, name)) for row in reversed(rows)), name)
    zone = part["meta"].get("exchange_timezone")
    told = None if zone is None else zone.text()
    return Series(*read, told)


def price_of(part: Value, source: Source) -> Decimal | Refusal:
    """Read one last price. Raises MisshapenError."""
    refused = refusal_of(part)
    if refused is not None:
        return refused
    price = part["price"].decimal()
    if price <= 0:
        raise source.misshapen("with a price that is zero or negative")
    return price


def _candle(row: Value, timeframe: Timeframe, source: str) -> Candle | RejectedCandle:
    """A candle, or why it is none; whether its values make sense is judged for all feeds alike."""
    told: Mapping[str, object] = row.object()
    try:
        ts = bar_time(timeframe, row["datetime"].text())
    except (ValueError, OverflowError):
        return rejected_row(row, source, "no open time", None)
    except MisshapenError:
        return rejected_row(row, source, "no open time", None)
    try:
        prices = [float(row[each].decimal()) for each in _PRICES]
        volume = float(row["volume"].decimal()) if told.get("volume") not in {None, ""} else 0.0
    except (MisshapenError, TypeError):
        return rejected_row(row, source, "a value is no number", ts)
    return Candle(ts, prices[0], prices[1], prices[2], prices[3], volume)
