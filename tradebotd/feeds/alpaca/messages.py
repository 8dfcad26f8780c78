"""Messages of the data streams, strictly read: what is misshapen is a MisshapenError."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from tradebotd.domain.candle import Candle
from tradebotd.domain.timeframe import Timeframe
from tradebotd.feeds.alpaca import facts
from tradebotd.feeds.alpaca.parsing import candle_of, price_of
from tradebotd.net.answers import Value


@dataclass(frozen=True, slots=True)
class Trade:
    """Trade of *name*; `price` None: it makes no last price."""

    name: str
    price: Decimal | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Minute:
    """Minute that has closed. *revised*: it was told before, and trades came late."""

    name: str
    candle: Candle
    revised: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Trade of *name* that was cancelled or corrected: it may be the last price."""

    name: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Trading status of *name*; *begins*: it is halted from *at* on, or not any more."""

    name: str
    begins: bool
    words: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Success:
    """Step of the greeting: *word* is `connected` or `authenticated`."""

    word: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Names that the stream tells from now on."""

    channels: facts.Channels


@dataclass(frozen=True, slots=True)
class Failed:
    """Error that the stream tells."""

    code: int
    words: str


Event = Trade | Minute | Withdrawn | Halt | Success | Subscribed | Failed | None


def event_of(told: Value) -> Event:
    """Read one message of a frame; None: of something that nobody asked for.

    Raises MisshapenError.
    """
    reader = _READERS.get(told["T"].text())
    return None if reader is None else reader(told)


def _trade(told: Value) -> Trade:
    price, at = price_of(told), told["t"].timestamp()
    return Trade(told["S"].text(), None if price is None else price.price, at)


def _minute(told: Value) -> Minute:
    candle = candle_of(told, Timeframe.M1)
    if not Timeframe.M1.is_on_grid(candle.ts):
        raise told["t"].wrong("is no minute")
    return Minute(told["S"].text(), candle, revised=told["T"].raw == "u")


def _halt(told: Value) -> Halt | None:
    begins = facts.halts(told["sc"].text())
    if begins is None:
        return None
    words = [found.text() for key in ("sm", "rm") if (found := told.get(key)) is not None]
    said = ": ".join(each for each in words if each)[:200]
    return Halt(told["S"].text(), begins, said, told["t"].timestamp())


def _subscribed(told: Value) -> Subscribed:
    return Subscribed(facts.Channels(bars=_names(told, "bars"), trades=_names(told, "trades")))


def _names(told: Value, channel: str) -> tuple[str, ...]:
    found = told.get(channel)
    return () if found is None else tuple(each.text() for each in found.items())


_READERS: Final[Mapping[str, Callable[[Value], Event]]] = {
    "t": _trade,
    "b": _minute,
    "u": _minute,
    "c": lambda told: Withdrawn(told["S"].text()),
    "x": lambda told: Withdrawn(told["S"].text()),
    "s": _halt,
    "success": lambda told: Success(told["msg"].text()),
    "subscription": _subscribed,
    "error": lambda told: Failed(told["code"].integer(), told["msg"].text()),
}
