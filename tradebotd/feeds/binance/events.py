"""Messages of market streams, strictly read: what is misshapen is a MisshapenError."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from tradebotd.domain.candle import Candle
from tradebotd.domain.quote import PriceKind
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
class Others:
    """Prices of other kinds than the last one. *at*: by the venue's clock; spot tells no time."""

    stream: str
    name: str
    prices: Mapping[PriceKind, Decimal]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Answered:
    """Answer to the SUBSCRIBE of that number; *refusal* None: it was accepted."""

    number: int | None
    refusal: str | None


class Shutdown:
    """The server says that it will go (S7)."""


Event = Trade | Minute | Others | Answered | Shutdown | None


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
    if stream is not None and facts.is_of_book(stream):
        kind = "bookTicker"
    if kind is None:
        return _answer(told)
    if stream is None or facts.is_coin_margined(members.get("st")):
        return None
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return None if reader is None else reader(told.text_at("stream"), event, source)


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


def _book(stream: str, event: Value, source: Source) -> Others:  # noqa: ARG001 - a reader's
    """Read best bid and ask; a side of zero has none."""
    told = {PriceKind.BID: event["b"].decimal(), PriceKind.ASK: event["a"].decimal()}
    at = event.get("E")
    prices = {kind: price for kind, price in told.items() if facts.is_price(price)}
    return Others(stream, event["s"].text(), prices, None if at is None else at.instant())


def _mark(stream: str, event: Value, source: Source) -> Others:
    price = event["p"].decimal()
    if not facts.is_price(price):
        raise source.misshapen("with a price that is zero or negative")
    return Others(stream, event["s"].text(), {PriceKind.MARK: price}, event["E"].instant())


_READERS: Final[Mapping[str, Callable[[str, Value, Source], Event]]] = {
    "aggTrade": _trade,
    "kline": _minute,
    "bookTicker": _book,
    "markPriceUpdate": _mark,
}
