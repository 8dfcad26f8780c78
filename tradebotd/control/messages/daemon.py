"""The JSON shapes of what changes an exit, takes a holding in, or ends everything."""

from typing import Literal

from pydantic import Field

from tradebotd.control.messages.status import Trade
from tradebotd.control.wire import Message


class ExitWish(Message):
    """Prices, percentages with their sign, a duration, or "none"; what is null stays as it is."""

    stop_loss: str | None = None
    take_profit: str | None = None
    trailing_stop: str | None = None
    max_holding: str | None = None


class AdoptWish(Message):
    venue: str
    symbol: str
    bot: str


class SymbolResumed(Message):
    symbol: str


class Left(Message):
    kind: Literal["position", "order", "venue", "step"]
    subject: str
    why: str


class Flattened(Message):
    """Flat when `left` is empty; entries stay halted in either case.

    `trades`: what became of the positions in `closed`. `cancelled`: orders that rested, entries
    and exits, by their client ids.
    """

    closed: list[str]
    cancelled: list[str]
    trades: list[Trade] = Field(default_factory=list)
    left: list[Left]
