"""Messages of market streams, strictly read: what is misshapen is a MisshapenError."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.binance import facts
from tradebotd.feeds.binance.parsing import candle_of
from tradebotd.net.answers import Source, Value


class Trade(NamedTuple):
    """Trade as it was told; `at`: when it was made, by the venue's clock."""

    stream: str
    name: str
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Minute:
    """The present minute; `candle` is None until it has closed."""

    stream: str
    name: str
    candle: Candle | None


@dataclass(frozen=True, slots=True)
class Answered:
    """Answer to the SUBSCRIBE of that number; *refusal* None: it was accepted."""

    number: int | None
    refusal: str | None


class Shutdown:
    """The server says that it will go (S7)."""


Event = Trade | Minute | Answered | Shutdown | None


def event_of(source: Source) -> Event:
    """Read one message; None: of something that nobody asked for. Raises MisshapenError."""
    told = source.json()
    stream = told.object().get("stream")
    event = told if stream is None else told.get("data")
    if event is None or isinstance(event.raw, list):
        return None  # of an all-market stream
    members = event.object()
    kind = members.get("e")
    if facts.is_shutdown(stream, kind):
        return Shutdown()
    if kind is None:
        return _answer(told)
    if stream is None or facts.is_coin_margined(members.get("st")):
        return None
    if kind == "aggTrade":
        return _trade(told.text_at("stream"), event, source)
    return _minute(told.text_at("stream"), event, source) if kind == "kline" else None


def _answer(told: Value) -> Event:
    """Spot says `code` and `msg`, USDT-M the same within `error`."""
    number = told.get("id")
    refused = told.get("error") or (told if told.get("code") is not None else None)
    if refused is not None:
        words = f"{refused['msg'].text()} ({refused['code'].integer()})"
        return Answered(None if number is None else number.integer(), words)
    if number is None or "result" not in told.object():
        return None
    return Answered(number.integer(), None)


def _trade(stream: str, event: Value, source: Source) -> Trade:
    price = event.decimal_at("p")
    if not facts.is_price(price):
        raise source.misshapen("with a price that is zero or negative")
    return Trade(stream, event.text_at("s"), price, event.instant_at("T"))


def _minute(stream: str, event: Value, source: Source) -> Minute:
    told, name = event["k"], event["s"].text()
    if told["i"].text() != facts.INTERVALS[Timeframe.M1]:
        raise source.misshapen("of another interval")
    opened, closes = told["t"].integer(), told["T"].integer()
    ts = told["t"].instant()
    if closes != facts.close_ms(opened, Timeframe.M1) or not Timeframe.M1.is_on_grid(ts):
        raise source.misshapen("whose candle is no minute")
    cells = [told[each] for each in ("o", "h", "l", "c", "v")]
    return Minute(stream, name, candle_of(ts, cells) if told["x"].flag() else None)
